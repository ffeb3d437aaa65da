import Wire

/// Whether viewers have to begin where no keyframe is, because the publisher sends none (PAY-12).
///
/// Encoders with intra refresh renew the picture bit by bit and only say where a decoder may begin. That is second best,
/// so it counts only of a publisher that cannot be asked for a keyframe and has sent none for a while.
struct RecoveryStart {
    /// Without a keyframe for so long, recovery points count; nil when they never do.
    var patienceNanoseconds: UInt64?
    private let canAskForKeyframes: Bool
    private var latestKeyframe: Instant

    init(canAskForKeyframes: Bool, patienceNanoseconds: UInt64?, at now: Instant) {
        self.canAskForKeyframes = canAskForKeyframes
        self.patienceNanoseconds = patienceNanoseconds
        latestKeyframe = now
    }

    mutating func keyframeReceived(at now: Instant) { latestKeyframe = now }

    /// Whether a recovery point is to be taken for a keyframe. Publishers that cannot be asked have one layer.
    func isNeeded(layer: Int, at now: Instant) -> Bool {
        guard !canAskForKeyframes, layer == 0, let patienceNanoseconds else { return false }
        return now.nanoseconds(since: latestKeyframe) >= Int64(clamping: patienceNanoseconds)
    }
}
