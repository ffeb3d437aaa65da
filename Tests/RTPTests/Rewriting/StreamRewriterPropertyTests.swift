import Glibc
import RTP
import TestKit
import Testing
import Wire

/// Packets per property: 10^5, or 10^6 when MARTLET_LONG_TESTS is set.
let propertyPackets = unsafe getenv("MARTLET_LONG_TESTS") == nil ? 100_000 : 1_000_000

/// A packet on its way from one of several sources that film the same scene with clocks and numbers of their own.
private struct SourcePacket {
    var source: Int
    /// Counts the packets of the source.
    var number: Int
    var sequenceNumber: UInt16
    var timestamp: UInt32
    var marker: Bool
    var startsKeyframe: Bool
    /// Padding or a layer that the viewer does not get.
    var isUnwanted: Bool
    var captured: Instant
}

/// Sends frames of all sources through a network that loses, delays and doubles packets.
private struct Scene {
    var random: SplitMix64
    private var frame = 0
    private var numbers: [Int]
    private var sequenceStarts: [UInt16]
    private var timestampStarts: [UInt32]
    private var delayed: [(due: Int, packet: SourcePacket)] = []
    private var clock = 0
    private var lossLeft = 0

    static let sources = 3
    static let frameTicks = 3000

    init(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        numbers = Array(repeating: 0, count: Self.sources)
        sequenceStarts = (0..<Self.sources).map { _ in UInt16.random(in: 0...65_535, using: &random) }
        timestampStarts = (0..<Self.sources).map { _ in UInt32.random(in: 0...UInt32.max, using: &random) }
        self.random = random
    }

    /// The packets that arrive during the next frame, in the order they do.
    mutating func next() -> [SourcePacket] {
        var arrived: [SourcePacket] = []
        for source in 0..<Self.sources {
            let isKeyframe = frame == 0 || random.next() % 25 == 0
            let count = Int.random(in: 1...(isKeyframe ? 12 : 4), using: &random)
            let isUnwantedFrame = !isKeyframe && random.next() % 4 == 0
            for index in 0..<count {
                let packet = SourcePacket(
                    source: source, number: numbers[source],
                    sequenceNumber: sequenceStarts[source] &+ UInt16(truncatingIfNeeded: numbers[source]),
                    timestamp: timestampStarts[source] &+ UInt32(truncatingIfNeeded: frame * Self.frameTicks),
                    marker: index == count - 1, startsKeyframe: isKeyframe && index == 0, isUnwanted: isUnwantedFrame,
                    captured: Instant(nanoseconds: 1_000_000_000 + UInt64(frame) * 1_000_000_000 / 30))
                numbers[source] += 1
                deliver(packet, &arrived)
            }
        }
        frame += 1
        return arrived
    }

    private mutating func deliver(_ packet: SourcePacket, _ arrived: inout [SourcePacket]) {
        clock += 1
        if lossLeft == 0, random.next() % 60 == 0 { lossLeft = Int.random(in: 1...30, using: &random) }
        if lossLeft > 0 {
            lossLeft -= 1
        } else if random.next() % 12 == 0 {
            delayed.append((clock + Int.random(in: 1...120, using: &random), packet))
        } else {
            arrived.append(packet)
            if random.next() % 5 == 0 { delayed.append((clock + Int.random(in: 1...60, using: &random), packet)) }
        }
        let due = delayed.filter { $0.due <= clock }
        if !due.isEmpty {
            delayed.removeAll { $0.due <= clock }
            arrived += due.map(\.packet)
        }
    }
}

/// What the rewriter must answer, derived without its data structures.
private struct Oracle {
    var first: Int
    var firstOutput: Int64
    var highest: Int
    /// Numbers left out before a later one was sent, ascending.
    var dropped: [Int] = []
    var highestSent: Int64
    var seen: Set<Int> = []

    init(first: Int, firstOutput: Int64) {
        self.first = first
        self.firstOutput = firstOutput
        highestSent = firstOutput - 1
        highest = first - 1
    }

    mutating func drop(_ number: Int) {
        guard output(of: number) > highestSent else { return }
        dropped.insert(number, at: dropped.firstIndex { $0 > number } ?? dropped.count)
    }

    func output(of number: Int) -> Int64 {
        var low = 0
        var high = dropped.count
        while low < high {
            let middle = (low + high) / 2
            if dropped[middle] < number { low = middle + 1 } else { high = middle }
        }
        return firstOutput + Int64(number - first - low)
    }
}

