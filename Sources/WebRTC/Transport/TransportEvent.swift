public import Secure
public import Wire

/// What became of a datagram given to ``TransportEngine/received(_:on:at:)``.
public enum ReceivedDatagram: Hashable, Sendable {
    /// Handled or dropped inside the engine; nothing to read.
    case consumed
    /// The first `byteCount` bytes of the datagram are now one plaintext RTP packet.
    case rtp(byteCount: Int)
    /// The first `byteCount` bytes of the datagram are now one plaintext compound RTCP packet.
    case rtcp(byteCount: Int)
    /// A connectivity check that did not know the password; its source is to be watched.
    case refusedCheck
    /// What came where an answer to a check of ours is awaited and is none; not the peer's.
    case refusedAnswer
    /// Media from an address that proved nothing; dropped, though a check of ours may have begun by it.
    case stray
}

/// Why a transport ended. The text says what happened, for an operator.
public enum TransportCloseReason: Hashable, Sendable {
    /// No valid connectivity check came within the time limit.
    case neverConnected
    /// Checks came, but the DTLS handshake did not finish.
    case handshakeFailed(DTLSFailure)
    /// The peer stopped sending checks and media.
    case consentLost
    /// The peer closed the DTLS association.
    case closedByPeer
    /// The server closed the session.
    case closedLocally

    public var explanation: String {
        switch self {
        case .neverConnected:
            "no connectivity check of the client arrived"
        case .handshakeFailed(let failure):
            "the DTLS handshake failed (\(failure))"
        case .consentLost: "the client went silent: it crashed, lost its network or was blocked"
        case .closedByPeer: "the client closed the connection"
        case .closedLocally: "the server closed the session"
        }
    }

    /// A short stable word for metrics and feeds.
    public var code: String {
        switch self {
        case .neverConnected: "never_connected"
        case .handshakeFailed: "dtls_failed"
        case .consentLost: "consent_lost"
        case .closedByPeer: "closed_by_peer"
        case .closedLocally: "closed"
        }
    }
}

/// A change of state the owner has to act on; drained with ``TransportEngine/takeEvent()``.
public enum TransportEvent: Hashable, Sendable {
    /// Datagrams from this tuple belong to this transport from now on.
    case tupleAdded(TransportTuple)
    /// The answer to a check of ours is awaited on this tuple: ``tupleAdded(_:)`` or ``tupleRemoved(_:)`` will follow.
    case tupleAwaited(TransportTuple)
    /// The tuple no longer belongs to this transport.
    case tupleRemoved(TransportTuple)
    /// Media goes to this tuple from now on.
    case selected(TransportTuple)
    /// A check with the credentials of a restart came: earlier credentials are worth nothing from now on.
    case restarted
    /// Keys are in place: media may flow both ways.
    case connected(SRTPProfile)
    case closed(TransportCloseReason)
}

/// Datagrams the engine dropped, by cause.
public struct TransportDropCounters: Hashable, Sendable {
    public var unvalidatedTuple = 0
    public var beforeKeys = 0
    public var authenticationFailed = 0
    public var replayed = 0
    public var malformed = 0
    public var tooManySources = 0
    public var notSelected = 0

    public init() {}
}
