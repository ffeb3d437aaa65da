import Loop
import TestKit
import Testing
import Wire

@testable import Server

@Suite struct QuietSessionsTests {
    private static let start = Instant.seconds(100)
    private static let stranger = SocketAddress(ipv4: 0x0A00_0001, port: 9)

    private static func host(_ number: Int) -> SocketAddress {
        SocketAddress(ipv4: 0xC000_0200 + UInt32(number), port: 7)
    }

    private static func rtp(_ source: UInt32) -> [UInt8] { TestClient.packet(ssrc: source, sequenceNumber: 1) }

    /// A receiver report as it looks when it is encrypted.
    private static func rtcp(_ source: UInt32) -> [UInt8] {
        var report: [UInt8] = [0x80, 201, 0, 1]
        report.append(bigEndian: source)
        return report + [UInt8](repeating: 0x5A, count: 20)
    }

    private static func found(
        _ quiet: inout QuietSessions, _ datagram: [UInt8], from address: SocketAddress = stranger, at now: Instant
    ) -> [Int] {
        datagram.withBytes {
            let found = quiet.candidates(for: $0, from: address, at: now)
            return (0..<found.count).map { found[$0] }
        }
    }

    private static func heard(
        _ quiet: inout QuietSessions, _ slot: Int, _ datagram: [UInt8], from address: SocketAddress, at now: Instant
    ) {
        datagram.withBytes { quiet.heard(slot, $0, from: address, at: now) }
    }

    /// Sessions that were heard every so many milliseconds until just now.
    private static func sessions(
        _ count: Int, every milliseconds: UInt64, source: (Int) -> UInt32
    ) -> (QuietSessions, now: Instant) {
        var quiet = QuietSessions(seed: 1, at: start)
        for slot in 0..<count { #expect(quiet.add() == slot) }
        var now = start
        for _ in 0..<20 {
            now = now.advanced(byMilliseconds: milliseconds)
            for slot in 0..<count { heard(&quiet, slot, rtcp(source(slot)), from: host(slot), at: now) }
        }
        return (quiet, now)
    }

    @Test func aSourceOfItsOwnNamesItsSession() {
        var (quiet, now) = Self.sessions(100, every: 50) { UInt32($0) + 1_000 }
        now = now.advanced(byMilliseconds: 30)
        #expect(Self.found(&quiet, Self.rtp(1_042), at: now) == [42])
        #expect(Self.found(&quiet, Self.rtcp(1_007), at: now) == [7])
        #expect(Self.found(&quiet, Self.rtp(5), at: now).isEmpty)
        #expect(quiet.lookCount == 3)
    }

    @Test func whoWasSilentForLongIsGone() {
        let (sessions, now) = Self.sessions(2, every: 50) { _ in 1 }
        var quiet = sessions
        #expect(Set(Self.found(&quiet, Self.rtcp(1), at: now)) == [0, 1])
        Self.heard(&quiet, 1, Self.rtcp(1), from: Self.host(1), at: now.advanced(byMilliseconds: 50))
        #expect(Self.found(&quiet, Self.rtcp(1), at: now.advanced(byMilliseconds: 60)) == [0, 1])
        #expect(Self.found(&quiet, Self.rtcp(1), at: now.advanced(byMilliseconds: 10_020)) == [1])
        #expect(Self.found(&quiet, Self.rtcp(1), at: now.advanced(bySeconds: 20)).isEmpty)
    }

    /// Browsers that only watch may all use one source: the same host comes first, then who missed most turns.
    @Test func neighboursComeFirstAndThenThoseThatMissedMostTurns() {
        var (quiet, now) = Self.sessions(30, every: 100) { _ in 1 }
        // All but a few are on time.
        now = now.advanced(byMilliseconds: 90)
        for slot in 0..<30 where slot != 11 && slot != 23 {
            Self.heard(&quiet, slot, Self.rtcp(1), from: Self.host(slot), at: now)
        }
        now = now.advanced(byMilliseconds: 60)
        let moved = Self.host(4).withPort(4_711)
        let found = Self.found(&quiet, Self.rtcp(1), from: moved, at: now)
        #expect(found.count == QuietSessions.maximumTrials)
        #expect(found.first == 4 && Set(found[1...2]) == [11, 23])
    }

    @Test func aSessionOfManySourcesIsFoundByEachOfItsLastEight() {
        var quiet = QuietSessions(seed: 1, at: Self.start)
        let slot = quiet.add()
        for source in 1...20 as ClosedRange<UInt32> {
            Self.heard(&quiet, slot, Self.rtp(source), from: Self.host(0), at: Self.start)
        }
        let now = Self.start.advanced(byMilliseconds: 100)
        for source in 13...20 as ClosedRange<UInt32> { #expect(Self.found(&quiet, Self.rtp(source), at: now) == [0]) }
        #expect(Self.found(&quiet, Self.rtp(12), at: now).isEmpty)
    }

    @Test func aSlotIsUsedAgainAndKnowsNothingOfItsFormerSession() {
        var (quiet, now) = Self.sessions(3, every: 50) { _ in 1 }
        quiet.remove(1)
        now = now.advanced(byMilliseconds: 50)
        #expect(Set(Self.found(&quiet, Self.rtcp(1), at: now)) == [0, 2])
        #expect(quiet.add() == 1)
        #expect(Set(Self.found(&quiet, Self.rtcp(1), at: now)) == [0, 2])
    }

    @Test func withoutSessionsNothingIsLookedFor() {
        var quiet = QuietSessions(seed: 1, at: Self.start)
        quiet.remove(quiet.add())
        for _ in 0..<1_000 { #expect(Self.found(&quiet, Self.rtp(1), at: Self.start).isEmpty) }
        #expect(quiet.lookCount == 0 && quiet.limitedCount == 0)
    }

    @Test func whatIsNotMediaOrTooShortIsNotLookedAt() {
        var (quiet, now) = Self.sessions(2, every: 50) { _ in 0 }
        now = now.advanced(byMilliseconds: 50)
        let media = [UInt8](repeating: 0, count: 11)
        let datagrams: [[UInt8]] = [
            [], [0x80], [0x80] + media.dropFirst(), [0x80, 201, 0, 1, 0, 0], [22] + media + media,
        ]
        for datagram in datagrams {
            #expect(Self.found(&quiet, datagram, at: now).isEmpty)
        }
        #expect(quiet.lookCount == 0)
    }

    /// 20,000 datagrams a second for ten seconds from as many addresses, or from one, all of the source that everybody uses.
    @Test(arguments: [false, true])
    func aFloodIsLookedAtFiftyTimesASecond(_ isOfOneHost: Bool) {
        var (quiet, now) = Self.sessions(100, every: 50) { _ in 1 }
        var random = SplitMix64(seed: 1)
        let junk = Self.rtcp(1)
        var tried = 0
        for _ in 0..<200_000 {
            now = now.advanced(byNanoseconds: 50_000)
            let address =
                isOfOneHost
                ? Self.stranger.withPort(UInt16.random(in: 1...60_000, using: &random))
                : SocketAddress(ipv4: UInt32.random(in: 0...UInt32.max, using: &random), port: 1)
            tried += Self.found(&quiet, junk, from: address, at: now).count
        }
        let looks = isOfOneHost ? 20 + 5 * 10 : QuietSessions.lookBurst + QuietSessions.looksPerSecond * 10
        #expect(quiet.lookCount <= UInt64(looks) + 1)
        #expect(quiet.lookCount + quiet.limitedCount == 200_000)
        #expect(tried <= Int(quiet.lookCount) * QuietSessions.maximumTrials)
    }
}
