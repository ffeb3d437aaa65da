/// Which pages of other origins may call, and what they may read (the CORS protocol of the Fetch standard).
public struct CORSPolicy: Sendable, Hashable {
    /// Methods, request fields and response fields of WHIP (RFC 9725), WHEP and the event feeds.
    public static let allowedMethods = "OPTIONS, GET, HEAD, POST, PATCH, DELETE"
    public static let allowedHeaders = "Authorization, Content-Type, If-Match, Last-Event-ID"
    public static let exposedHeaders = "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After"
    /// How long a browser may keep the answer to a preflight; Chromium takes no more.
    public static let preflightSeconds = 7200

    /// `*`, or origins such as `https://example.org`, where a star may stand for one or more host labels:
    /// `https://*.example.org`. Empty allows none.
    public var allowedOrigins: [String]

    public init(allowedOrigins: [String] = ["*"]) { self.allowedOrigins = allowedOrigins }

    /// Adds the fields every response carries, errors included. `origin` is the request's Origin field.
    ///
    /// A list of origins also allows credentials (cookies); the star never does.
    public func apply(to headers: inout HTTPHeaders, origin: String?) {
        headers["Access-Control-Expose-Headers"] = Self.exposedHeaders
        if allowedOrigins.contains("*") {
            headers["Access-Control-Allow-Origin"] = "*"
            return
        }
        headers.add("Vary", "Origin")
        guard let origin, allows(origin) else { return }
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Allow-Credentials"] = "true"
    }

    /// Adds the fields of an answer to OPTIONS, beside those of ``apply(to:origin:)``.
    public static func applyPreflight(to headers: inout HTTPHeaders) {
        headers["Access-Control-Allow-Methods"] = allowedMethods
        headers["Access-Control-Allow-Headers"] = allowedHeaders
        headers["Access-Control-Max-Age"] = String(preflightSeconds)
    }

    /// Whether pages of `origin` may call.
    public func allows(_ origin: String) -> Bool {
        allowedOrigins.contains { pattern in
            if pattern == "*" || pattern == origin { return true }
            let parts = pattern.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
            guard parts.count == 2, origin.utf8.count > parts[0].count + parts[1].count,
                origin.utf8.starts(with: parts[0]), origin.utf8.reversed().starts(with: parts[1].reversed())
            else { return false }
            let star = origin.utf8.dropFirst(parts[0].count).dropLast(parts[1].count)
            return star.allSatisfy {
                HTTPSyntax.isLetter($0) || HTTPSyntax.isDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
            }
        }
    }
}
