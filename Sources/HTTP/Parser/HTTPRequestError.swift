/// The reason a request was refused before a handler saw it. The connection is closed after the answer, because where
/// the next request starts is not known.
public enum HTTPRequestError: Error, Hashable, Sendable {
    /// A carriage return without line feed, or the other way round.
    case bareLineEnding
    case malformedRequestLine
    case unsupportedVersion
    case targetTooLong
    case malformedTarget
    case refusedPath(ResourcePathError)
    case malformedField
    /// A header field continued on a second line (obsolete line folding).
    case foldedField
    case headersTooLarge
    case missingHost
    case malformedHost
    case malformedContentLength
    /// Content-Length twice, Transfer-Encoding twice, or both: what request smuggling is made of.
    case ambiguousLength
    case unsupportedTransferCoding
    case malformedChunk
    case bodyTooLarge
    case unsupportedExpectation
    case timeout

    public var status: Int {
        switch self {
        case .unsupportedVersion: 505
        case .targetTooLong: 414
        case .headersTooLarge: 431
        case .unsupportedTransferCoding: 501
        case .bodyTooLarge: 413
        case .unsupportedExpectation: 417
        case .timeout: 408
        default: 400
        }
    }

    /// One sentence for the client.
    public var detail: String {
        switch self {
        case .bareLineEnding: "Lines must end in CR LF."
        case .malformedRequestLine: "The request line is malformed."
        case .unsupportedVersion: "Only HTTP/1.0 and HTTP/1.1 are supported."
        case .targetTooLong: "The request target is too long."
        case .malformedTarget: "The request target is malformed."
        case .refusedPath: "The path holds a segment or character that is not allowed."
        case .malformedField: "A header field is malformed."
        case .foldedField: "Header fields must not be folded."
        case .headersTooLarge: "The header fields are too large or too many."
        case .missingHost: "The Host field is missing."
        case .malformedHost: "The Host field is malformed."
        case .malformedContentLength: "The Content-Length field is malformed."
        case .ambiguousLength: "The length of the body is ambiguous."
        case .unsupportedTransferCoding: "Only the chunked transfer coding is supported."
        case .malformedChunk: "The chunked body is malformed."
        case .bodyTooLarge: "The body is larger than this resource accepts."
        case .unsupportedExpectation: "Only the expectation 100-continue is supported."
        case .timeout: "The request took too long to arrive."
        }
    }
}
