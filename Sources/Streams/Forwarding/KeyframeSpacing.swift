import Wire

/// However many viewers' links are too small for the stream, they make its publisher send no more keyframes than one
/// every ``milliseconds``: each costs the other viewers quality (WHEP-12).
struct KeyframeSpacing {
    static let milliseconds: Int64 = 2_000

    private var latest: Instant?

    mutating func keyframeReceived(at now: Instant) { latest = now }

    /// Whether a viewer whose frames were held back may have a keyframe asked for.
    func mayRequest(at now: Instant) -> Bool {
        guard let latest else { return true }
        return now.milliseconds(since: latest) >= Self.milliseconds
    }
}
