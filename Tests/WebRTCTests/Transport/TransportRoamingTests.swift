import ICE
import Secure
import TestKit
import Testing
import Wire

@testable import WebRTC

/// A NAT gives the client another port, of which it knows nothing: its media comes from elsewhere, its next check is far.
@Suite struct TransportRoamingTests {
    private static let old: UInt16 = 40_000
    private static let new: UInt16 = 40_001
    /// Some other host that hears what the client sends.
    private static let attacker: UInt16 = 6_000

    /// A connected pair that has heard the client's media and its last check for some seconds.
    private static func pair(_ setup: TransportPair.Setup = .init()) throws -> TransportPair {
        let pair = try TransportPair(setup)
        try pair.connect()
        pair.client.renewsConsent = false
        pair.run(milliseconds: 5_100)
        pair.inject(media(pair, 1), port: old)
        pair.inject(report(pair), port: old)
        pair.run(milliseconds: 50)
        try #require(pair.engine.selectedTuple == TransportPair.tuple(old))
        return pair
    }

    private static func media(_ pair: TransportPair, _ number: UInt16) -> [UInt8] {
        pair.client.protected(rtp: TestClient.packet(sequenceNumber: number))
    }

    private static func report(_ pair: TransportPair) -> [UInt8] {
        pair.client.protected(rtcp: TestClient.receiverReport)
    }

    @Test(arguments: SRTPProfile.preferred, [false, true])
    func mediaFollowsTheClientWithinARoundTrip(_ profile: SRTPProfile, _ publishes: Bool) throws {
        var setup = TransportPair.Setup(clientProfiles: [profile])
        setup.conditions.latencyMilliseconds = 20
        let pair = try Self.pair(setup)
        let events = pair.events.count
        pair.client.port = Self.new
        pair.client.send(publishes ? Self.media(pair, 2) : Self.report(pair))
        let began = pair.now
        pair.run(milliseconds: 2_000) { pair.engine.selectedTuple == TransportPair.tuple(Self.new) }
        #expect(pair.engine.selectedTuple == TransportPair.tuple(Self.new))
        #expect(pair.now.milliseconds(since: began) == 60)
        #expect(pair.client.requests == 1)
        let tuple = TransportPair.tuple(Self.new)
        #expect(Array(pair.events[events...]) == [.tupleAwaited(tuple), .tupleAdded(tuple), .selected(tuple)])
        // From now on all is as it was.
        #expect(pair.sendMedia(1))
        pair.client.send(Self.media(pair, 3))
        pair.run(milliseconds: 100)
        #expect(pair.client.receivedRTP.count == 1)
        #expect(pair.plaintext.last == TestClient.packet(sequenceNumber: 3))
    }

    /// What tells of the move is dropped, and not forgotten as a replay: it may be sent again.
    @Test func thePacketThatTellsOfItMayComeAgain() throws {
        let pair = try Self.pair()
        pair.client.port = Self.new
        let packet = Self.media(pair, 2)
        #expect(pair.inject(packet, port: Self.new) == .stray)
        #expect(pair.engine.drops.unvalidatedTuple == 1)
        pair.run(milliseconds: 100)
        #expect(pair.engine.selectedTuple == TransportPair.tuple(Self.new))
        #expect(pair.inject(packet, port: Self.new) == .rtp(byteCount: 16))
    }

    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func lossOnlyDelaysIt(_ seed: UInt64) throws {
        let pair = try Self.pair(.init(conditions: .perfect, seed: seed))
        pair.network.conditions.loss = 0.3
        pair.client.port = Self.new
        let began = pair.now
        // All four requests of a check, or their answers, may be lost; then the next packet begins another one.
        for number in 2..<200 as Range<UInt16> {
            pair.client.send(Self.media(pair, number))
            pair.run(milliseconds: 20)
            if pair.engine.selectedTuple == TransportPair.tuple(Self.new) { break }
        }
        #expect(pair.engine.selectedTuple == TransportPair.tuple(Self.new))
        #expect(pair.now.milliseconds(since: began) < 4_000)
    }

    @Test func aClientThatAnswersNoChecksMovesWithItsOwn() throws {
        let pair = try Self.pair()
        pair.client.answersChecks = false
        pair.client.port = Self.new
        pair.client.send(Self.report(pair))
        pair.run(milliseconds: 2_000)
        #expect(pair.engine.selectedTuple == TransportPair.tuple(Self.old))
        #expect(pair.client.requests == ICELimits.ownCheckTransmissions)
        #expect(pair.events.last == .tupleRemoved(TransportPair.tuple(Self.new)))
        pair.client.send(pair.client.check(nominating: true))
        pair.run(milliseconds: 100)
        #expect(pair.engine.selectedTuple == TransportPair.tuple(Self.new))
    }

