import Wire

/// How the end of a request's body is found (RFC 9112, section 6.3).
enum BodyFraming: Hashable {
    case none
    case length(Int)
    case chunked
}

/// A request line and its header fields, with what follows from them for the connection.
struct RequestHead {
    var request: HTTPRequest
    var framing: BodyFraming
    var expectsContinue: Bool
    /// Whether the client lets the connection be used again.
    var isPersistent: Bool
}

/// Reads the head of one request (RFC 9112, sections 2 to 5) from pieces of any size.
///
/// Stricter than the RFC allows where leniency has made servers disagree on where a request ends: no bare line feeds, no
/// folded fields, no repeated or listed Content-Length. One empty line before the request line is skipped.
struct RequestHeadParser {
    private let limits: HTTPLimits
    private let remoteAddress: SocketAddress
    private let isSecure: Bool

    private var lines = LineReader()
    private var skippedEmptyLine = false
    private var requestLine: RequestLine?
    private var headers = HTTPHeaders()
    private var headerBytes = 0

    /// Whether a byte of this request has been read.
    private(set) var hasStarted = false

    init(limits: HTTPLimits, remoteAddress: SocketAddress, isSecure: Bool) {
        self.limits = limits
        self.remoteAddress = remoteAddress
        self.isSecure = isSecure
    }

    /// Reads on from `offset` and returns the head once its empty line has been read. The parser is then used up.
    mutating func consume(_ bytes: RawSpan, from offset: inout Int) throws(HTTPRequestError) -> RequestHead? {
        if offset < bytes.byteCount { hasStarted = true }
        while try readLine(bytes, from: &offset) {
            if let requestLine {
                if lines.line.isEmpty { return try finish(requestLine) }
                headerBytes += lines.line.count + 2
                try readField()
            } else if lines.line.isEmpty, !skippedEmptyLine {
                skippedEmptyLine = true
            } else {
                requestLine = try RequestLine(lines.line, targetLimit: limits.targetBytes)
            }
        }
        return nil
    }

    private mutating func readLine(_ bytes: RawSpan, from offset: inout Int) throws(HTTPRequestError) -> Bool {
        let isRequestLine = requestLine == nil
        let limit =
            isRequestLine
            ? limits.targetBytes + RequestLine.overheadBytes : max(0, limits.headerBytes - headerBytes - 2)
        do {
            return try lines.consume(bytes, from: &offset, limit: limit)
        } catch {
            switch error {
            case .bareLineEnding: throw .bareLineEnding
            case .tooLong: throw isRequestLine ? .targetTooLong : .headersTooLarge
            }
        }
    }

    private mutating func readField() throws(HTTPRequestError) {
        let field = try HeaderFieldLine.parse(lines.line)
        guard headers.count < limits.headerFields, headerBytes <= limits.headerBytes else { throw .headersTooLarge }
        headers.add(field.name, field.value)
    }

    private func finish(_ line: RequestLine) throws(HTTPRequestError) -> RequestHead {
        var headers = headers
        let hosts = headers.values("Host")
        guard hosts.count <= 1 else { throw .malformedHost }
        if let host = hosts.first {
            guard RequestTarget.isAuthority(host.utf8) else { throw .malformedHost }
        } else if line.version == .http11 {
            throw .missingHost
        }
        if let authority = line.target.authority { headers["Host"] = authority }

        let framing = try framing(headers, version: line.version)
        var expectsContinue = false
        if line.version == .http11, !headers.values("Expect").isEmpty {
            let expectations = headers.values("Expect")
            guard expectations.count == 1, HTTPSyntax.equalIgnoringCase(expectations[0], "100-continue") else {
                throw .unsupportedExpectation
            }
            expectsContinue = framing != .none && framing != .length(0)
        }
        let isPersistent =
            !headers.hasToken("Connection", "close")
            && (line.version == .http11 || headers.hasToken("Connection", "keep-alive"))
        let request = HTTPRequest(
            method: line.method, target: line.target.text, version: line.version, path: line.target.path,
            query: line.target.query, headers: headers, remoteAddress: remoteAddress, isSecure: isSecure)
        return RequestHead(
            request: request, framing: framing, expectsContinue: expectsContinue, isPersistent: isPersistent)
    }

    private func framing(_ headers: HTTPHeaders, version: HTTPVersion) throws(HTTPRequestError) -> BodyFraming {
        let lengths = headers.values("Content-Length")
        let codings = headers.values("Transfer-Encoding")
        guard lengths.count + codings.count <= 1 else { throw .ambiguousLength }
        if let coding = codings.first {
            // A 1.0 recipient on the way would have ignored the field and seen another length.
            guard version == .http11 else { throw .ambiguousLength }
            guard !HTTPSyntax.equalIgnoringCase(coding, "chunked") else { return .chunked }
            let elements = HTTPSyntax.listElements(coding).map { HTTPSyntax.equalIgnoringCase($0, "chunked") }
            // Only with "chunked" once and last would the body's end be known at all.
            throw elements.count > 1 && elements.firstIndex(of: true) == elements.count - 1
                ? .unsupportedTransferCoding : .ambiguousLength
        }
        guard let length = lengths.first else { return .none }
        guard !length.isEmpty, length.utf8.count <= 18, length.utf8.allSatisfy(HTTPSyntax.isDigit),
            let count = Int(length)
        else { throw .malformedContentLength }
        return .length(count)
    }
}

/// One header field line (RFC 9112, section 5).
enum HeaderFieldLine {
    static func parse(_ line: [UInt8]) throws(HTTPRequestError) -> HTTPHeaders.Field {
        if let first = line.first, HTTPSyntax.isOptionalWhitespace(first) { throw .foldedField }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), HTTPSyntax.isToken(line[..<colon]) else {
            throw .malformedField
        }
        let value = HTTPSyntax.trimmed(line[(colon + 1)...])
        guard value.allSatisfy(HTTPSyntax.isFieldValueByte) else { throw .malformedField }
        return HTTPHeaders.Field(name: String(decoding: line[..<colon], as: UTF8.self), value: HTTPSyntax.text(value))
    }
}
