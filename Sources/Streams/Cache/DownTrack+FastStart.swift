import Codecs
import RTP
import Wire

extension DownTrack {
    /// Whether the viewer is on its way from a cached keyframe to the live edge.
    var isCatchingUp: Bool { forwarder.catchUp != nil }

    /// The position of the history that comes next for a viewer that catches up.
    var catchUpPosition: Int64? { forwarder.catchUp?.next }

    /// The publisher has gone, and what it left is not sent any more.
    func stopCatchingUp() { forwarder.stopCatchingUp() }

    /// The encoding a viewer could begin with at once: the one it is to get, else the best of those that will do.
    func startableEncoding(_ isCached: (Int) -> Bool) -> Int? { forwarder.startableEncoding(isCached) }

    /// Since when the viewer has waited for a picture; nil when it is not waiting.
    var waitsForPictureSince: Instant? {
        get { forwarder.waitsForPictureSince }
        set { forwarder.waitsForPictureSince = newValue }
    }

    /// Says whether frames may be held back on the way to the live edge, as they are of a link that does not carry them.
    func catchesUp(whole isWhole: Bool) { forwarder.catchesUpWhole = isWhole }

    /// Begins at the cached keyframe `start`.
    ///
    /// - Parameter captureTime: what is captured now, on the clock of the entries' capture times.
    func begin(
        at start: KeyframeCache.Start, from store: borrowing PacketStore, captureTime: Instant,
        statistics: inout TrackStatistics, at now: Instant
    ) {
        let link = sink.videoBitsPerSecond(at: now)
        let (clockRate, hasSent) = (format.track.codec.clockRate, sent.packets > 0)
        let hasBegun: Void? = store.withEntry(at: start.first) { entry, packet in
            let age = max(0, captureTime.nanoseconds(since: entry.captured))
            let catchUp = CatchUp(
                from: start.position, captured: entry.captured, age: age,
                duration: FastStart.duration(ofAge: age, byteCount: start.byteCount, bitsPerSecond: link), at: now)
            let times = catchUp.times(clockRate: clockRate, lead: hasSent ? Int64(clockRate) / 60 : 0)
            forwarder.begin(catchUp, times, at: entry, packet, statistics: &statistics)
        }
        if hasBegun != nil { fastStarts.began(at: start.first, now: now) }
    }

    /// Sends what is due on the way to the live edge, at most `limit` packets.
    ///
    /// - Returns: how many it looked at.
    func catchUp(
        from store: borrowing PacketStore, limit: Int, statistics: inout TrackStatistics, at now: Instant
    ) -> Int {
        forwarder.catchUp(from: store, limit: limit, statistics: &statistics, at: now)
    }
}
