public import HTTP
public import Wire

/// Everything an ``HTTPServer`` is told by its owner.
public struct HTTPServerSettings: Sendable {
    public var limits = HTTPLimits()
    /// Connections at a time over all listeners of the server. Further ones are answered 503 and closed.
    public var maximumConnections = 10_000
    /// Connections at a time from one IPv4 address or one IPv6 /64; trusted proxies are not counted.
    public var maximumConnectionsPerAddress = 1_000
    /// Output queued for one client's socket. A body in one piece must fit, larger ones must be streams.
    public var maximumQueuedBytes = 8 * 1024 * 1024
    /// Proxies whose X-Forwarded fields are believed.
    public var isTrustedProxy: @Sendable (SocketAddress) -> Bool = { _ in false }
    public var responses = ResponsePolicy()
    /// Called on the server's loop when a request has been answered, refused or abandoned; must not block.
    public var onAccess: @Sendable (HTTPAccess) -> Void = { _ in }

    public init() {}
}

/// One line of an access log.
public struct HTTPAccess: Sendable, Hashable {
    /// Nil when the request was refused before its head could be read.
    public var method: HTTPMethod?
    /// Percent-encoded, without the query, which may hold tokens, and without the secret of a session's URL.
    public var path: String?
    /// Nil when the client went before the answer.
    public var status: Int?
    /// From the end of the request to the answer, or to the end of a streamed one.
    public var milliseconds: Int64
    public var remote: SocketAddress
}

extension HTTPAccess {
    /// A path as it may be written down: whoever reads the log could end the sessions whose URLs stand in it.
    static func loggable(_ path: ResourcePath) -> String {
        let segments = path.segments
        guard segments.count > 2, ["whip", "whep"].contains(segments[segments.count - 2]) else { return path.encoded }
        return "/" + (segments.dropLast().map(PercentEncoding.encodeSegment) + ["***"]).joined(separator: "/")
    }
}
