/// What a handler answers, independent of the HTTP version that will carry it.
///
/// `Content-Length`, `Transfer-Encoding`, `Connection` and `Date` are the connection's: fields of those names are
/// dropped. Control characters in field values are sent as spaces, so values need no escaping against injection.
public struct HTTPResponse: Sendable {
    public enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Bytes that come later. The connection cancels the stream when the client goes, and for HEAD.
        case stream(HTTPBodyStream)
    }

    /// 200 to 599; the connection answers 500 for anything else.
    public var status: Int
    public var headers: HTTPHeaders
    public var body: Body

    public init(status: Int, headers: HTTPHeaders = [:], body: Body = .none) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    public init(status: Int, contentType: String, _ bytes: [UInt8]) {
        self.init(status: status, headers: ["Content-Type": contentType], body: .bytes(bytes))
    }

    public static func text(_ text: String, status: Int = 200) -> HTTPResponse {
        HTTPResponse(status: status, contentType: "text/plain; charset=utf-8", Array(text.utf8))
    }

    /// A body that is JSON already.
    public static func json(_ bytes: [UInt8], status: Int = 200) -> HTTPResponse {
        HTTPResponse(status: status, contentType: "application/json", bytes)
    }

    /// An error described by RFC 9457. `title` and `detail` reach the client: no internal text belongs in them.
    public static func problem(
        _ status: Int, title: String? = nil, detail: String? = nil, type: String = ProblemDetails.blankType
    ) -> HTTPResponse {
        ProblemDetails(status: status, title: title, detail: detail, type: type).response
    }

    /// A redirect that keeps method and body.
    public static func redirect307(to location: String) -> HTTPResponse {
        HTTPResponse(status: 307, headers: ["Location": location])
    }

    /// A response that stays open until its stream is finished, with the header fields proxies need to pass server-sent
    /// events on unbuffered.
    public static func eventStream(_ stream: HTTPBodyStream) -> HTTPResponse {
        HTTPResponse(
            status: 200,
            headers: [
                "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store, no-transform",
                "X-Accel-Buffering": "no",
            ], body: .stream(stream))
    }
}