@Suite struct StreamRewriterPropertyTests {
    /// PROP-1, PROP-2, PROP-4 and PROP-7 over random loss, reordering, duplicates, layers left out and switches.
    @Test(arguments: 0..<4)
    func numbersAndTimesAreContinuous(_ seed: UInt64) {
        var scene = Scene(seed: seed)
        var rewriter = StreamRewriter(
            firstSequenceNumber: UInt16(truncatingIfNeeded: seed &* 9999), firstTimestamp: 0xFFFF_0000,
            clockRate: 90_000, framesEndWithMarker: true)
        var current = -1
        var wanted = 0
        var oracle = Oracle(first: 0, firstOutput: 0)
        var used: Set<Int64> = []
        var newest: (output: RewrittenPosition, packet: SourcePacket)?
        var last: Int64?
        var count = 0
        while count < propertyPackets / 4 {
            if scene.random.next() % 20 == 0 { wanted = Int(scene.random.next() % UInt64(Scene.sources)) }
            for packet in scene.next() {
                count += 1
                var isFirst = false
                if packet.source == wanted, current != wanted || scene.random.next() % 40 == 0, packet.startsKeyframe,
                    current != wanted || packet.number > oracle.highest
                {
                    let cut = newest.map { !$0.packet.marker } ?? false
                    let start =
                        (newest?.output.extendedSequenceNumber ?? Int64(
                            UInt16(truncatingIfNeeded: seed &* 9999) & 0x7FFF) - 1) + 1
                    oracle = Oracle(first: packet.number, firstOutput: start + (cut ? 1 : 0))
                    current = wanted
                    isFirst = true
                    rewriter.switchSource(
                        to: .init(
                            sequenceNumber: packet.sequenceNumber, timestamp: packet.timestamp,
                            captured: packet.captured))
                }
                guard packet.source == current else { continue }
                let isNew = packet.number >= oracle.first && oracle.seen.insert(packet.number).inserted
                oracle.highest = max(oracle.highest, packet.number)
                if packet.isUnwanted {
                    rewriter.drop(
                        sequenceNumber: packet.sequenceNumber, timestamp: packet.timestamp, captured: packet.captured)
                    if isNew { oracle.drop(packet.number) }
                    continue
                }
                let result = rewriter.rewrite(
                    sequenceNumber: packet.sequenceNumber, timestamp: packet.timestamp, marker: packet.marker,
                    captured: packet.captured)
                guard let result else {
                    if isNew { Issue.record("packet \(packet) was refused") }
                    continue
                }
                guard isNew, result.extendedSequenceNumber == oracle.output(of: packet.number) else {
                    Issue.record("packet \(packet) became \(result), not \(oracle.output(of: packet.number))")
                    return
                }
                guard used.insert(result.extendedSequenceNumber).inserted else {
                    Issue.record("number \(result.extendedSequenceNumber) was used twice")
                    return
                }
                if let last { #expect(abs(result.extendedSequenceNumber - last) < 32_768) }
                last = result.extendedSequenceNumber
                oracle.highestSent = max(oracle.highestSent, result.extendedSequenceNumber)
                if isFirst, let newest {
                    let step = result.extendedTimestamp - newest.output.extendedTimestamp
                    let elapsed = packet.captured.nanoseconds(since: newest.packet.captured) * 9 / 100_000
                    #expect(step > 0)
                    #expect(step <= max(elapsed, 0) + Int64(Scene.frameTicks) + 1)
                }
                if let newest, result.extendedSequenceNumber > newest.output.extendedSequenceNumber {
                    #expect(result.extendedTimestamp >= newest.output.extendedTimestamp)
                }
                if result.extendedSequenceNumber > newest?.output.extendedSequenceNumber ?? .min {
                    newest = (result, packet)
                }
            }
        }
        #expect(rewriter.statistics.switches > 20)
        #expect(rewriter.statistics.restarts == 0)
        #expect(used.count > propertyPackets / 40)
    }

    /// Whatever comes, no number is given out twice, none jumps too far, and nothing traps.
    @Test func hostileNumbersKeepTheInvariants() {
        var random = SplitMix64(seed: 9)
        var rewriter = StreamRewriter(
            firstSequenceNumber: 7, firstTimestamp: 7, clockRate: 90_000, framesEndWithMarker: true)
        var used: Set<Int64> = []
        var last: Int64?
        var base: UInt16 = 0
        for _ in 0..<propertyPackets / 2 {
            if random.next() % 50 == 0 { base = UInt16.random(in: 0...65_535, using: &random) }
            base &+= UInt16(random.next() % 3)
            let number = base &+ UInt16(random.next() % 20)
            let timestamp =
                random.next() % 9 == 0 ? UInt32.random(in: 0...UInt32.max, using: &random) : UInt32(base) * 100
            let captured = Instant(
                nanoseconds: random.next() % 100 == 0 ? random.next() : random.next() % 1_000_000_000_000)
            switch random.next() % 200 {
            case 0: rewriter.switchSource(to: .init(sequenceNumber: number, timestamp: timestamp, captured: captured))
            case 1: rewriter.pause()
            case 2...40: rewriter.drop(sequenceNumber: number, timestamp: timestamp, captured: captured)
            default:
                let result = rewriter.rewrite(
                    sequenceNumber: number, timestamp: timestamp, marker: random.next() % 2 == 0, captured: captured)
                guard let result else { continue }
                guard used.insert(result.extendedSequenceNumber).inserted else {
                    Issue.record("number \(result.extendedSequenceNumber) was used twice")
                    return
                }
                if let last { #expect(abs(result.extendedSequenceNumber - last) < 32_768) }
                last = result.extendedSequenceNumber
            }
        }
        #expect(used.count > 1000)
    }
}
