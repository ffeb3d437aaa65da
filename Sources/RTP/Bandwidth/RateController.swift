import Wire

/// Turns what the delay says into a rate: growth by 8 % per second, a fall to 85 % of what arrives
/// (draft-ietf-rmcat-gcc-02, section 5.5).
///
/// Until the first overuse the rate follows what was proven: half again as much as arrives. Media that stays below the rate
/// proves nothing, so growth ends there; but it is never taken for a sign of congestion either.
struct RateController: Sendable {
    static let decreaseFactor = 0.85
    /// What is taken of what still arrives on a link that became far too small; one is that carries less than this share.
    static let collapse = 0.8
    /// What is left at least of a rate that was lowered before.
    static let largestDecrease = 0.6
    static let growthPerSecond = 0.08
    static let headroom = 1.5
    /// Room above what arrives for streams of next to nothing.
    static let leastHeadroom = 10_000.0

    private(set) var bitsPerSecond: Double
    private let range: ClosedRange<Double>
    private var updated: Instant?
    private var decreased: Instant?
    private var collapsed: Instant?
    private var isHolding = false
    /// The rate after the last decrease, until growth well beyond it showed that the link has room.
    private var limit: Double?

    init(bitsPerSecond: Double, range: ClosedRange<Double>) {
        self.bitsPerSecond = bitsPerSecond
        self.range = range
    }

    /// Whether the link was full, and nothing has shown since that it carries more.
    var isLimited: Bool { limit != nil }

    /// - Parameter responseNanoseconds: how long it takes to see the effect of a change.
    mutating func update(
        _ usage: LinkUsage, acknowledged: Double?, responseNanoseconds: Int64, at now: Instant
    ) {
        let step = updated.map { min(max(Double(now.nanoseconds(since: $0)) / 1e9, 0), 1) } ?? 0
        updated = now
        switch usage {
        case .overuse: decrease(acknowledged, responseNanoseconds: responseNanoseconds, at: now)
        case .underuse: isHolding = true
        case .normal:
            // One report after a decrease or an emptying queue is waited for, then growth goes on.
            if isHolding { isHolding = false } else { increase(acknowledged, step: step) }
        }
    }

    /// The link became far too small: its queue is full and a good part of what is sent is lost. What arrives is all that
    /// it carries, and less empties the queue.
    mutating func collapsed(to carried: Double, responseNanoseconds: Int64, at now: Instant) {
        guard carried < Self.collapse * bitsPerSecond else { return }
        if let collapsed, now.nanoseconds(since: collapsed) < responseNanoseconds { return }
        collapsed = now
        isHolding = true
        lower(to: Self.collapse * carried, at: now)
    }

    /// A probe showed that the link carries so much; when it filled the link, no more than that.
    mutating func found(_ proven: Double, filledLink: Bool, acknowledged: Double?, at now: Instant) {
        if proven > bitsPerSecond {
            bitsPerSecond = min(proven, range.upperBound)
            if let limit, bitsPerSecond > Self.headroom * limit { self.limit = nil }
        } else if filledLink, let acknowledged {
            lower(to: max(proven, acknowledged, leastAfterDecrease), at: now)
        }
    }

    /// Media that begins after a pause has not shown yet what arrives when the link is full, nor has a probe whose
    /// packets waited for others.
    private var leastAfterDecrease: Double { decreased == nil ? 0 : Self.largestDecrease * bitsPerSecond }

    /// When the rate was last lowered.
    var latestDecrease: Instant? { decreased }

    private mutating func decrease(_ acknowledged: Double?, responseNanoseconds: Int64, at now: Instant) {
        isHolding = true
        // Nothing was measured yet; that takes no longer than seeing the effect of a guess.
        guard let acknowledged else { return }
        guard waited(responseNanoseconds, at: now) else { return }
        lower(to: max(Self.decreaseFactor * acknowledged, leastAfterDecrease), at: now)
    }

    private func waited(_ nanoseconds: Int64, at now: Instant) -> Bool {
        guard let decreased else { return true }
        return now.nanoseconds(since: decreased) >= nanoseconds
    }

    private mutating func lower(to value: Double, at now: Instant) {
        // The first overuse shows for the first time what the link carries; a later one never raises the rate, though
        // more may arrive than it allows while a backlog drains.
        let highest = decreased == nil ? range.upperBound : bitsPerSecond
        bitsPerSecond = max(min(value, highest), range.lowerBound)
        decreased = now
        limit = bitsPerSecond
    }

    private mutating func increase(_ acknowledged: Double?, step: Double) {
        guard let acknowledged else { return }
        let proven = Self.headroom * acknowledged + Self.leastHeadroom
        let wanted = decreased == nil ? proven : bitsPerSecond * (1 + Self.growthPerSecond * step)
        bitsPerSecond = min(max(bitsPerSecond, min(wanted, proven)), range.upperBound)
        if let limit, bitsPerSecond > Self.headroom * limit { self.limit = nil }
    }
}
