import Streams
import WebRTC

/// Why a peer's session ended, for logs, feeds and metrics: a stable code and a sentence that says what to do.
public struct PeerEnd: Hashable, Sendable {
    public var code: String
    public var explanation: String

    public init(code: String, explanation: String) {
        self.code = code
        self.explanation = explanation
    }

    init(_ reason: TransportCloseReason) { self.init(code: reason.code, explanation: reason.explanation) }

    init(_ reason: ViewerEnd) { self.init(code: reason.rawValue, explanation: reason.explanation) }

    static let deleted = PeerEnd(code: "deleted", explanation: "the client ended its session with DELETE")
    static let replaced = PeerEnd(
        code: "replaced", explanation: "another publisher took over; set overridePublisher: no to refuse that")
    static let shutdown = PeerEnd(code: "shutdown", explanation: "the server is stopping")
}
