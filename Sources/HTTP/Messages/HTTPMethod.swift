/// A request method: a case-sensitive token (RFC 9110, section 9.1).
public struct HTTPMethod: Hashable, Sendable, CustomStringConvertible {
    public let name: String

    /// Names a method. The parser only lets tokens of at most ``maximumLength`` bytes through.
    public init(_ name: String) { self.name = name }

    public static let maximumLength = 32

    public static let get = HTTPMethod("GET")
    public static let head = HTTPMethod("HEAD")
    public static let post = HTTPMethod("POST")
    public static let put = HTTPMethod("PUT")
    public static let patch = HTTPMethod("PATCH")
    public static let delete = HTTPMethod("DELETE")
    public static let options = HTTPMethod("OPTIONS")

    public var description: String { name }
}
