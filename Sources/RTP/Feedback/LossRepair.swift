public import Wire

/// Notices the packets of one source that did not come and says when to ask for them again (RFC 4585, section 6.2.1).
///
///     gap ──reorder tolerance──▶ asked ──no answer for a round trip──▶ asked again … ──limit──▶ given up
///      │                           │
///      └────── packet comes ───────┴──▶ forgotten
///
/// Only numbers after the first packet are missed, and what is older than ``maximumAgeMilliseconds`` is of no use to
/// anybody any more. When more is missing than ``maximumMissing``, asking would make things worse: all is given up and
/// a keyframe has to help. Reads no clock and sends nothing itself.
public struct LossRepair: Sendable {
    /// A packet that is this late is lost rather than overtaken.
    public static let reorderToleranceMilliseconds: UInt64 = 10
    public static let maximumAgeMilliseconds: Int64 = 1_000
    public static let maximumTries: UInt8 = 10
    public static let maximumMissing = 1_000
    /// Numbers named at once, so that a request fits a datagram together with other feedback.
    public static let maximumPerRequest = 64
    /// Between two requests for one packet: a round trip and a little, within these bounds.
    static let retryMilliseconds: ClosedRange<Int64> = 20...250
    static let firstRetryMilliseconds: Int64 = 100
    static let retryMarginMilliseconds: Int64 = 10

    private struct Missing {
        var number: Int64
        var noticed: Instant
        var due: Instant
        /// The last time it was asked for; `noticed` before that.
        var asked: Instant
        var tries: UInt8 = 0
    }

    /// In ascending order.
    private var missing: [Missing] = []
    private var highest: Int64?
    private var isOverwhelmed = false
    private var retry = Self.firstRetryMilliseconds

    /// Packets that came after they had been asked for.
    public private(set) var repaired: UInt64 = 0
    public private(set) var givenUp: UInt64 = 0
    /// When to call ``collectDue(at:into:)`` next; nil when nothing is missing.
    public private(set) var nextDeadline: Instant?

    public init() {}

    /// A new packet of the source came. Allocates nothing while nothing is lost.
    public mutating func received(_ sequenceNumber: UInt16, at now: Instant) {
        guard let highest else {
            self.highest = Int64(sequenceNumber)
            return
        }
        let number = highest + Int64(Int16(bitPattern: sequenceNumber &- UInt16(truncatingIfNeeded: highest)))
        guard number > highest else { return found(number, at: now) }
        self.highest = number
        guard number - highest > 1 else { return }
        guard missing.count + Int(number - highest) <= Self.maximumMissing else {
            giveUpAll()
            isOverwhelmed = true
            return
        }
        let due = now.advanced(byMilliseconds: Self.reorderToleranceMilliseconds)
        for lost in (highest + 1)..<number { missing.append(Missing(number: lost, noticed: now, due: due, asked: now)) }
        nextDeadline = nextDeadline.map { min($0, due) } ?? due
    }

    /// The source continues elsewhere: what was missed before is not asked for.
    public mutating func restarted(at sequenceNumber: UInt16) {
        giveUpAll()
        highest = Int64(sequenceNumber)
    }

    /// Whether too much was missing since the last call, so that only a keyframe helps.
    public mutating func takeOverwhelmed() -> Bool {
        defer { isOverwhelmed = false }
        return isOverwhelmed
    }

    /// Replaces `numbers` by those to ask for now, in ascending order; none when it is too early.
    public mutating func collectDue(at now: Instant, into numbers: inout [UInt16]) {
        numbers.removeAll(keepingCapacity: true)
        guard let nextDeadline, nextDeadline <= now else { return }
        let before = missing.count
        missing.removeAll { entry in
            entry.due <= now
                && (entry.tries >= Self.maximumTries
                    || now.nanoseconds(since: entry.noticed) > Self.maximumAgeMilliseconds * 1_000_000)
        }
        givenUp &+= UInt64(before - missing.count)
        let next = now.advanced(byMilliseconds: UInt64(retry))
        for index in missing.indices where missing[index].due <= now {
            guard numbers.count < Self.maximumPerRequest else { break }
            numbers.append(UInt16(truncatingIfNeeded: missing[index].number))
            missing[index].tries += 1
            missing[index].asked = now
            missing[index].due = next
        }
        findDeadline()
    }

    private mutating func found(_ number: Int64, at now: Instant) {
        guard let index = missing.firstIndex(where: { $0.number >= number }), missing[index].number == number else {
            return
        }
        let entry = missing.remove(at: index)
        if entry.tries > 0 { repaired &+= 1 }
        // Only an answer to the one and only request tells how long the round trip is.
        if entry.tries == 1 {
            let roundTrip = max(0, now.nanoseconds(since: entry.asked) / 1_000_000)
            let wanted = (retry * 3 + roundTrip * 5 / 4 + Self.retryMarginMilliseconds) / 4
            retry = min(max(wanted, Self.retryMilliseconds.lowerBound), Self.retryMilliseconds.upperBound)
        }
        findDeadline()
    }

    private mutating func giveUpAll() {
        givenUp &+= UInt64(missing.count)
        missing.removeAll(keepingCapacity: true)
        nextDeadline = nil
    }

    private mutating func findDeadline() { nextDeadline = missing.lazy.map(\.due).min() }
}
