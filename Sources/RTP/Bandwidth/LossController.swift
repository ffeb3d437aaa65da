import Wire

/// Bounds the rate by loss: on a full link above 10 % it falls by half the share lost, and below 2 % it grows
/// (draft-ietf-rmcat-gcc-02, section 6).
///
/// On a link that loses packets for other reasons than being full, less media would not lose less. So while the delay
/// speaks against a full link, loss is judged over seconds, because it comes in bursts, a good part of it is taken, the
/// rate falls only by what is beyond that and not below what arrives, and a bound that nothing confirms grows again. What
/// is left is a link that drops what is too much without letting it wait.
struct LossController: Sendable {
    static let highLoss = 0.10
    static let lowLoss = 0.02
    static let growthPerSecond = 0.08
    /// Loss on a full link is judged over at least so many packets, and so often.
    static let leastPackets = 20
    static let intervalNanoseconds: Int64 = 200_000_000
    /// While the delay speaks against a full link: the average of loss above which the rate falls, and what is taken of it.
    static let highLossWithoutDelay = 0.35
    static let takenWithoutDelay = 0.25
    static let calmIntervalNanoseconds: Int64 = 500_000_000
    static let calmSmoothing = 0.3
    /// A bound that was not confirmed for so long grows slowly, as long as loss is below what is taken.
    static let confirmationNanoseconds: Int64 = 20_000_000_000
    static let slowGrowthPerSecond = 0.02

    /// nil while loss sets no bound.
    private(set) var bitsPerSecond: Double?
    private(set) var latestDecrease: Instant?
    private var expected = 0
    private var lost = 0
    private var judged: Instant?
    private(set) var fractionLost = 0.0
    /// Over seconds.
    private var averageLost: Double?

    /// Counts packets the other side spoke about.
    mutating func count(received: Int, lost: Int, recovered: Int) {
        expected = max(expected + received + lost - recovered, 0)
        self.lost = max(self.lost + lost - recovered, 0)
    }

    /// Judges what was counted, when that is enough.
    ///
    /// - Parameters:
    ///   - current: the rate in force, from which a first bound starts.
    ///   - acknowledged: what arrives.
    ///   - isFull: whether the delay says that the link is full.
    mutating func judge(current: Double, acknowledged: Double?, isFull: Bool, at now: Instant) {
        guard expected >= Self.leastPackets else { return }
        let interval = isFull ? Self.intervalNanoseconds : Self.calmIntervalNanoseconds
        if let judged, now.nanoseconds(since: judged) < interval { return }
        let fraction = Double(lost) / Double(expected)
        expected = 0
        lost = 0
        let average = (1 - Self.calmSmoothing) * (averageLost ?? 0) + Self.calmSmoothing * fraction
        averageLost = average
        if isFull {
            apply(fraction, current: current, floor: acknowledged ?? 0, at: now)
        } else {
            applyCalmly(fraction, average: average, current: current, floor: acknowledged ?? 0, at: now)
        }
    }

    /// Takes the share lost as the other side computed it, from receiver reports (RTP-100).
    mutating func reported(fraction: Double, current: Double, floor: Double, at now: Instant) {
        if let judged, now.nanoseconds(since: judged) < Self.intervalNanoseconds { return }
        apply(min(max(fraction, 0), 1), current: current, floor: floor, at: now)
    }

    /// A probe showed that the link carries so much.
    mutating func proved(_ proven: Double) {
        if let bound = bitsPerSecond, bound < proven { bitsPerSecond = proven }
    }

    private mutating func apply(_ fraction: Double, current: Double, floor: Double, at now: Instant) {
        let step = step(to: now)
        fractionLost = fraction
        if fraction > Self.highLoss {
            decrease(by: fraction / 2, current: current, floor: floor, at: now)
        } else if fraction < Self.lowLoss {
            grow(Self.growthPerSecond * step, current: current)
        }
    }

    private mutating func applyCalmly(
        _ fraction: Double, average: Double, current: Double, floor: Double, at now: Instant
    ) {
        let step = step(to: now)
        fractionLost = fraction
        if average > Self.highLossWithoutDelay {
            // A burst that has passed by is no reason to go on.
            guard fraction > Self.takenWithoutDelay else { return }
            decrease(by: average - Self.takenWithoutDelay, current: current, floor: floor, at: now)
        } else if fraction < Self.lowLoss {
            grow(Self.growthPerSecond * step, current: current)
        } else if average < Self.takenWithoutDelay, let latestDecrease,
            now.nanoseconds(since: latestDecrease) > Self.confirmationNanoseconds
        {
            grow(Self.slowGrowthPerSecond * step, current: current)
        }
    }

    private mutating func step(to now: Instant) -> Double {
        defer { judged = now }
        return judged.map { min(max(Double(now.nanoseconds(since: $0)) / 1e9, 0), 1) } ?? 0
    }

    private mutating func decrease(by share: Double, current: Double, floor: Double, at now: Instant) {
        let rate = min(bitsPerSecond ?? current, current)
        bitsPerSecond = min(rate, max(rate * (1 - share), floor))
        latestDecrease = now
    }

    private mutating func grow(_ share: Double, current: Double) {
        guard let rate = bitsPerSecond else { return }
        let grown = rate * (1 + share)
        // A bound well above what the delay allows binds nobody any more.
        bitsPerSecond = grown > 2 * current ? nil : grown
    }
}
