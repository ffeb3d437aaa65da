/// Writes response heads and chunks of HTTP/1.x (RFC 9112, sections 4, 6 and 7).
public enum ResponseSerializer {
    /// How the client finds the end of the body.
    public enum Framing: Hashable, Sendable {
        /// The body, if any, has been written with the head.
        case complete
        /// A stream follows in chunks.
        case chunked
        /// A stream follows, and its end is the connection's.
        case closeDelimited
    }

    public struct Context: Sendable {
        public var method: HTTPMethod
        public var version: HTTPVersion
        /// Whether the connection is to be used again; a close-delimited body overrules it.
        public var isPersistent: Bool
        /// The Date field's value.
        public var date: String

        public init(method: HTTPMethod, version: HTTPVersion, isPersistent: Bool, date: String) {
            self.method = method
            self.version = version
            self.isPersistent = isPersistent
            self.date = date
        }
    }

    static let interimContinue = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)
    static let lastChunk = Array("0\r\n\r\n".utf8)

    private static let ownedFields = ["Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Date"]

    /// Appends the head, and the body unless it is a stream.
    public static func write(
        _ response: HTTPResponse, _ context: Context, into output: inout [UInt8]
    ) -> Framing {
        let isValid = (200...599).contains(response.status)
        let status = isValid ? response.status : 500
        let body = isValid ? response.body : .none
        let forbidsBody = HTTPStatus.forbidsBody(status)
        var framing = Framing.complete
        var contentLength: Int?
        switch body {
        case .none: contentLength = context.method == .head ? nil : 0
        case .bytes(let bytes): contentLength = bytes.count
        case .stream:
            if context.method != .head, !forbidsBody {
                framing = context.version == .http11 ? .chunked : .closeDelimited
            }
        }

        output += "HTTP/1.1 \(status) \(HTTPStatus.reason(status))\r\n".utf8
        for field in response.headers.fields where isSendable(field) { append(field.name, field.value, to: &output) }
        append("Date", context.date, to: &output)
        if framing == .chunked {
            append("Transfer-Encoding", "chunked", to: &output)
        } else if let contentLength, !forbidsBody {
            append("Content-Length", String(contentLength), to: &output)
        }
        if !context.isPersistent || framing == .closeDelimited {
            append("Connection", "close", to: &output)
        } else if context.version == .http10 {
            append("Connection", "keep-alive", to: &output)
        }
        output += "\r\n".utf8
        if case .bytes(let bytes) = body, context.method != .head, !forbidsBody { output += bytes }
        return framing
    }

    /// Appends one chunk; nothing for no bytes, because an empty chunk ends the body.
    public static func writeChunk(_ bytes: [UInt8], into output: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        output += String(bytes.count, radix: 16).utf8
        output += "\r\n".utf8
        output += bytes
        output += "\r\n".utf8
    }

    private static func isSendable(_ field: HTTPHeaders.Field) -> Bool {
        HTTPSyntax.isToken(field.name.utf8) && !ownedFields.contains { HTTPSyntax.equalIgnoringCase($0, field.name) }
    }

    private static func append(_ name: String, _ value: String, to output: inout [UInt8]) {
        output += name.utf8
        output += ": ".utf8
        // Room names and tokens end up here: a line break in one must not start another field.
        output += value.utf8.lazy.map { HTTPSyntax.isFieldValueByte($0) ? $0 : HTTPSyntax.space }
        output += "\r\n".utf8
    }
}
