import Wire

/// What a publisher makes of requests for keyframes, learned from what it does.
struct KeyframeAnswers {
    enum Habit: Hashable, Sendable { case unknown, answers, ignores }

    /// A keyframe within this time of a request is taken for its answer.
    static let promptMilliseconds: Int64 = 700
    /// A request is taken for ignored after this time. Requests are merged, so one may wait half a second.
    static let silenceMilliseconds: Int64 = 1_500

    private(set) var habit: Habit
    private var asked: (at: Instant, layer: Int)?

    /// - Parameter canBeAsked: whether any kind of request was negotiated.
    init(canBeAsked: Bool) { habit = canBeAsked ? .unknown : .ignores }

    mutating func requested(layer: Int, at now: Instant) {
        if asked == nil || asked?.layer != layer { asked = (now, layer) }
    }

    mutating func keyframeReceived(layer: Int, at now: Instant) {
        guard let asked, asked.layer == layer else { return }
        let milliseconds = now.milliseconds(since: asked.at)
        if milliseconds <= Self.promptMilliseconds { habit = .answers }
        if milliseconds > Self.silenceMilliseconds { habit = .ignores }
        self.asked = nil
    }

    /// Whether waiting for an answer is of no use.
    func areIgnored(at now: Instant) -> Bool {
        habit == .ignores || asked.map { now.milliseconds(since: $0.at) > Self.silenceMilliseconds } ?? false
    }

    var patienceMilliseconds: UInt64 {
        habit == .answers ? FastStart.trustingPatienceMilliseconds : FastStart.patienceMilliseconds
    }
}
