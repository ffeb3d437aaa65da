import ICE
import Secure
import TestKit
import Testing
import Wire

@testable import WebRTC

@Suite struct TransportHostilityTests {
    @Test func whatComesFromUnvalidatedTuplesChangesNothing() throws {
        let pair = try TransportPair()
        try pair.connect()
        let genuine = pair.client.protected(rtp: TestClient.packet(sequenceNumber: 1))
        let control = pair.client.protected(rtcp: TestClient.receiverReport)
        let (sent, events) = (pair.sent.count, pair.events.count)
        for port in 6_000..<6_100 {
            pair.inject(genuine, port: UInt16(port))
            pair.inject(control, port: UInt16(port))
            pair.inject(pair.client.check(nominating: true, password: "wrong"), port: UInt16(port))
        }
        #expect(pair.engine.drops.unvalidatedTuple == 200)
        #expect(pair.plaintext.isEmpty)
        #expect(pair.events.count == events)
        #expect(pair.engine.validatedTuples == [TransportPair.tuple(40_000)])
        #expect(pair.sent.count - sent <= Int(ICELimits.errorResponseBurst))
        // The same bytes are good on the right tuple, so the replay window was not touched.
        #expect(pair.inject(genuine, port: 40_000) == .rtp(byteCount: 16))
    }

    @Test func forgedMediaOnTheRightTupleIsCountedAndDropped() throws {
        let pair = try TransportPair()
        try pair.connect()
        let genuine = pair.client.protected(rtp: TestClient.packet(sequenceNumber: 1))
        for index in 2..<genuine.count {
            var forged = genuine
            forged[index] ^= 0x10
            pair.inject(forged, port: 40_000)
        }
        #expect(pair.plaintext.isEmpty)
        #expect(pair.engine.drops.authenticationFailed > 0)
        #expect(pair.inject(genuine, port: 40_000) == .rtp(byteCount: 16))
        #expect(pair.inject(genuine, port: 40_000) == .consumed)
        #expect(pair.engine.drops.replayed == 1)
        // RTCP in the clear is not read either.
        pair.inject(TestClient.receiverReport, port: 40_000)
        #expect(pair.plaintext.count == 1)
    }

    @Test func wrongPasswordsAreReported() throws {
        let pair = try TransportPair()
        #expect(pair.inject(pair.client.check(nominating: true, password: "wrong"), port: 1) == .refusedCheck)
        #expect(pair.engine.validatedTuples.isEmpty)
        #expect(pair.engine.iceStatistics.rejected == 1)
    }

    @Test func aHundredPortsKeepEightTuples() throws {
        let pair = try TransportPair()
        try pair.connect()
        for port in 50_000..<50_100 { pair.inject(pair.client.check(nominating: false), port: UInt16(port)) }
        #expect(pair.engine.validatedTuples.count == ICELimits.maximumTuples)
        #expect(pair.engine.selectedTuple == TransportPair.tuple(40_000))
        var mapped: Set<TransportTuple> = []
        for event in pair.events {
            switch event {
            case .tupleAdded(let tuple): mapped.insert(tuple)
            case .tupleRemoved(let tuple): mapped.remove(tuple)
            default: break
            }
        }
        #expect(mapped == Set(pair.engine.validatedTuples))
    }

    @Test func everyFirstByteIsSortedWithoutATrace() throws {
        let pair = try TransportPair()
        pair.inject([], port: 40_000)
        for first in UInt8.min...UInt8.max {
            pair.inject([first], port: 40_000)
            pair.inject([first, 0] + Array(repeating: 0, count: 40), port: 40_000)
        }
        #expect(pair.sent.isEmpty)
        #expect(pair.events.isEmpty)
    }

    /// Datagrams that look real at first sight, to an engine before and after it is connected.
    @Test(arguments: [1, 2] as [UInt64])
    func randomDatagramsNeitherTrapNorGrowState(_ seed: UInt64) throws {
        let pair = try TransportPair()
        if seed == 2 { try pair.connect() }
        pair.inject(pair.client.check(nominating: true), port: 40_000)
        var random = SplitMix64(seed: seed)
        let samples = [
            pair.client.check(nominating: true), TestClient.packet(sequenceNumber: 9), TestClient.receiverReport,
            [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60] + Array(repeating: 1, count: 60),
            pair.isConnected ? pair.client.protected(rtp: TestClient.packet(sequenceNumber: 99)) : [0x80, 96],
        ]
        let firsts: [UInt8] = [0, 1, 20, 21, 22, 23, 63, 64, 128, 129, 144, 191]
        let sentBefore = pair.sent.count
        for round in 0..<25_000 {
            var datagram: [UInt8]
            if round % 2 == 0 {
                datagram = random.bytes(Int.random(in: 0...80, using: &random))
                if !datagram.isEmpty { datagram[0] = firsts.randomElement(using: &random) ?? 0 }
            } else {
                datagram = samples[Int.random(in: 0..<samples.count, using: &random)]
                datagram[Int.random(in: 0..<datagram.count, using: &random)] ^=
                    UInt8(1) << UInt8.random(in: 0...7, using: &random)
                if round % 5 == 0 { datagram.removeLast(Int.random(in: 0..<datagram.count, using: &random)) }
            }
            let port: UInt16 = round % 3 == 0 ? 40_000 : UInt16.random(in: 1_024...65_535, using: &random)
            pair.inject(datagram, port: port)
        }
        #expect(pair.engine.validatedTuples.count <= ICELimits.maximumTuples)
        #expect(pair.sent.count - sentBefore < 2_000)
        if seed == 2 {
            #expect(pair.engine.isConnected)
            let packet = TestClient.packet(sequenceNumber: 200)
            pair.client.send(pair.client.protected(rtp: packet))
            pair.run(milliseconds: 50)
            #expect(pair.plaintext.last == packet)
        }
    }
}
