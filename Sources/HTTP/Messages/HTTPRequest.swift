public import Wire

/// The versions this server speaks on a byte stream.
public enum HTTPVersion: Hashable, Sendable {
    case http10
    case http11
}

/// One complete request, independent of the HTTP version that carried it.
public struct HTTPRequest: Sendable {
    public var method: HTTPMethod
    /// The request target as it was sent, at most ``HTTPLimits/targetBytes`` long. It may hold secrets in its
    /// query: never log it.
    public var target: String
    public var version: HTTPVersion
    /// The decoded path. Empty for `/` and for `OPTIONS *`.
    public var path: ResourcePath
    public var query: HTTPQuery
    public var headers: HTTPHeaders
    /// The body with its transfer coding removed.
    public var body: [UInt8]
    /// The client. Behind a trusted proxy the server replaces the connection's address by the forwarded one.
    public var remoteAddress: SocketAddress
    /// Whether the client speaks TLS, to this server or to the trusted proxy before it.
    public var isSecure: Bool
    /// What the route's pattern named, decoded: `room` of `/{room...}/whip`. Filled in by the router.
    public var parameters: [String: String] = [:]

    public init(
        method: HTTPMethod, target: String, version: HTTPVersion = .http11, path: ResourcePath = ResourcePath(),
        query: HTTPQuery = HTTPQuery(), headers: HTTPHeaders = [:], body: [UInt8] = [], remoteAddress: SocketAddress,
        isSecure: Bool = false
    ) {
        self.method = method
        self.target = target
        self.version = version
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.remoteAddress = remoteAddress
        self.isSecure = isSecure
    }

    /// Host and optional port the client asked for: the authority of an absolute target, else the Host field.
    /// Syntax is checked; whether the name is this server's is not.
    public var host: String? { headers["Host"] }

    /// Whether the Content-Type is `type` (`application/sdp`), whatever its case and parameters.
    public func hasContentType(_ type: String) -> Bool {
        headers["Content-Type"].map { MediaType.matches($0, type) } ?? false
    }
}
