import Loop
import Streams
import Synchronization
import Wire

/// A reader that does not take what it is sent (RTSP-28): it loses whole runs of packets until a keyframe comes and its
/// queue has emptied, and its connection when it has taken nothing at all for `writeTimeout`. Nobody else notices.
extension RTSPConnection {
    /// Whether the queue is short enough to begin again after it was too long. Ends a connection that stands still.
    func catchesUp() -> Bool {
        guard !isOver else { return false }
        // What travels beside a connection that is away does not queue.
        guard let socket else { return true }
        guard socket.isOpen else { return false }
        guard socket.queuedBytes > queueLimit / 4 else { return true }
        let timeout = service.settings().writeTimeout
        guard eventLoop.now.nanoseconds(since: socket.statistics.lastSent) >= timeout.wholeMilliseconds * 1_000_000
        else { return false }
        let end = PeerEnd(.tooSlow, "the client took nothing of what it was sent for \(timeout) (writeTimeout)")
        // The sound and the picture ask, each for itself.
        if cutOff(end) { service.counters.slowReadersEnded.wrappingAdd(1, ordering: .relaxed) }
        return false
    }

    /// The queue is full, so that a run of packets does not go to this reader.
    func fellBehind() {
        guard !isGone else { return }
        service.counters.slowReaderSkips.wrappingAdd(1, ordering: .relaxed)
        guard !hasToldOfSlowness else { return }
        hasToldOfSlowness = true
        service.logger.warn(
            "a reader is too slow and skips to the next keyframe; its network or its player does not keep up",
            [
                LogField(.peer, peerID.description), LogField(.remote, remoteAddress),
                LogField(.room, reading?.offer.room.room ?? "-"), LogField(.setting, "writeQueueSize"),
            ])
    }
}
