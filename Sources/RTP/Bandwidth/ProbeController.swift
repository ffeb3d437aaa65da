import Wire

/// How often links were probed, and how often that showed more room.
@frozen public struct ProbeStatistics: Hashable, Sendable {
    public var begun: UInt64 = 0
    public var succeeded: UInt64 = 0

    public init() {}
}

/// Finds out whether a link carries more than media has proven: for a moment twice as much is sent, filled up with
/// padding, and what arrives of it in which time is the answer (RTP-94, RTP-98).
///
/// One probe at a time. After one that found room the next follows as soon as it is judged; after one that did not,
/// the pause doubles.
struct ProbeController: Sendable {
    static let durationNanoseconds: Int64 = 40_000_000
    /// A probe whose feedback does not come for so long has failed.
    static let answerNanoseconds: Int64 = 1_000_000_000
    /// For so long after a probe a queue is taken for its doing.
    static let echoNanoseconds: Int64 = 400_000_000
    static let pauses: ClosedRange<UInt64> = 1_000_000_000...5_000_000_000
    /// How much more than the estimate is tried.
    static let growth = 2.0
    /// Room above what is wanted, because measuring is not exact.
    static let margin = 1.25
    static let leastPackets = 4
    /// What must arrive for a judgement.
    static let leastShare = 0.8
    /// From this share of what was sent on, the probe did not fill the link.
    static let unfilledShare = 0.9
    /// What is left free of a link that was filled.
    static let filledShare = 0.9
    /// From this share of what was tried on, there was room.
    static let roomShare = 0.75

    private struct Cluster {
        let number: UInt8
        let bitsPerSecond: Double
        let begun: Instant
        var isSending = true
        var sentBytes = 0
        var packets = 0
        var bytes = 0
        var first = AcknowledgedPacket(sent: .max, arrival: .max, byteCount: 0, probe: 0)
        var last = AcknowledgedPacket(sent: .min, arrival: .min, byteCount: 0, probe: 0)
    }

    private var cluster: Cluster?
    private var lastNumber: UInt8 = 0
    private var earliest = Instant(nanoseconds: 0)
    private var pause = pauses.lowerBound
    private var echoEnd = Instant(nanoseconds: 0)
    /// What the latest probe showed.
    private(set) var proven: Double?
    private(set) var statistics = ProbeStatistics()

    /// Whether what is sent now belongs to a probe.
    var isSending: Bool { cluster?.isSending ?? false }

    /// Whether a queue may be the doing of a probe.
    func mayHaveFilledQueue(at now: Instant) -> Bool { now < echoEnd }

    mutating func begin(estimate: Double, wanted: Double, at now: Instant) -> Bool {
        if let cluster, now.nanoseconds(since: cluster.begun) > Self.answerNanoseconds { failed(at: now) }
        guard cluster == nil, now >= earliest else { return false }
        lastNumber = lastNumber == .max ? 1 : lastNumber + 1
        cluster = Cluster(
            number: lastNumber, bitsPerSecond: min(Self.growth * estimate, Self.margin * wanted), begun: now)
        echoEnd = now.advanced(byNanoseconds: UInt64(Self.durationNanoseconds + Self.echoNanoseconds))
        statistics.begun &+= 1
        return true
    }

    /// Bytes missing now to the rate that is tried; nil when nothing is.
    mutating func bytesDue(at now: Instant) -> Int? {
        guard let current = cluster, current.isSending else { return nil }
        let elapsed = now.nanoseconds(since: current.begun)
        guard elapsed <= Self.durationNanoseconds else {
            cluster?.isSending = false
            return nil
        }
        // The first packet marks the beginning, whatever its size.
        let due = Int(current.bitsPerSecond / 8 * Double(max(elapsed, 0)) / 1e9)
        return max(due - current.sentBytes, current.sentBytes == 0 ? 1 : 0)
    }

    /// Notes a packet that leaves while a probe is being sent; returns the probe's number.
    mutating func sent(byteCount: Int) -> UInt8 {
        cluster?.sentBytes += byteCount
        return cluster?.number ?? 0
    }

    mutating func received(_ packet: AcknowledgedPacket) {
        guard cluster?.number == packet.probe, var current = cluster else { return }
        current.packets += 1
        current.bytes += packet.byteCount
        if packet.arrival < current.first.arrival { current.first.arrival = packet.arrival }
        if packet.sent < current.first.sent {
            current.first.sent = packet.sent
            current.first.byteCount = packet.byteCount
        }
        if packet.arrival > current.last.arrival { current.last.arrival = packet.arrival }
        if packet.sent >= current.last.sent {
            current.last.sent = packet.sent
            current.last.byteCount = packet.byteCount
        }
        cluster = current
    }

    /// What a probe has shown.
    struct Finding: Sendable {
        /// Bits per second that the link carries: at least, or when the probe filled it, at most.
        var bitsPerSecond: Double
        var filledLink: Bool
    }

    /// What the probe has shown, once, when that can be said.
    mutating func judge(at now: Instant) -> Finding? {
        guard let current = cluster, !current.isSending else { return nil }
        guard current.packets >= Self.leastPackets,
            Double(current.bytes) >= Self.leastShare * Double(current.sentBytes)
        else {
            if now.nanoseconds(since: current.begun) > Self.answerNanoseconds { failed(at: now) }
            return nil
        }
        let sending = Self.rate(current.bytes - current.last.byteCount, current.last.sent - current.first.sent)
        let arriving = Self.rate(current.bytes - current.first.byteCount, current.last.arrival - current.first.arrival)
        guard let sending, let arriving, arriving < 2 * sending else {
            failed(at: now)
            return nil
        }
        let filledLink = arriving < Self.unfilledShare * sending
        let proven = filledLink ? Self.filledShare * arriving : min(sending, arriving)
        self.proven = proven
        if proven >= Self.roomShare * current.bitsPerSecond {
            statistics.succeeded &+= 1
            cluster = nil
            pause = Self.pauses.lowerBound
            earliest = now
        } else {
            failed(at: now)
        }
        return Finding(bitsPerSecond: proven, filledLink: filledLink)
    }

    /// The link has become smaller than it was.
    mutating func linkShrank() { proven = nil }

    private mutating func failed(at now: Instant) {
        cluster = nil
        earliest = now.advanced(byNanoseconds: pause)
        pause = min(2 * pause, Self.pauses.upperBound)
    }

    private static func rate(_ bytes: Int, _ nanoseconds: Int64) -> Double? {
        guard nanoseconds > 0, nanoseconds < answerNanoseconds else { return nil }
        return Double(bytes) * 8e9 / Double(nanoseconds)
    }
}
