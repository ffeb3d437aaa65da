import Wire

/// Tells when a viewer on a link that loses packets has been silent for so long that what it asked for must have been
/// lost.
///
/// Browsers ask for a packet ten times, every tenth of a second, and give up. Then they stand still, and ask for a keyframe
/// seconds later, which may be lost as well. A keyframe that is sent in the silence is the sooner way on.
struct ViewerSilence {
    /// A silence lasts for so long, and for so many times what usually lies between two requests or reports. When that
    /// is more than the longest, the link loses too little to say.
    static let leastNanoseconds: Int64 = 700_000_000
    static let longestNanoseconds: Int64 = 1_500_000_000
    static let usualIntervals: Int64 = 6
    /// Of the usual interval what the newest one makes.
    static let smoothing: Int64 = 16
    /// In a silence a keyframe is taken so often at most, and so far apart.
    static let mostKeyframes = 3
    static let repeatNanoseconds: UInt64 = 1_000_000_000
    /// Losses fill a bucket that loses one in this time; from so many on the link counts as one that loses packets.
    static let lossNanoseconds: Int64 = 1_000_000_000
    static let lossyLevel = 5.0
    static let largestLevel = 10.0

    private var latest: Instant?
    private var usualNanoseconds: Int64 = 0
    private var level = 0.0
    private var leveled = Instant(nanoseconds: 0)
    private var keyframes = 0
    /// When the silence is long enough; nil when there is no reason to wait for anything.
    private var due: Instant?

    /// A packet was lost.
    mutating func lost(at now: Instant) {
        drain(to: now)
        level = min(level + 1, Self.largestLevel)
    }

    /// A request or a report came.
    mutating func heard(at now: Instant) {
        drain(to: now)
        if let latest {
            let interval = min(max(now.nanoseconds(since: latest), 0), Self.longestNanoseconds)
            usualNanoseconds += (interval - usualNanoseconds) / Self.smoothing
        } else {
            usualNanoseconds = Self.leastNanoseconds / Self.usualIntervals
        }
        latest = now
        keyframes = 0
        let patience = max(Self.leastNanoseconds, Self.usualIntervals * usualNanoseconds)
        let says = level >= Self.lossyLevel && patience <= Self.longestNanoseconds
        due = says ? now.advanced(byNanoseconds: UInt64(patience)) : nil
    }

    /// Whether a keyframe is to be asked for in the viewer's stead. Saying yes counts as one.
    mutating func takesKeyframe(at now: Instant) -> Bool {
        guard let due, now >= due else { return false }
        keyframes += 1
        self.due = keyframes < Self.mostKeyframes ? now.advanced(byNanoseconds: Self.repeatNanoseconds) : nil
        return true
    }

    private mutating func drain(to now: Instant) {
        let elapsed = max(now.nanoseconds(since: leveled), 0)
        level = max(0, level - Double(elapsed) / Double(Self.lossNanoseconds))
        leveled = now
    }
}
