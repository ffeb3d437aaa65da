import Wire

/// A viewer's way from a cached keyframe to the live edge: when each packet goes out and under which timestamp.
///
///     capture   |keyframe ······················ joined| ········ caught up|
///     sent                                      |keyframe ················ |live
///     timestamp                                 |keyframe ················ |live
///
/// What was captured over `age + duration` goes out within `duration`, each frame at the moment its timestamp says. To
/// the player it is a stream that begins now, without jitter and at a high frame rate, and that ends up in step with
/// the live one; so nothing has to drain from its jitter buffer afterwards (RTP-64).
///
/// This is when packets go out; the timestamps are ``CompressedTimes``.
struct CatchUp: Sendable {
    /// The next position of the track's history.
    var next: Int64
    let startedAt: Instant
    /// When the keyframe was captured.
    private let captured: Instant
    /// From the keyframe's capture to the join, and from the join to the end, in nanoseconds.
    private let age: Int64
    private let duration: Int64

    init(from next: Int64, captured: Instant, age: Int64, duration: Int64, at now: Instant) {
        self.next = next
        startedAt = now
        self.captured = captured
        self.age = max(0, age)
        self.duration = max(1_000_000, duration)
    }

    /// - Parameter lead: by how many ticks the first timestamp is moved ahead, so that it follows what the viewer got before.
    func times(clockRate: UInt32, lead: Int64) -> CompressedTimes {
        let scale = ClockScale(from: ClockScale.nanoseconds, to: clockRate)
        return CompressedTimes(
            ageTicks: scale.scaled(age) + lead, durationTicks: max(1, scale.scaled(duration)))
    }

    /// Whether the packet that was captured at `instant` is due.
    func isDue(_ instant: Instant, at now: Instant) -> Bool {
        let offset = max(0, instant.nanoseconds(since: captured))
        guard offset < age + duration else { return true }
        // In microseconds, as the product of two times in nanoseconds would not fit.
        let due = offset / 1_000 * (duration / 1_000) / ((age + duration) / 1_000) * 1_000
        return now.nanoseconds(since: startedAt) >= due
    }

    /// Whether what comes is to be sent at once again.
    func isOver(at now: Instant) -> Bool { now.nanoseconds(since: startedAt) >= duration }
}

/// The timestamps under which a viewer catches up.
///
/// They stay in force when it is at the live edge: packets of a frame of which some have been sent have to have the same
/// timestamp as those, however late they come. Timestamps beyond the end of the way are left as they are.
struct CompressedTimes: Sendable {
    private var ageTicks: Int64
    private let durationTicks: Int64
    /// The keyframe's timestamp in step with real time, known when it is sent.
    private var origin: Int64?
    var hasBegun: Bool { origin != nil }
    /// The first timestamp is no smaller than this: what was sent before must not be overtaken by the past.
    var leastTimestamp: Int64?

    init(ageTicks: Int64, durationTicks: Int64) {
        self.ageTicks = ageTicks
        self.durationTicks = durationTicks
    }

    /// The timestamp to send for one in step with real time.
    mutating func compressed(_ timestamp: Int64) -> Int64 {
        let origin = origin ?? timestamp
        if self.origin == nil, let leastTimestamp { ageTicks = max(ageTicks, leastTimestamp - origin) }
        self.origin = origin
        let offset = max(0, timestamp - origin)
        guard offset < ageTicks + durationTicks else { return timestamp }
        return origin + ageTicks + offset * durationTicks / (ageTicks + durationTicks)
    }
}
