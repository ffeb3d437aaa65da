import Wire

/// When a viewer begins at a cached keyframe instead of waiting for a fresh one, and how fast it catches up.
///
/// Publishers that answer requests give their viewers a fresh keyframe within a round trip: nothing has to be caught up.
/// Of those that are known to ignore requests the cached one is taken at once; of others after ``patienceMilliseconds``.
enum FastStart {
    /// How long a viewer waits for the answer of a publisher of which nothing is known.
    static let patienceMilliseconds: UInt64 = 200
    /// The same for a publisher that has answered before.
    static let trustingPatienceMilliseconds: UInt64 = 400
    /// A keyframe that is no older than this is as good as a fresh one.
    static let youngMilliseconds: Int64 = 250
    /// How often packets are sent to viewers that catch up.
    static let intervalMilliseconds: UInt64 = 5
    /// Packets to one viewer at a time, 100 Mbit/s of them, and to all viewers of a track.
    static let packetsPerInterval = 64
    static let totalPacketsPerInterval = 1_024

    /// What is captured in this many seconds goes out in one, unless that would take too long.
    static let speed: Int64 = 5
    static let maximumDuration: Int64 = 800_000_000
    /// What a slow link may stretch it to.
    static let maximumDurationOnSlowLink: Int64 = 4_000_000_000

    /// The nanoseconds within which a viewer catches up.
    ///
    /// - Parameters:
    ///   - age: of the keyframe, in nanoseconds.
    ///   - byteCount: since the keyframe.
    ///   - bitsPerSecond: what the viewer's link is thought to carry; nil when nothing is known of it.
    static func duration(ofAge age: Int64, byteCount: Int, bitsPerSecond: UInt64?) -> Int64 {
        let wanted = min(maximumDuration, age / (speed - 1))
        guard let bitsPerSecond, bitsPerSecond > 0 else { return wanted }
        let seconds = Double(byteCount) * 8 / Double(bitsPerSecond)
        return max(wanted, Int64(min(seconds * 1e9, Double(maximumDurationOnSlowLink))))
    }

    /// When a viewer began at cached keyframes, so that one whose picture is lost again and again is not sent the same
    /// over and over.
    struct Record {
        /// A viewer may begin again at a cached keyframe after this time.
        static let pauseMilliseconds: Int64 = 3_000
        static let maximumPerKeyframe = 2

        private var last: Instant?
        private var keyframe: Int64 = -1
        private var count = 0

        mutating func began(at keyframe: Int64, now: Instant) {
            count = keyframe == self.keyframe ? count + 1 : 1
            self.keyframe = keyframe
            last = now
        }

        func allows(_ keyframe: Int64, at now: Instant) -> Bool {
            guard let last else { return true }
            if keyframe == self.keyframe, count >= Self.maximumPerKeyframe { return false }
            return now.milliseconds(since: last) >= Self.pauseMilliseconds
        }
    }
}
