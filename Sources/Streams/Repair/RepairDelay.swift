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
    /// How often it is asked whether less would do.
    static let reviewNanoseconds: Int64 = 20_000_000_000
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
    private var windowBegan = Instant(nanoseconds: 0)

    init(limitMilliseconds: Int) { self.limitMilliseconds = limitMilliseconds }

    /// A packet was sent again so long after it was first sent.
    mutating func sentAgain(lateness: Int, at now: Instant) {
        // No delay that may be asked for makes up for that.
        guard lateness <= limitMilliseconds + Self.unnoticedMilliseconds else { return }
        quickest = min(quickest ?? lateness, lateness)
        if milliseconds > 0 { largestInWindow = max(largestInWindow, lateness) }
        guard matters(lateness), needed(for: lateness) > milliseconds else { return }
        guard let gap, now.nanoseconds(since: gap.began) <= Self.windowNanoseconds else {
            self.gap = (now, lateness)
            return
        }
        guard now.nanoseconds(since: gap.began) > Self.gapNanoseconds else {
            self.gap?.milliseconds = max(gap.milliseconds, lateness)
            return
        }
        let raised = needed(for: min(gap.milliseconds, lateness))
        if raised > milliseconds {
            if milliseconds == 0 { windowBegan = now }
            milliseconds = raised
        }
        largestInWindow = max(largestInWindow, lateness)
        self.gap = (now, lateness)
    }

    func isReviewDue(at now: Instant) -> Bool {
        milliseconds > 0 && now.nanoseconds(since: windowBegan) > Self.reviewNanoseconds
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
