public import Wire

/// Why a room ends a viewer's session.
public enum ViewerEnd: String, Hashable, Sendable {
    /// The publisher came back with another codec, which this viewer has not negotiated (WHEP-9).
    case codecChanged = "codec_changed"
    /// The publisher stayed away for longer than the room waits.
    case publisherGone = "publisher_gone"
    case closedByServer = "server_closed"

    public var explanation: String {
        switch self {
        case .codecChanged: "the publisher came back with another codec; open the stream again to negotiate it"
        case .publisherGone: "nobody publishes here any more"
        case .closedByServer: "the server closed the room"
        }
    }
}

/// A viewer as its room sees it: an actor on the room's loop, in any protocol.
public protocol ViewerHandle: AnyObject, Sendable {
    nonisolated var peerID: PeerID { get }

    /// The room ends this viewer's session. Called on the room's loop; must not call back into the room synchronously.
    func end(_ reason: ViewerEnd)
}
