import Wire

/// How long a viewer should hold video back so that packets that are sent again come before they are shown.
///
/// It is measured at the packets themselves: what is sent again some time after its first sending arrives so much later
/// than it would have. That holds for every round trip, however often requests and answers are lost too. A link on
/// which repairs come unnoticed is not delayed at all.
struct RepairDelay: Sendable {
    /// What comes later than this is seen as a freeze, as WebRTC's statistics define one.
    static let unnoticedMilliseconds = 150
    /// From here on, and so much later than the quickest, a packet came only at the second try. Then others will take a third
    /// one, which is seen.
    static let secondTryMilliseconds = 70
    static let leastSecondTryMilliseconds = 100
    /// What players take for decoding and drawing out of the delay that they are asked for.
    static let marginMilliseconds = 30
    /// One gap is no reason to delay: another has to follow within this time.
    static let windowNanoseconds: Int64 = 10_000_000_000
    /// Losses fill a bucket that loses one in this time. From so many on the link loses all the time, and one packet that
    /// came too late is reason enough.
    static let lossNanoseconds: Int64 = 1_000_000_000
    static let lossyLevel = 5.0
    static let largestLevel = 10.0
    /// Packets sent again within this time were lost together.
    static let togetherNanoseconds: Int64 = 20_000_000
    /// How often it is asked whether less would do.
    static let reviewNanoseconds: Int64 = 20_000_000_000
    /// And so on a link that loses all the time: there a minute rarely passes without a packet that comes late.
    static let lossyReviewNanoseconds: Int64 = 60_000_000_000
    /// What is late within this time is one gap.
    static let gapNanoseconds: Int64 = 300_000_000
    /// The delay falls by at most so much in each window.
    static let largestStepMilliseconds = 100

    /// The delay is never longer than this.
    let limitMilliseconds: Int
    private(set) var milliseconds = 0
    /// The last gap that the delay did not cover.
    private var gap: (began: Instant, milliseconds: Int)?
    private var largestInWindow = 0
    /// The least late that anything came; nil before the first.
    private var quickest: Int?
    private var level = 0.0
    private var lastLoss = Instant(nanoseconds: 0)
    private var windowBegan = Instant(nanoseconds: 0)

    init(limitMilliseconds: Int) { self.limitMilliseconds = limitMilliseconds }

    /// A packet was sent again so long after it was first sent.
    mutating func sentAgain(lateness: Int, at now: Instant) {
        note(at: now)
        // No delay that may be asked for makes up for that.
        guard lateness <= limitMilliseconds + Self.unnoticedMilliseconds else { return }
        quickest = min(quickest ?? lateness, lateness)
        if milliseconds > 0 { largestInWindow = max(largestInWindow, lateness) }
        guard matters(lateness), needed(for: lateness) > milliseconds else { return }
        guard let gap, now.nanoseconds(since: gap.began) <= Self.windowNanoseconds else {
            self.gap = (now, lateness)
            guard level >= Self.lossyLevel else { return }
            raise(to: needed(for: lateness), at: now)
            largestInWindow = max(largestInWindow, lateness)
            return
        }
        guard now.nanoseconds(since: gap.began) > Self.gapNanoseconds else {
            self.gap?.milliseconds = max(gap.milliseconds, lateness)
            return
        }
        raise(to: needed(for: min(gap.milliseconds, lateness)), at: now)
        largestInWindow = max(largestInWindow, lateness)
        self.gap = (now, lateness)
    }

    private mutating func raise(to raised: Int, at now: Instant) {
        guard raised > milliseconds else { return }
        if milliseconds == 0 { windowBegan = now }
        milliseconds = raised
    }

    private mutating func note(at now: Instant) {
        guard now.nanoseconds(since: lastLoss) > Self.togetherNanoseconds else { return }
        level = min(level(at: now) + 1, Self.largestLevel)
        lastLoss = now
    }

    private func level(at now: Instant) -> Double {
        max(0, level - Double(max(now.nanoseconds(since: lastLoss), 0)) / Double(Self.lossNanoseconds))
    }

    func isReviewDue(at now: Instant) -> Bool {
        guard milliseconds > 0 else { return false }
        let isLossy = level(at: now) >= Self.lossyLevel
        return now.nanoseconds(since: windowBegan) > (isLossy ? Self.lossyReviewNanoseconds : Self.reviewNanoseconds)
    }

    /// Lets the delay fall when less would do by now.
    mutating func review(at now: Instant) {
        windowBegan = now
        let wanted = matters(largestInWindow) ? needed(for: largestInWindow) : 0
        milliseconds = min(milliseconds, max(wanted, milliseconds - Self.largestStepMilliseconds))
        largestInWindow = 0
    }

    private func matters(_ lateness: Int) -> Bool {
        let secondTry = max(Self.leastSecondTryMilliseconds, (quickest ?? lateness) + Self.secondTryMilliseconds)
        return lateness > min(Self.unnoticedMilliseconds, secondTry)
    }

    /// In steps of 10 ms, as it is told.
    private func needed(for lateness: Int) -> Int {
        min((lateness + Self.marginMilliseconds + 9) / 10 * 10, limitMilliseconds)
    }
}
