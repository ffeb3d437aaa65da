public import Wire

/// Why a publication ended.
public enum PublicationEnd: String, Hashable, Sendable {
    case stoppedByPublisher = "stopped"
    case connectionLost = "connection_lost"
    case replaced
    case closedByServer = "server_closed"
}

/// A publisher as its room sees it: an actor on the room's loop.
///
/// These are synchronous doors, called on that loop's thread only.
public protocol PublisherHandle: AnyObject, Sendable {
    nonisolated var peerID: PeerID { get }

    /// Where its media comes from, as rooms are shown to people: `whip`, `rtsp`.
    nonisolated var origin: String { get }

    /// A viewer needs a random access point of one layer of the track; the publisher paces the requests.
    func requestKeyframe(_ kind: MediaKind, layer: Int)

    /// Another publisher took the room over; the session is to be ended with that reason.
    func wasReplaced()
}

extension PublisherHandle {
    public nonisolated var origin: String { "internal" }
}
