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
    /// Of viewers that give no reports a silence is not longer than this: ten requests that were lost take a second.
    static let longestUnreportedNanoseconds: Int64 = 900_000_000
    /// Nor than this for a while after their requests were lost several times in a row: they will be again.
    static let wastedNanoseconds: Int64 = 500_000_000
    static let wastedMemoryNanoseconds: UInt64 = 30_000_000_000
    /// Nor than this after they were sent again what they had asked for several times: they have few requests left for it.
    static let lateNanoseconds: Int64 = 300_000_000
    static let lateMemoryNanoseconds: UInt64 = 300_000_000
    /// Beyond a round trip, what comes of a few lost requests.
    static let lateMilliseconds: UInt32 = 300
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
    /// The level before what the present request asks for; nil when that is nothing.
    private var levelBefore: Double?
    private var keyframes = 0
    private var givesReports = false
    private var wastesRequestsUntil = Instant(nanoseconds: 0)
    private var answeredLateUntil = Instant(nanoseconds: 0)
    /// When the silence is long enough; nil when there is no reason to wait for anything.
    private var due: Instant?

    /// A packet was lost.
    mutating func lost(at now: Instant) {
        drain(to: now)
        level = min(level + 1, Self.largestLevel)
    }

    /// A packet is asked for, by a request that ``heard(isReport:at:)`` is told of behind all its packets.
    mutating func requested(at now: Instant) {
        drain(to: now)
        levelBefore = levelBefore ?? level
        lost(at: now)
    }

    /// A packet is to be sent again that was first sent so long ago, for the first time or once more.
    mutating func answers(
        lateness: UInt32, isFirst: Bool, roundTripNanoseconds: UInt64, at now: Instant
    ) {
        let roundTrip = min(roundTripNanoseconds / 1_000_000, 1_000)
        guard lateness >= Self.lateMilliseconds + UInt32(roundTrip) else { return }
        answeredLateUntil = now.advanced(byNanoseconds: Self.lateMemoryNanoseconds)
        if isFirst { wastesRequestsUntil = now.advanced(byNanoseconds: Self.wastedMemoryNanoseconds) }
    }

    /// A request or a report came, and what it asked for was sent again.
    mutating func heard(isReport: Bool, at now: Instant) {
        drain(to: now)
        if isReport { givesReports = true }
        if let latest {
            let interval = min(max(now.nanoseconds(since: latest), 0), Self.longestNanoseconds)
            usualNanoseconds += (interval - usualNanoseconds) / Self.smoothing
        } else {
            usualNanoseconds = Self.leastNanoseconds / Self.usualIntervals
        }
        latest = now
        keyframes = 0
        let patience = max(Self.leastNanoseconds, Self.usualIntervals * usualNanoseconds)
        // A single request for many packets, after which all is well, is no link that loses packets.
        let says = (levelBefore ?? level) >= Self.lossyLevel && patience <= Self.longestNanoseconds
        levelBefore = nil
        // Less than two usual pauses are no silence.
        let silence = min(patience, max(longest(at: now), 2 * usualNanoseconds))
        due = says ? now.advanced(byNanoseconds: UInt64(silence)) : nil
    }

    private func longest(at now: Instant) -> Int64 {
        if givesReports { return Self.longestNanoseconds }
        if now < answeredLateUntil { return Self.lateNanoseconds }
        return now < wastesRequestsUntil ? Self.wastedNanoseconds : Self.longestUnreportedNanoseconds
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
