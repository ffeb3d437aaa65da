import ICE
import Secure
import TestKit
import Testing
import Wire

@testable import WebRTC

/// ICE restart with media running (WHIP-25, WHIP-29), and paths that change under it.
@Suite struct TransportRestartTests {
    private static let local = ICECredentials(ufrag: "martletAgain", password: "anotherPasswordOfTheServer+/01")
    private static let remote = ICECredentials(ufrag: "cli2", password: "anotherPasswordOfTheClient+01")

    /// Media both ways every 20 ms for a while; how many packets each side got.
    private func exchange(
        _ pair: TransportPair, from number: inout UInt16, milliseconds: UInt64
    ) -> (server: Int, client: Int) {
        let before = (pair.plaintext.count, pair.client.receivedRTP.count)
        for _ in 0..<milliseconds / 20 {
            number &+= 1
            pair.client.send(pair.client.protected(rtp: TestClient.packet(sequenceNumber: number)))
            _ = pair.sendMedia(number)
            pair.run(milliseconds: 20)
        }
        pair.run(milliseconds: 20)
        return (pair.plaintext.count - before.0, pair.client.receivedRTP.count - before.1)
    }

    @Test func mediaNeverStopsDuringARestart() throws {
        let pair = try TransportPair()
        try pair.connect()
        var number: UInt16 = 0
        #expect(exchange(pair, from: &number, milliseconds: 1_000) == (50, 50))

        pair.engine.restart(local: Self.local, remote: Self.remote, at: pair.now)
        #expect(exchange(pair, from: &number, milliseconds: 1_000) == (50, 50), "before the client has heard of it")

        // The client comes from another port with the new credentials, and nominates a second later.
        pair.client.remote = Self.local
        pair.client.local = Self.remote
        let check = pair.client.check(nominating: false)
        pair.inject(check, port: 50_000)
        #expect(pair.events.contains(.restarted))
        #expect(exchange(pair, from: &number, milliseconds: 1_000) == (50, 50), "on the earlier path")
        pair.client.port = 50_000
        pair.client.send(pair.client.check(nominating: true))
        pair.run(milliseconds: 15)
        #expect(pair.engine.selectedTuple == TransportPair.tuple(50_000))
        #expect(exchange(pair, from: &number, milliseconds: 1_000) == (50, 50), "on the new path")
        #expect(pair.events.filter { $0 == .restarted }.count == 1)
        #expect(pair.client.dtls.restarts == 0 && pair.engine.isConnected)
    }

    /// WHIP-29: the client never takes the answer and goes on with its earlier credentials.
    @Test func aFailedRestartLeavesTheSessionAsItWas() throws {
        let pair = try TransportPair()
        try pair.connect()
        pair.engine.restart(local: Self.local, remote: Self.remote, at: pair.now)
        var number: UInt16 = 0
        #expect(exchange(pair, from: &number, milliseconds: 20_000) == (1_000, 1_000))
        #expect(!pair.events.contains(.restarted))
        #expect(pair.engine.selectedTuple == TransportPair.tuple(40_000))
    }

    /// N11, N12: somebody whose network was gone for 20 s is back with the first check of the restart.
    @Test func aRestartBringsBackASessionThatLostConsent() throws {
        let pair = try TransportPair()
        pair.client.renewsConsent = false
        try pair.connect()
        pair.run(milliseconds: 20_000)
        #expect(pair.engine.selectedTuple == nil)
        pair.engine.restart(local: Self.local, remote: Self.remote, at: pair.now)
        pair.run(milliseconds: 14_000)
        #expect(pair.closeReason == nil, "the grace began anew")
        pair.client.remote = Self.local
        pair.client.local = Self.remote
        pair.client.port = 50_000
        pair.client.send(pair.client.check(nominating: true))
        pair.run(milliseconds: 15)
        var number: UInt16 = 0
        #expect(exchange(pair, from: &number, milliseconds: 200) == (10, 10))
    }

    /// ICE-24: a NAT gives the client another port while media flows; from the check on nothing is missing, and the
    /// client, who checks every two seconds at the latest, notices no more than that.
    @Test func aFlippedPortCostsNoMoreThanTheWayOfOneCheck() throws {
        var setup = TransportPair.Setup()
        setup.conditions.latencyMilliseconds = 20
        let pair = try TransportPair(setup)
        try pair.connect()
        for flip in 1...20 as ClosedRange<UInt16> {
            pair.client.port = 40_000 + flip
            pair.client.send(pair.client.check(nominating: true))
            let checked = pair.now
            let before = pair.client.receivedRTP.count
            var number = flip &* 100
            var arrival: Instant?
            for _ in 0..<20 where arrival == nil {
                number &+= 1
                _ = pair.sendMedia(number)
                pair.run(milliseconds: 10)
                if pair.client.receivedRTP.count > before { arrival = pair.now }
            }
            let gap = try #require(arrival).milliseconds(since: checked)
            #expect(gap < 200, "flip \(flip): \(gap) ms")
        }
        #expect(pair.engine.validatedTuples.count == ICELimits.maximumTuples)
        #expect(pair.client.dtls.restarts == 0)
    }
}
