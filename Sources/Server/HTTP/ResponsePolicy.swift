public import HTTP

/// What every response of a listener carries, whoever made it: handlers, the router or the parser.
public struct ResponsePolicy: Sendable {
    public var cors: CORSPolicy

    public init(cors: CORSPolicy = CORSPolicy()) { self.cors = cors }

    /// Adds the header fields. `request` is nil when not even its head could be read.
    public func apply(to response: inout HTTPResponse, request: HTTPRequest?) {
        cors.apply(to: &response.headers, origin: request?.headers["Origin"])
        if request?.method == .options { CORSPolicy.applyPreflight(to: &response.headers) }
        response.headers["X-Content-Type-Options"] = "nosniff"
        let isVolatile = response.status == 201 || response.status >= 400 || request?.method == .patch
        if isVolatile, !response.headers.contains("Cache-Control") { response.headers["Cache-Control"] = "no-store" }
    }
}
