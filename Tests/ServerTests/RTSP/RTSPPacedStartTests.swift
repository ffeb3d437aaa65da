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
            append(to: &cache, UInt16(truncatingIfNeeded: number), timestamp, startsKeyframe: number == 0)
        }
        return cache
    }

    private static func append(
        to cache: inout RTSPStartCache, _ number: UInt16, _ timestamp: UInt32, size: Int = 100,
        startsKeyframe: Bool = false
    ) {
        packet(number, timestamp, size: size).withBytes {
            cache.append($0, payload: 12..<$0.byteCount, startsKeyframe: startsKeyframe)
        }
    }

    private static func start(_ cache: inout RTSPStartCache, at now: Instant) throws -> RTSPPacedStart {
        let start = try #require(RTSPPacedStart(cache, clockRate: 90_000, at: now))
        cache.need(from: start.position)
        return start
    }

    private static func numbers(
        _ start: inout RTSPPacedStart, _ cache: inout RTSPStartCache, at now: Instant
    ) -> [UInt16] {
        var numbers: [UInt16] = []
        let count = start.take(at: now, from: &cache) {
            numbers.append($0.integer(at: 2) ?? 0)
            return true
        }
        #expect(count == numbers.count)
        cache.need(from: start.isOver(cache) ? nil : start.position)
        return numbers
    }

    @Test func aGroupOfTenSecondsTakesOneAndLivePacketsGoBehindIt() throws {
        let begin = Instant.seconds(50)
        var cache = Self.cache(2_000, seconds: 10)
        var start = try Self.start(&cache, at: begin)
        var all = Self.numbers(&start, &cache, at: begin)
        #expect(all.count == RTSPPacedStart.burst)
        var live: UInt16 = 2_000
        var longest = 0
        var milliseconds: UInt64 = 0
        while !start.isOver(cache), milliseconds < 5_000 {
            milliseconds += RTSPPacedStart.tickMilliseconds
            let now = begin.advanced(byMilliseconds: milliseconds)
            // Live goes on at 200 packets a second.
            Self.append(to: &cache, live, 1_000_000)
            live += 1
            let due = Self.numbers(&start, &cache, at: now)
            longest = max(longest, due.count)
            all += due
        }
        #expect((900...1_200).contains(milliseconds), "it took \(milliseconds) ms")
        #expect(all == Array(0..<live))
        #expect(longest <= 11, "\(longest) packets at once")
    }

    /// Streams that tell nothing of their rate, and those with the highest, are sent within bounds.
    @Test(arguments: [(4_000, 0, 20_000), (300, 60, 800), (4_000, 1, 20_000)] as [(Int, UInt32, Int)])
    func ratesHaveBounds(_ count: Int, _ seconds: UInt32, _ rate: Int) throws {
        let begin = Instant.seconds(1)
        var cache = Self.cache(count, seconds: seconds)
        var start = try Self.start(&cache, at: begin)
        _ = Self.numbers(&start, &cache, at: begin)
        #expect(Self.numbers(&start, &cache, at: begin.advanced(byMilliseconds: 100)).count == rate / 10)
    }

    /// The least rate would never catch up with 2,000 packets a second.
    @Test func aStreamFasterThanItsStartTellsIsCaughtUpWith() throws {
        let begin = Instant.seconds(1)
        var cache = Self.cache(300, seconds: 60)
        var start = try Self.start(&cache, at: begin)
        _ = Self.numbers(&start, &cache, at: begin)
        var live: UInt16 = 300
        var milliseconds: UInt64 = 0
        while !start.isOver(cache), milliseconds < 1_000 {
            milliseconds += RTSPPacedStart.tickMilliseconds
            for _ in 0..<10 {
                Self.append(to: &cache, live, 6_000_000)
                live += 1
            }
            _ = Self.numbers(&start, &cache, at: begin.advanced(byMilliseconds: milliseconds))
        }
        #expect(start.isOver(cache) && milliseconds < 200, "\(milliseconds) ms")
    }

    /// A connection whose queue is full takes the rest later, in its place; one that takes nothing for long gives up.
    @Test func whatAReaderDoesNotTakeIsLentAgain() throws {
        let begin = Instant.seconds(1)
        var cache = Self.cache(500, seconds: 5)
        var start = try Self.start(&cache, at: begin)
        var taken: [UInt16] = []
        var now = begin
        for round in 0..<1_000 where !start.isOver(cache) {
            var room = round % 3 == 0 ? 7 : 0
            let count = start.take(at: now, from: &cache) { packet in
                guard room > 0 else { return false }
                room -= 1
                taken.append(packet.integer(at: 2) ?? 0)
                return true
            }
            #expect(count <= 7 && !start.isStuck(at: now))
            now = now.advanced(byMilliseconds: RTSPPacedStart.tickMilliseconds)
        }
        #expect(taken == Array(0..<500))

        var stuck = try Self.start(&cache, at: begin)
        for milliseconds in [0, 1_000, 1_999] as [UInt64] {
            let now = begin.advanced(byMilliseconds: milliseconds)
            #expect(stuck.take(at: now, from: &cache) { _ in false } == 0)
            #expect(!stuck.isStuck(at: now))
        }
        #expect(stuck.isStuck(at: begin.advanced(byMilliseconds: 2_000)))
    }

    @Test func aTimerThatRunsLateCatchesUpAndNoEarlierInstantTakesAnything() throws {
        let begin = Instant.seconds(9)
        var cache = Self.cache(500, seconds: 5)
        var start = try Self.start(&cache, at: begin)
        let first = Self.numbers(&start, &cache, at: begin)
        #expect(Self.numbers(&start, &cache, at: .seconds(8)).isEmpty)
        let rest = Self.numbers(&start, &cache, at: .seconds(60))
        #expect(first + rest == Array(0..<500))
        #expect(start.isOver(cache) && Self.numbers(&start, &cache, at: .seconds(61)).isEmpty)
    }

    /// A keyframe that comes meanwhile begins a group for others; who has begun gets the rest of the one before first.
    @Test func aStartGoesOnOverTheNextKeyframeAndWhatNobodyNeedsIsFreed() throws {
        let begin = Instant.seconds(3)
        var cache = Self.cache(2_000, seconds: 10)
        #expect(cache.heldByteCount == 2_000 * 112)
        var start = try Self.start(&cache, at: begin)
        var all = Self.numbers(&start, &cache, at: begin)
        for number in 2_000..<2_100 as Range<UInt16> {
            Self.append(to: &cache, number, 1_000_000, startsKeyframe: number == 2_000)
        }
        #expect(cache.packetCount == 100)
        #expect(cache.heldByteCount == 2_100 * 112, "held once, however many readers begin")
        var late = try #require(RTSPPacedStart(cache, clockRate: 90_000, at: begin))
        for tick in 1...400 as ClosedRange<UInt64> {
            let now = begin.advanced(byMilliseconds: tick * RTSPPacedStart.tickMilliseconds)
            all += Self.numbers(&start, &cache, at: now)
            #expect(cache.heldByteCount <= 2 * 112 * max(100, start.waitingCount(cache)) + 112)
        }
        #expect(all == Array(0..<2_100))
        #expect(cache.heldByteCount == 100 * 112)
        #expect(Self.numbers(&late, &cache, at: .seconds(60)) == Array(2_000..<2_100))
    }

    @Test func timesAreCompressedUpToWhereAReaderBegan() throws {
        var cache = RTSPStartCache()
        for number in 0..<4 as Range<UInt16> {
            Self.append(to: &cache, number, 1_600 * UInt32(number), startsKeyframe: number == 0)
        }
        var start = try Self.start(&cache, at: .seconds(1))
        Self.append(to: &cache, 4, 6_400)
        var times: [UInt32] = []
        _ = start.take(at: .seconds(2), from: &cache) {
            times.append($0.integer(at: 4) ?? 0)
            return true
        }
        #expect(times == [4_500, 4_600, 4_700, 4_800, 6_400])
        #expect(cache.first?.timestamp == 6_000)
    }

    /// Behind more than a group may have nobody begins; who has begun goes on until more waits than may be held.
    @Test(arguments: [(100, RTSPStartCache.maximumPackets), (60_000, RTSPStartCache.maximumBytes / 60_012)])
    func whatWaitsHasABound(_ size: Int, _ most: Int) throws {
        var cache = RTSPStartCache()
        Self.append(to: &cache, 0, 0, size: size, startsKeyframe: true)
        var start = try Self.start(&cache, at: .seconds(1))
        var count = 1
        while cache.canBegin {
            Self.append(to: &cache, UInt16(truncatingIfNeeded: count), 1, size: size)
            count += 1
        }
        #expect(count == most + 1)
        #expect(!start.isLost(cache) && start.waitingCount(cache) == count)
        while !start.isLost(cache), count < 100_000 {
            #expect(cache.heldByteCount <= RTSPStartCache.maximumHeldBytes)
            Self.append(to: &cache, UInt16(truncatingIfNeeded: count), 1, size: size)
            count += 1
        }
        #expect((2 * most...2 * most + 2).contains(count), "\(count)")
        #expect(cache.heldByteCount == 0)
        #expect(start.take(at: .seconds(60), from: &cache) { _ in true } == 0)
    }

    @Test func aGroupThatIsTooLargeIsFreedUnlessAReaderNeedsIt() {
        var cache = Self.cache(RTSPStartCache.maximumPackets, seconds: 10)
        #expect(cache.canBegin)
        Self.append(to: &cache, 9, 2_000_000)
        #expect(!cache.canBegin && cache.heldByteCount == 0 && cache.begin() == nil)
        Self.append(to: &cache, 10, 2_003_000, startsKeyframe: true)
        #expect(cache.packetCount == 1 && cache.heldByteCount == 112)
    }
}
