public import Wire

/// Finds out which packets of one source are missing and when to ask for them (RFC 4585, section 6.2.1).
///
///     missing ──reorder tolerance──▶ asked ──a round trip──▶ asked again … ──maximumTries──▶ abandoned
///        └────────────── the packet comes, in whichever way ─────────────────▶ forgotten
///
/// The tolerance follows how late packets come by themselves, where that can be told from retransmissions: a link that
/// turns packets round is not asked for what is only late.
///
/// Nothing is asked for from before the first packet received. When more is missing than asking could bring back,
/// everything is forgotten and a keyframe is to be requested instead. The machine does no I/O and reads no clock;
/// after it is made it allocates nothing.
public struct NackGenerator: Sendable {
    public struct Limits: Sendable {
        /// How long a packet may be late before it counts as missing, at least and at most.
        public var reorderMilliseconds: UInt64 = 10
        public var maximumReorderMilliseconds: UInt64 = 100
        /// A packet is not asked for again before this, however short the round trip.
        public var retryMilliseconds: UInt64 = 40
        /// How often one packet is asked for.
        public var maximumTries: UInt8 = 10
        /// Packets missing at a time.
        public var maximumMissing = 1000
        /// How far behind the newest packet a missing one may be.
        public var maximumAge: Int64 = 10_000
        /// Items of one NACK at most, so that it fits a datagram together with other feedback.
        public var maximumItems = 64

        public init() {}
    }

    public struct Statistics: Hashable, Sendable {
        /// Packets asked for, each time counted.
        public var requested: UInt64 = 0
        /// Packets that came after they had been asked for.
        public var repaired: UInt64 = 0
        /// Of the requested ones, packets that were not lost but late.
        public var late: UInt64 = 0
        /// Packets given up.
        public var abandoned: UInt64 = 0
        /// How often so much was missing that it was left to a keyframe.
        public var overflows: UInt64 = 0

        public init() {}
    }

    private struct Missing {
        var number: Int64
        var noticed: Instant
        var nextRequest: Instant
        var lastRequest: Instant
        var tries: UInt8
    }

    static let initialRoundTripNanoseconds: UInt64 = 100_000_000
    private static let roundTripRange: ClosedRange<UInt64> = 1_000_000...2_000_000_000

    private let limits: Limits
    /// In ascending order of numbers.
    private var missing: [Missing] = []
    private var numbers = SequenceUnwrapper()
    private var hasMeasured = false
    /// How long packets are waited for now.
    private var toleranceNanoseconds: UInt64

    public private(set) var statistics = Statistics()
    /// From asking for a packet to its arrival, smoothed.
    public private(set) var roundTripNanoseconds = initialRoundTripNanoseconds
    /// When to ask next; nil while nothing is missing.
    public private(set) var nextDeadline: Instant?

    public init(limits: Limits = Limits()) {
        self.limits = limits
        toleranceNanoseconds = limits.reorderMilliseconds * 1_000_000
        missing.reserveCapacity(limits.maximumMissing)
    }

    public var missingCount: Int { missing.count }

    /// A packet came, for the first time or again, from the source itself or repaired.
    ///
    /// - Parameter isOriginal: whether it is known to be no retransmission.
    /// - Returns: whether too much is missing, so that a keyframe is to be requested.
    public mutating func received(_ sequenceNumber: UInt16, isOriginal: Bool = false, at now: Instant) -> Bool {
        guard let highest = numbers.highest else {
            _ = numbers.unwrap(sequenceNumber)
            return false
        }
        let number = numbers.unwrap(sequenceNumber)
        guard number > highest else {
            arrived(number, isOriginal: isOriginal, at: now)
            return false
        }
        guard number - highest > 1 else { return false }
        forget(olderThan: number - limits.maximumAge)
        let gap = number - highest - 1
        guard missing.count + Int(gap) <= limits.maximumMissing else {
            missing.removeAll(keepingCapacity: true)
            nextDeadline = nil
            statistics.overflows &+= 1
            return true
        }
        relaxTolerance()
        let due = now.advanced(byNanoseconds: toleranceNanoseconds)
        for lost in highest + 1..<number {
            missing.append(Missing(number: lost, noticed: now, nextRequest: due, lastRequest: due, tries: 0))
        }
        nextDeadline = nextDeadline.map { min($0, due) } ?? due
        return false
    }

