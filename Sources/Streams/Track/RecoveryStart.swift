import Wire

/// Whether viewers have to begin where no keyframe is, because the publisher sends none (PAY-12).
///
/// Encoders with intra refresh renew the picture bit by bit and only say where a decoder may begin. That is second best,
/// so it counts only of a publisher that cannot be asked for a keyframe and has sent none for a while.
struct RecoveryStart {
    /// Cameras whose keyframes are further apart than this are not watched from keyframes anyway.
    static let patienceMilliseconds: Int64 = 10_000

    private let canAskForKeyframes: Bool
    private var latestKeyframe: Instant

    init(canAskForKeyframes: Bool, at now: Instant) {
        self.canAskForKeyframes = canAskForKeyframes
        latestKeyframe = now
    }

    mutating func keyframeReceived(at now: Instant) { latestKeyframe = now }

    /// Whether a recovery point is to be taken for a keyframe. Publishers that cannot be asked have one layer.
    func isNeeded(layer: Int, at now: Instant) -> Bool {
        !canAskForKeyframes && layer == 0 && now.milliseconds(since: latestKeyframe) >= Self.patienceMilliseconds
    }
}
