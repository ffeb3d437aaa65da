/// An error described for programs (RFC 9457). Everything in it reaches the client.
public struct ProblemDetails: Sendable, Hashable {
    /// The type of a problem that says no more than its status.
    public static let blankType = "about:blank"
    public static let contentType = "application/problem+json"

    public var status: Int
    /// The same words for every occurrence of this type; the status's own phrase unless given.
    public var title: String
    /// What happened this time and what to do about it.
    public var detail: String?
    /// A URI that names the type.
    public var type: String
    /// A word that programs tell one occurrence from others by; an extension member.
    public var reason: String?

    public init(
        status: Int, title: String? = nil, detail: String? = nil, type: String = ProblemDetails.blankType,
        reason: String? = nil
    ) {
        self.status = status
        self.title = title ?? HTTPStatus.reason(status)
        self.detail = detail
        self.type = type
        self.reason = reason
    }

    public var json: [UInt8] {
        var writer = JSONWriter()
        writer.object {
            $0.member("type", type)
            $0.member("title", title)
            $0.member("status", status)
            if let detail { $0.member("detail", detail) }
            if let reason { $0.member("reason", reason) }
        }
        return writer.bytes
    }

    public var response: HTTPResponse {
        var response = HTTPResponse(status: status, contentType: Self.contentType, json)
        response.headers["Cache-Control"] = "no-store"
        return response
    }
}