    /// The source goes on from another number: nothing before the next packet is asked for.
    public mutating func restart() {
        numbers = SequenceUnwrapper()
        missing.removeAll(keepingCapacity: true)
        nextDeadline = nil
    }

    /// A keyframe that makes everything before it needless begins with this packet.
    public mutating func forget(before sequenceNumber: UInt16) {
        guard numbers.highest != nil else { return }
        forget(olderThan: numbers.extend(sequenceNumber))
    }

    /// ``nextDeadline`` may have passed: appends to `sequenceNumbers` what is to be asked for now, in ascending order.
    public mutating func deadlineReached(at now: Instant, into sequenceNumbers: inout [UInt16]) {
        guard let nextDeadline, nextDeadline <= now else { return }
        let pause = max(roundTripNanoseconds, limits.retryMilliseconds * 1_000_000)
        var earliest: Instant?
        var kept = 0
        var items = 0
        var itemStart: Int64 = -17
        for index in missing.indices {
            var entry = missing[index]
            if entry.nextRequest <= now {
                if entry.tries >= limits.maximumTries {
                    statistics.abandoned &+= 1
                    continue
                }
                if entry.number - itemStart > 16, items < limits.maximumItems {
                    items += 1
                    itemStart = entry.number
                }
                if entry.number - itemStart <= 16 {
                    sequenceNumbers.append(UInt16(truncatingIfNeeded: entry.number))
                    entry.tries += 1
                    entry.lastRequest = now
                    entry.nextRequest = now.advanced(byNanoseconds: pause)
                    statistics.requested &+= 1
                } else {
                    entry.nextRequest = now.advanced(byMilliseconds: limits.reorderMilliseconds)
                }
            }
            earliest = earliest.map { min($0, entry.nextRequest) } ?? entry.nextRequest
            missing[kept] = entry
            kept += 1
        }
        missing.removeLast(missing.count - kept)
        self.nextDeadline = earliest
    }

    private mutating func arrived(_ number: Int64, isOriginal: Bool, at now: Instant) {
        guard let index = index(of: number) else { return }
        let entry = missing[index]
        missing.remove(at: index)
        if missing.isEmpty { nextDeadline = nil }
        if isOriginal { tolerate(now.nanoseconds(since: entry.noticed)) }
        guard entry.tries > 0 else { return }
        guard !isOriginal else {
            statistics.late &+= 1
            return
        }
        statistics.repaired &+= 1
        // Of several requests it cannot be told which one was answered.
        if entry.tries == 1 { measured(now.nanoseconds(since: entry.lastRequest)) }
    }

    /// A packet came by itself, so late.
    private mutating func tolerate(_ nanoseconds: Int64) {
        // A quarter more, for the next one may be later.
        let wanted = UInt64(clamping: nanoseconds) / 4 * 5
        toleranceNanoseconds = min(
            max(toleranceNanoseconds, wanted),
            max(limits.maximumReorderMilliseconds, limits.reorderMilliseconds) * 1_000_000)
    }

    /// With every gap a little of the tolerance goes.
    private mutating func relaxTolerance() {
        let least = limits.reorderMilliseconds * 1_000_000
        toleranceNanoseconds -= (toleranceNanoseconds - min(least, toleranceNanoseconds)) / 256
    }

    private mutating func measured(_ nanoseconds: Int64) {
        let sample = min(
            max(UInt64(clamping: nanoseconds), Self.roundTripRange.lowerBound), Self.roundTripRange.upperBound)
        roundTripNanoseconds = hasMeasured ? (roundTripNanoseconds * 7 + sample) / 8 : sample
        hasMeasured = true
    }

    private func index(of number: Int64) -> Int? {
        var low = 0
        var high = missing.count
        while low < high {
            let middle = (low + high) / 2
            if missing[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low < missing.count && missing[low].number == number ? low : nil
    }

    private mutating func forget(olderThan number: Int64) {
        var count = 0
        while count < missing.count, missing[count].number < number { count += 1 }
        guard count > 0 else { return }
        statistics.abandoned &+= UInt64(count)
        missing.removeFirst(count)
        if missing.isEmpty { nextDeadline = nil }
    }
}
