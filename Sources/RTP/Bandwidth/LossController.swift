import Wire

/// Bounds the rate by loss: above 10 % it falls by half the share lost, below 2 % it grows
/// (draft-ietf-rmcat-gcc-02, section 6).
///
/// On a link that loses packets for other reasons than being full, less media would not lose less: so while the delay
/// speaks against a full link it takes 25 %, and the rate does not fall below what arrives.
struct LossController: Sendable {
    static let highLoss = 0.10
    static let highLossWithoutDelay = 0.25
    static let lowLoss = 0.02
    static let growthPerSecond = 0.08
    /// Loss is judged over at least so many packets.
    static let leastPackets = 20
    static let intervalNanoseconds: Int64 = 200_000_000

    /// nil while loss sets no bound.
    private(set) var bitsPerSecond: Double?
    private(set) var latestDecrease: Instant?
    private var expected = 0
    private var lost = 0
    private var judged: Instant?
    private(set) var fractionLost = 0.0

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
        if let judged, now.nanoseconds(since: judged) < Self.intervalNanoseconds { return }
        let fraction = Double(lost) / Double(expected)
        expected = 0
        lost = 0
        let high = isFull ? Self.highLoss : Self.highLossWithoutDelay
        apply(fraction, high: high, current: current, floor: acknowledged ?? 0, at: now)
    }

    /// Takes the share lost as the other side computed it, from receiver reports (RTP-100).
    mutating func reported(fraction: Double, current: Double, floor: Double, at now: Instant) {
        if let judged, now.nanoseconds(since: judged) < Self.intervalNanoseconds { return }
        apply(min(max(fraction, 0), 1), high: Self.highLoss, current: current, floor: floor, at: now)
    }

    /// A probe showed that the link carries so much.
    mutating func proved(_ proven: Double) {
        if let bound = bitsPerSecond, bound < proven { bitsPerSecond = proven }
    }

    private mutating func apply(_ fraction: Double, high: Double, current: Double, floor: Double, at now: Instant) {
        let step = judged.map { min(max(Double(now.nanoseconds(since: $0)) / 1e9, 0), 1) } ?? 0
        judged = now
        fractionLost = fraction
        if fraction > high {
            let rate = min(bitsPerSecond ?? current, current)
            bitsPerSecond = min(rate, max(rate * (1 - fraction / 2), floor))
            latestDecrease = now
        } else if fraction < Self.lowLoss, let rate = bitsPerSecond {
            let grown = rate * (1 + Self.growthPerSecond * step)
            // A bound well above what the delay allows binds nobody any more.
            bitsPerSecond = grown > 2 * current ? nil : grown
        }
    }
}