    @Test func replaysAndForgeriesAskNothing() throws {
        let pair = try Self.pair()
        let (heard, control) = (Self.media(pair, 5), Self.report(pair))
        #expect(pair.inject(heard, port: Self.old) == .rtp(byteCount: 16))
        pair.inject(control, port: Self.old)
        // Newer than what the attacker has, older than what the server has: it overtook this one.
        let delayed = Self.media(pair, 4)
        let next = Self.media(pair, 6)
        pair.run(milliseconds: 500)
        let (sent, events) = (pair.sent.count, pair.events.count)
        for port in 0..<20 as Range<UInt16> {
            for datagram in [heard, control, delayed] { pair.inject(datagram, port: Self.attacker + port) }
            pair.run(milliseconds: 1_000)
        }
        for index in next.indices.dropFirst() {
            var forged = next
            forged[index] ^= 1
            pair.inject(forged, port: Self.attacker)
            pair.run(milliseconds: 100)
        }
        #expect(pair.sent.count == sent && pair.events.count == events)
        #expect(pair.engine.drops.unvalidatedTuple == 60 + next.count - 1)
        #expect(pair.engine.iceStatistics.ownChecks == 0 && pair.engine.iceStatistics.trials > 80)
        #expect(pair.inject(next, port: Self.old) == .rtp(byteCount: 16))
    }

    /// A source that nothing was heard of could be recorded long ago.
    @Test func aSourceOfWhichNothingWasHeardAsksNothing() throws {
        let pair = try Self.pair()
        let first = pair.client.protected(rtp: TestClient.packet(ssrc: 4_711, sequenceNumber: 9))
        #expect(pair.inject(first, port: Self.attacker) == .stray)
        #expect(pair.engine.iceStatistics.ownChecks == 0)
    }

    /// Somebody passes a packet on before the client's own comes: a few small requests go to him, media does not.
    @Test func whoOvertakesAPacketGetsRequestsAndNoMedia() throws {
        let pair = try Self.pair()
        let packet = Self.media(pair, 2)
        pair.inject(packet, port: Self.attacker)
        #expect(pair.inject(packet, port: Self.old) == .rtp(byteCount: 16))
        let id = try #require(pair.transaction(askedOf: Self.attacker))
        // He cannot answer, from wherever; and what the client would answer comes too late.
        for (password, port) in [("guessed", Self.attacker), (TestClient.credentials.password, 6_001)] {
            #expect(pair.inject(TestClient.answer(to: id, password: password), port: port) == .refusedAnswer)
        }
        pair.run(milliseconds: 3)
        pair.inject(Self.media(pair, 3), port: Self.old)
        pair.inject(TestClient.answer(to: id, password: TestClient.credentials.password), port: Self.attacker)
        #expect(pair.engine.selectedTuple == TransportPair.tuple(Self.old))
        #expect(pair.events.last == .tupleRemoved(TransportPair.tuple(Self.attacker)))
        pair.run(milliseconds: 3_000)
        let requests = pair.sent.filter { $0.port == Self.attacker }
        #expect((1...ICELimits.ownCheckTransmissions).contains(requests.count))
        #expect(requests.allSatisfy { $0.datagram.count < 120 })
    }

    /// 20,000 a second for a second, of the client's source and of made-up ones, from as many addresses.
    @Test func aFloodOfTheRightSourceCostsAFewTrials() throws {
        let pair = try Self.pair()
        var random = SplitMix64(seed: 3)
        let sample = Self.media(pair, 2)
        for index in 0..<20_000 {
            var junk = sample
            for byte in 12..<junk.count { junk[byte] = UInt8.random(in: 0...255, using: &random) }
            junk.set(bigEndian: UInt16.random(in: 0...65_535, using: &random), at: 2)
            pair.inject(junk, port: UInt16(1_024 + index % 30_000))
            if index % 20 == 0 { pair.run(milliseconds: 1) }
        }
        let statistics = pair.engine.iceStatistics
        #expect(statistics.trials <= UInt64(ICELimits.trialBurst + 2 * ICELimits.trialsPerSecond))
        #expect(statistics.ownChecks == 0)
        pair.run(milliseconds: 1_000)
        pair.client.port = Self.new
        pair.client.send(Self.media(pair, 3))
        pair.run(milliseconds: 100)
        #expect(pair.engine.selectedTuple == TransportPair.tuple(Self.new))
    }

    @Test func aClientThatIsMovedAgainAndAgainIsFollowed() throws {
        let pair = try Self.pair()
        for step in 1...20 as ClosedRange<UInt16> {
            pair.client.port = Self.new + step
            pair.client.send(Self.media(pair, 10 + step))
            pair.run(milliseconds: 1_200)
            #expect(pair.engine.selectedTuple == TransportPair.tuple(Self.new + step))
        }
        #expect(pair.engine.validatedTuples.count == ICELimits.maximumTuples)
    }

    @Test func nothingIsAskedBeforeKeysAndAfterTheEnd() throws {
        let pair = try TransportPair()
        pair.inject(pair.client.check(nominating: true), port: Self.old)
        pair.inject(TestClient.packet(sequenceNumber: 1), port: Self.attacker)
        #expect(pair.engine.iceStatistics.trials == 0)
        let ended = try Self.pair()
        let packet = Self.media(ended, 2)
        ended.engine.close()
        #expect(ended.inject(packet, port: Self.attacker) == .consumed)
        #expect(ended.engine.nextDeadline == nil)
    }
}

extension TransportPair {
    /// The transaction of the last check that was sent to `port`.
    fileprivate func transaction(askedOf port: UInt16) -> STUNTransactionID? {
        guard let request = sent.last(where: { $0.port == port })?.datagram else { return nil }
        return request.withBytes { try? STUNMessage(parsing: $0).transactionID }
    }
}
