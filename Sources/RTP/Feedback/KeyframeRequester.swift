public import Wire

/// Merges the keyframe requests of many viewers into few towards one source SSRC.
///
///     idle ──requested──▶ waiting (request sent) ──keyframe──▶ idle
///                            │ no keyframe for the retry interval: send again
///
/// Two requests are never sent closer together than the minimum interval; one that comes too soon waits. A publisher
/// that does not answer is asked again ever more rarely: many cannot be asked at all (WHIP-Q4). The machine
/// does no I/O and reads no clock: the caller sends a PLI, or a FIR with ``fullIntraRequestSequenceNumber`` where PLI
/// is not negotiated, whenever a method returns true.
public struct KeyframeRequester: Hashable, Sendable {
    public static let defaultMinimumIntervalMilliseconds: UInt64 = 500
    public static let defaultRetryIntervalMilliseconds: UInt64 = 1000
    /// What the retry interval grows to at most, by doubling.
    public static let maximumRetryIntervalMilliseconds: UInt64 = 4000

    private let minimumIntervalMilliseconds: UInt64
    private let retryIntervalMilliseconds: UInt64
    private var lastSent: Instant?
    /// Requests since the last keyframe.
    private var unanswered = 0
    /// Whether someone still waits for a keyframe.
    public private(set) var isWaiting = false
    /// When to send next; nil when nobody waits.
    public private(set) var nextDeadline: Instant?

    /// Requests sent in all.
    public private(set) var sentCount: UInt64 = 0
    /// The number for the request just announced, new for each one (RFC 5104, section 4.3.1.2).
    public var fullIntraRequestSequenceNumber: UInt8 { UInt8(truncatingIfNeeded: sentCount) }

    public init(
        minimumIntervalMilliseconds: UInt64 = defaultMinimumIntervalMilliseconds,
        retryIntervalMilliseconds: UInt64 = defaultRetryIntervalMilliseconds
    ) {
        self.minimumIntervalMilliseconds = minimumIntervalMilliseconds
        self.retryIntervalMilliseconds = max(minimumIntervalMilliseconds, retryIntervalMilliseconds)
    }

    /// A viewer, recorder or layer change needs a keyframe.
    ///
    /// - Returns: whether to send a request now.
    public mutating func requested(at now: Instant) -> Bool {
        guard !isWaiting else { return false }
        isWaiting = true
        if let lastSent {
            let earliest = lastSent.advanced(byMilliseconds: minimumIntervalMilliseconds)
            guard earliest <= now else {
                nextDeadline = earliest
                return false
            }
        }
        send(at: now)
        return true
    }

    /// The first packet of a keyframe came: whoever waited has it.
    public mutating func keyframeReceived() {
        isWaiting = false
        nextDeadline = nil
        unanswered = 0
    }

    /// ``nextDeadline`` may have passed.
    ///
    /// - Returns: whether to send a request now.
    public mutating func deadlineReached(at now: Instant) -> Bool {
        guard let nextDeadline, nextDeadline <= now else { return false }
        send(at: now)
        return true
    }

    private mutating func send(at now: Instant) {
        lastSent = now
        sentCount &+= 1
        let interval = retryIntervalMilliseconds << UInt64(min(unanswered, 16))
        unanswered += 1
        nextDeadline = now.advanced(
            byMilliseconds: max(retryIntervalMilliseconds, min(interval, Self.maximumRetryIntervalMilliseconds)))
    }
}
