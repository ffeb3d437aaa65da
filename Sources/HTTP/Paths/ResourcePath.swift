import Wire

/// The reason a path was refused.
public enum ResourcePathError: Error, Hashable, Sendable {
    case badPercentEncoding
    case invalidUTF8
    case controlCharacter
    case backslash
    case emptySegment
    /// A segment is `.` or `..`.
    case dotSegment
    case segmentTooLong
    case tooManySegments
}

/// A path of any protocol (HTTP, RTSP, RTMP, files), decoded exactly once and free of everything that could name
/// something else to another reader.
///
/// Percent-encoding is removed first and the result is split at slashes, so that `live%2Fmain` and `live/main` are the
/// same room. Nobody decodes it again, and what is left of a double encoding is an ordinary name. Refused are: broken
/// percent-encoding, bytes that are not UTF-8, control characters (C0, DEL, C1), backslashes, empty segments, `.` and
/// `..`, and segments over 255 bytes, which no file system would take.
public struct ResourcePath: Hashable, Sendable, CustomStringConvertible {
    public static let maximumSegmentBytes = 255
    public static let maximumSegments = 32

    public let segments: [String]
    /// Whether the path ended in a slash that followed a segment. It is not part of ``segments``.
    public let hasTrailingSlash: Bool

    /// The root: no segments.
    public init() {
        segments = []
        hasTrailingSlash = false
    }

    /// Decodes a path. One leading slash is allowed and means nothing.
    public init(decoding text: String) throws(ResourcePathError) {
        try self.init(decodingBytes: text.utf8)
    }

    /// Decodes a path from the bytes of a message.
    public init(decoding bytes: RawSpan) throws(ResourcePathError) {
        try self.init(decodingBytes: bytes.array)
    }

    init(decodingBytes bytes: some Collection<UInt8>) throws(ResourcePathError) {
        guard let decoded = PercentEncoding.decode(bytes) else { throw .badPercentEncoding }
        var rest = decoded[...]
        if rest.first == HTTPSyntax.slash { rest = rest.dropFirst() }
        guard !rest.isEmpty else {
            segments = []
            hasTrailingSlash = false
            return
        }
        guard let text = String(validating: rest, as: UTF8.self) else { throw .invalidUTF8 }
        for scalar in text.unicodeScalars {
            if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) { throw .controlCharacter }
            if scalar == "\\" { throw .backslash }
        }
        let endsInSlash = rest.last == HTTPSyntax.slash
        if endsInSlash { rest = rest.dropLast() }
        var segments: [String] = []
        for part in rest.split(separator: HTTPSyntax.slash, omittingEmptySubsequences: false) {
            guard !part.isEmpty else { throw .emptySegment }
            guard part.count <= Self.maximumSegmentBytes else { throw .segmentTooLong }
            guard segments.count < Self.maximumSegments else { throw .tooManySegments }
            let segment = String(decoding: part, as: UTF8.self)
            guard segment != ".", segment != ".." else { throw .dotSegment }
            segments.append(segment)
        }
        self.segments = segments
        hasTrailingSlash = endsInSlash
    }

    /// The segments joined by slashes without a leading one: the form of a room's name.
    public var name: String { segments.joined(separator: "/") }

    /// The decoded path with a leading slash. For showing only: escape it as the place demands.
    public var description: String { "/" + name + (hasTrailingSlash ? "/" : "") }

    /// The path percent-encoded for a URL or a Location field.
    public var encoded: String {
        "/" + segments.map(PercentEncoding.encodeSegment).joined(separator: "/") + (hasTrailingSlash ? "/" : "")
    }
}
