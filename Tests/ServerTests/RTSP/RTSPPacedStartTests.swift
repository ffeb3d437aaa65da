import Testing
import Wire

@testable import Server

/// A start over datagrams: in order, not all at once, and what comes meanwhile behind it.
@Suite struct RTSPPacedStartTests {
    private static func packet(_ number: UInt16, _ timestamp: UInt32, size: Int = 100) -> [UInt8] {
        var bytes: [UInt8] = [0x80, 96]
        bytes.append(bigEndian: number)
        bytes.append(bigEndian: timestamp)
        bytes.append(bigEndian: UInt32(7))
        return bytes + Array(repeating: 1, count: size)
    }

    /// Packets of a group that took `seconds`, evenly.
    private static func cache(_ count: Int, seconds: UInt32) -> RTSPStartCache {
        var cache = RTSPStartCache()
        for number in 0..<count {
            let timestamp = UInt32(UInt64(number) * UInt64(seconds) * 90_000 / UInt64(max(1, count - 1)))
            packet(UInt16(number), timestamp).withBytes { cache.append($0, startsKeyframe: number == 0) }
        }
        return cache
    }

    private static func numbers(_ start: inout RTSPPacedStart, at now: Instant) -> [UInt16] {
        var numbers: [UInt16] = []
        let count = start.take(at: now) { numbers.append($0.integer(at: 2) ?? 0) }
        #expect(count == numbers.count)
        return numbers
    }

    @Test func aGroupOfTenSecondsTakesOneAndLivePacketsGoBehindIt() {
        let begin = Instant.seconds(50)
        var start = RTSPPacedStart(Self.cache(2_000, seconds: 10), clockRate: 90_000, at: begin)
        var all = Self.numbers(&start, at: begin)
        #expect(all.count == RTSPPacedStart.burst)
        var live: UInt16 = 2_000
        var longest = 0
        var milliseconds: UInt64 = 0
        while !start.isEmpty, milliseconds < 5_000 {
            milliseconds += RTSPPacedStart.tickMilliseconds
            let now = begin.advanced(byMilliseconds: milliseconds)
            // Live goes on at 200 packets a second.
            if milliseconds % 5 == 0 {
                #expect(Self.packet(live, 1_000_000).withBytes { start.append($0) })
                live += 1
            }
            let due = Self.numbers(&start, at: now)
            longest = max(longest, due.count)
            all += due
        }
        #expect((900...1_200).contains(milliseconds), "it took \(milliseconds) ms")
        #expect(all == Array(0..<live))
        #expect(longest <= 11, "\(longest) packets at once")
    }

    /// Streams that tell nothing of their rate, and those with the highest, are sent within bounds.
    @Test(arguments: [(300, 0, 800), (300, 60, 800), (4_000, 1, 20_000)] as [(Int, UInt32, Int)])
    func ratesHaveBounds(_ count: Int, _ seconds: UInt32, _ rate: Int) {
        let begin = Instant.seconds(1)
        var start = RTSPPacedStart(Self.cache(count, seconds: seconds), clockRate: 90_000, at: begin)
        _ = Self.numbers(&start, at: begin)
        #expect(Self.numbers(&start, at: begin.advanced(byMilliseconds: 100)).count == rate / 10)
    }

    @Test func aTimerThatRunsLateCatchesUpAndNoEarlierInstantTakesAnything() {
        let begin = Instant.seconds(9)
        var start = RTSPPacedStart(Self.cache(500, seconds: 5), clockRate: 90_000, at: begin)
        let first = Self.numbers(&start, at: begin)
        #expect(Self.numbers(&start, at: .seconds(8)).isEmpty)
        let rest = Self.numbers(&start, at: .seconds(60))
        #expect(first + rest == Array(0..<500))
        #expect(start.isEmpty && Self.numbers(&start, at: .seconds(61)).isEmpty)
    }

    @Test func whatWasSentIsHeldNoLonger() {
        let begin = Instant.seconds(3)
        var start = RTSPPacedStart(Self.cache(2_000, seconds: 10), clockRate: 90_000, at: begin)
        #expect(start.byteCount == 2_000 * 112)
        var all = Self.numbers(&start, at: begin)
        var live: UInt16 = 2_000
        for tick in 1...400 as ClosedRange<UInt64> {
            #expect(Self.packet(live, 1_000_000).withBytes { start.append($0) })
            live += 1
            all += Self.numbers(&start, at: begin.advanced(byMilliseconds: tick * RTSPPacedStart.tickMilliseconds))
            #expect(start.byteCount <= 2 * 112 * start.waitingCount + 65_536)
        }
        #expect(all == Array(0..<live))
        #expect(start.isEmpty && start.byteCount < 65_536)
    }

    /// However large one start is, it is admitted alone, and what comes while it is sent has room.
    @Test func startsOfATrackHaveATotal() {
        #expect(RTSPStartCache.maximumBytes <= RTSPPacedStart.admittedTotalBytes)
        let left = RTSPPacedStart.maximumTotalBytes - RTSPPacedStart.admittedTotalBytes
        #expect(left >= RTSPStartCache.maximumBytes)
    }

    @Test func whatWaitsHasABound() {
        var start = RTSPPacedStart(Self.cache(1, seconds: 0), clockRate: 90_000, at: .seconds(1))
        var kept = 0
        while kept < 100_000, Self.packet(UInt16(truncatingIfNeeded: kept), 0).withBytes({ start.append($0) }) {
            kept += 1
        }
        #expect(kept == RTSPPacedStart.maximumPackets - 1)
        var large = RTSPPacedStart(Self.cache(1, seconds: 0), clockRate: 90_000, at: .seconds(1))
        var bytes = 0
        while bytes < 100 << 20, Self.packet(1, 0, size: 60_000).withBytes({ large.append($0) }) { bytes += 60_000 }
        #expect(bytes < RTSPPacedStart.maximumBytes)
    }
}
