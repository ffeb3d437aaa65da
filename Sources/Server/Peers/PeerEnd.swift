import Secure
import Streams
import WebRTC

/// Why a peer's session ended: the reason as events carry it, and what exactly happened.
struct PeerEnd: Hashable, Sendable {
    var reason: EndReason
    var detail: String

    init(_ reason: EndReason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    init(_ reason: TransportCloseReason) {
        let end: EndReason =
            switch reason {
            case .neverConnected: .iceNeverConnected
            case .handshakeFailed(.timedOut): .dtlsTimeout
            case .handshakeFailed: .dtlsFailed
            case .consentLost: .silent
            case .closedByPeer: .left
            case .closedLocally: .removedByOperator
            }
        self.init(end, reason.explanation)
    }

    init(_ reason: ViewerEnd) {
        let end: EndReason =
            switch reason {
            case .codecChanged: .codecChanged
            case .publisherGone: .publisherGone
            case .closedByServer: .roomClosed
            }
        self.init(end, reason.explanation)
    }

    static let deleted = PeerEnd(.left, "the client ended its session with DELETE")
    static let replaced = PeerEnd(
        .replaced, "another publisher took over; set overridePublisher to no to refuse that")
    static let stopping = PeerEnd(.serverStopping, "the server is stopping")
}
