import Wire

/// What a publisher makes of requests for keyframes, learned from what it does.
///
/// A keyframe that was due anyway proves nothing: one that ignores requests would be taken for one that answers as soon
/// as somebody asks shortly before its next keyframe, and its cached keyframe let go.
struct KeyframeAnswers {
    enum Habit: Hashable, Sendable { case unknown, answers, ignores }

    /// A keyframe within this time of a request may be its answer.
    static let promptMilliseconds: Int64 = 700
    /// A request is taken for ignored after this time. Requests are merged, so one may wait half a second.
    static let silenceMilliseconds: Int64 = 1_500
    /// So many prompt keyframes are answers while it is not known when the next one would have come anyway.
    static let answersNeeded = 2

    /// When a layer's keyframes come.
    private struct Rhythm {
        var latest: Instant
        var intervalMilliseconds: Int64?

        /// Whether a keyframe now is one that comes whether asked for or not: as long after the one before as that came
        /// after its own.
        func isDue(at now: Instant) -> Bool {
            guard let intervalMilliseconds else { return false }
            let difference = now.milliseconds(since: latest) - intervalMilliseconds
            return abs(difference) <= max(100, intervalMilliseconds / 20)
        }
    }

    private(set) var habit: Habit
    private let canBeAsked: Bool
    private var asked: (at: Instant, layer: Int)?
    private var rhythms: [Int: Rhythm] = [:]
    private var promptCount = 0

    /// - Parameter canBeAsked: whether any kind of request was negotiated.
    init(canBeAsked: Bool) {
        habit = canBeAsked ? .unknown : .ignores
        self.canBeAsked = canBeAsked
    }

    mutating func requested(layer: Int, at now: Instant) {
        guard canBeAsked else { return }
        if asked == nil || asked?.layer != layer { asked = (now, layer) }
    }

    /// - Parameter layer: one of the track's encodings, which are few.
    mutating func keyframeReceived(layer: Int, at now: Instant) {
        guard canBeAsked else { return }
        let rhythm = rhythms[layer]
        let interval = rhythm.map { now.milliseconds(since: $0.latest) }
        rhythms[layer] = Rhythm(latest: now, intervalMilliseconds: interval)
        guard let asked, asked.layer == layer else { return }
        self.asked = nil
        let milliseconds = now.milliseconds(since: asked.at)
        if milliseconds > Self.silenceMilliseconds {
            habit = .ignores
            promptCount = 0
        } else if milliseconds <= Self.promptMilliseconds, rhythm?.isDue(at: now) != true {
            // Off its rhythm nothing but a request explains it.
            promptCount = rhythm?.intervalMilliseconds == nil ? promptCount + 1 : Self.answersNeeded
            if promptCount >= Self.answersNeeded { habit = .answers }
        }
    }

    /// Whether waiting for an answer is of no use.
    func areIgnored(at now: Instant) -> Bool {
        habit == .ignores || asked.map { now.milliseconds(since: $0.at) > Self.silenceMilliseconds } ?? false
    }

    var patienceMilliseconds: UInt64 {
        habit == .answers ? FastStart.trustingPatienceMilliseconds : FastStart.patienceMilliseconds
    }
}
