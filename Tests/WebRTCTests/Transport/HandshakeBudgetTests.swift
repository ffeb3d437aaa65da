import ICE
import TestKit
import Testing
import Wire

@testable import WebRTC

/// N15: how long it takes to connect when a third of all datagrams is lost, both ways.
@Suite struct HandshakeBudgetTests {
    @Test(arguments: [DTLSRole.server, .client])
    func connectsWithinThreeSecondsAtThirtyPercentLoss(_ role: DTLSRole) throws {
        var times: [Int64] = []
        for seed in 1...60 as ClosedRange<UInt64> {
            var setup = TransportPair.Setup()
            setup.role = role
            setup.conditions.loss = 0.3
            setup.conditions.latencyMilliseconds = 20
            setup.seed = seed
            let pair = try TransportPair(setup)
            try pair.connect()
            times.append(pair.elapsedMilliseconds)
        }
        times.sort()
        #expect(times[56] < 3_000, "p95 of 60; all: \(times)")
    }
}
