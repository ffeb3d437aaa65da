import Wire

/// Cuts a connection's bytes into requests, responses and interleaved frames, which may follow each other in any order
/// (RTSP-3, RTSP-4; RFC 2326, section 10.12).
///
/// Bytes go in with ``append(_:)``; elements come out one by one, so that whoever is busy with a request can leave what
/// follows where it is.
public struct RTSPStreamParser: ~Copyable, Sendable {
    public enum Element: Sendable {
        /// An interleaved frame; its bytes are lent by ``withBytes(_:_:)`` until the next call of anything that changes
        /// the parser.
        case frame(channel: UInt8, Range<Int>)
        case request(RTSPRequest)
        case response(RTSPResponse)
    }

    fileprivate struct Head {
        var message: Element
        var bodyLength: Int
    }

    private let limits: RTSPLimits
    private var buffer: [UInt8] = []
    /// The first byte that belongs to no element handed out.
    private var start = 0
    /// How far the end of the head has been looked for.
    private var scanned = 0
    /// A head whose body is not complete.
    private var head: Head?
    private var failure: RTSPSyntaxError?

    public init(limits: RTSPLimits = RTSPLimits()) { self.limits = limits }

    /// Bytes that wait for their element to be complete or taken.
    public var bufferedBytes: Int { buffer.count - start }

    /// Adds what the connection brought.
    public mutating func append(_ bytes: RawSpan) {
        guard failure == nil else { return }
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: true)
            scanned -= start
            start = 0
        } else if start > 0, start >= buffer.count / 2 {
            buffer.removeFirst(start)
            scanned -= start
            start = 0
        }
        scanned = max(scanned, 0)
        buffer.append(contentsOf: bytes)
    }

    /// Lends the bytes of a frame. The span must not outlive `body`.
    public func withBytes<R>(_ range: Range<Int>, _ body: (RawSpan) -> R) -> R {
        buffer.withBytes { body($0.extracting(range)) }
    }

    /// All bytes that belong to no element handed out. Between two elements only.
    public var unread: [UInt8] { Array(buffer[start...]) }

    /// The next whole element; nil when more bytes are needed. After an error nothing comes any more.
    public mutating func next() throws(RTSPSyntaxError) -> Element? {
        if let failure { throw failure }
        do throws(RTSPSyntaxError) {
            return try take()
        } catch {
            failure = error
            buffer = []
            start = 0
            throw error
        }
    }

    private mutating func take() throws(RTSPSyntaxError) -> Element? {
        if head == nil {
            while start < buffer.count, buffer[start] == 0x0D || buffer[start] == 0x0A { start += 1 }
            guard start < buffer.count else { return nil }
            if buffer[start] == UInt8(ascii: "$") { return takeFrame() }
            guard let end = try endOfHead() else { return nil }
            head = try RTSPHeadParser(buffer, start..<end, limits).parse().checked(limits)
            start = end
            scanned = end
        }
        guard let head, buffer.count - start >= head.bodyLength else { return nil }
        let body = Array(buffer[start..<start + head.bodyLength])
        start += head.bodyLength
        scanned = start
        self.head = nil
        switch head.message {
        case .request(var request):
            request.body = body
            return .request(request)
        case .response(var response):
            response.body = body
            return .response(response)
        case .frame: return nil
        }
    }

    private mutating func takeFrame() -> Element? {
        guard buffer.count - start >= 4 else { return nil }
        let length = Int(buffer[start + 2]) << 8 | Int(buffer[start + 3])
        guard buffer.count - start >= 4 + length else { return nil }
        let channel = buffer[start + 1]
        let bytes = start + 4..<start + 4 + length
        start = bytes.upperBound
        scanned = start
        return .frame(channel: channel, bytes)
    }

    /// The offset behind the empty line that ends the head.
    private mutating func endOfHead() throws(RTSPSyntaxError) -> Int? {
        guard (0x41...0x5A).contains(buffer[start]) else {
            throw RTSPSyntaxError(.badRequest, "this is neither an RTSP message nor an interleaved frame")
        }
        // Looks again at the last three bytes, where the end may have begun.
        var index = max(start, scanned - 3)
        while index < buffer.count {
            if buffer[index] == 0x0A {
                if index + 1 < buffer.count, buffer[index + 1] == 0x0A { return try bounded(index + 2) }
                if index + 2 < buffer.count, buffer[index + 1] == 0x0D, buffer[index + 2] == 0x0A {
                    return try bounded(index + 3)
                }
            }
            index += 1
        }
        scanned = buffer.count
        _ = try bounded(buffer.count)
        return nil
    }

    private func bounded(_ end: Int) throws(RTSPSyntaxError) -> Int {
        let firstLine = buffer[start..<min(end, start + limits.maximumFirstLineBytes + 2)].firstIndex(of: 0x0A)
        if firstLine == nil, end - start > limits.maximumFirstLineBytes {
            throw RTSPSyntaxError(.uriTooLong, "the first line is longer than \(limits.maximumFirstLineBytes) bytes")
        }
        guard end - start <= limits.maximumHeadBytes else {
            throw RTSPSyntaxError(.badRequest, "the header fields are larger than \(limits.maximumHeadBytes) bytes")
        }
        return end
    }
}

extension RTSPStreamParser {
    /// Reads first line and header fields.
    private struct RTSPHeadParser {
        let bytes: [UInt8]
        let range: Range<Int>
        let limits: RTSPLimits

        init(_ bytes: [UInt8], _ range: Range<Int>, _ limits: RTSPLimits) {
            self.bytes = bytes
            self.range = range
            self.limits = limits
        }

        func parse() throws(RTSPSyntaxError) -> Element {
            var lines = bytes[range].split(separator: 0x0A, omittingEmptySubsequences: false)[...]
            let first = try text(lines.popFirst() ?? [])
            let headers = try headers(lines)
            if first.hasPrefix("RTSP/") { return .response(try response(first, headers)) }
            guard let space = first.firstIndex(of: " "), let last = first.lastIndex(of: " "), space < last else {
                throw fault("the request line needs method, URL and version", headers)
            }
            let version = first[first.index(after: last)...]
            guard version.hasPrefix("RTSP/") else { throw fault("the request line names no RTSP version", headers) }
            guard version == "RTSP/1.0" else {
                throw RTSPSyntaxError(
                    .versionNotSupported, "the server speaks RTSP/1.0", sequenceNumber: headers["CSeq"])
            }
            let url = first[first.index(after: space)..<last].trimmingBlanks
            guard !url.isEmpty else { throw fault("the request line names no URL", headers) }
            return .request(RTSPRequest(methodName: String(first[..<space]), url: String(url), headers: headers))
        }

        private func response(_ first: String, _ headers: RTSPHeaders) throws(RTSPSyntaxError) -> RTSPResponse {
            let parts = first.split(separator: " ", maxSplits: 2)
            guard parts.count >= 2, let code = parts[1].decimal(upTo: 999), code >= 100 else {
                throw fault("the status line has no status", headers)
            }
            return RTSPResponse(RTSPStatus(code, parts.count > 2 ? String(parts[2]) : ""), headers: headers)
        }

        private func headers(_ lines: ArraySlice<ArraySlice<UInt8>>) throws(RTSPSyntaxError) -> RTSPHeaders {
            var headers = RTSPHeaders()
            for bytes in lines {
                let line = try text(bytes)
                guard !line.isEmpty else { continue }
                if line.first == " " || line.first == "\t" {
                    headers.extendLast(String(line.trimmingBlanks))
                    continue
                }
                guard let colon = line.firstIndex(of: ":"), colon > line.startIndex else {
                    throw fault("a header field has no colon", headers)
                }
                guard headers.fields.count < limits.maximumHeaders else {
                    throw fault("more than \(limits.maximumHeaders) header fields", headers)
                }
                headers.add(
                    String(line[..<colon].trimmingBlanks), String(line[line.index(after: colon)...].trimmingBlanks))
            }
            return headers
        }

        private func text(_ line: ArraySlice<UInt8>) throws(RTSPSyntaxError) -> String {
            let line = line.last == 0x0D ? line.dropLast() : line
            guard line.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw RTSPSyntaxError(.badRequest, "the header fields hold a control character")
            }
            return String(decoding: line, as: UTF8.self)
        }

        private func fault(_ problem: String, _ headers: RTSPHeaders) -> RTSPSyntaxError {
            RTSPSyntaxError(.badRequest, problem, sequenceNumber: headers["CSeq"])
        }
    }
}

extension RTSPStreamParser.Element {
    fileprivate func checked(_ limits: RTSPLimits) throws(RTSPSyntaxError) -> RTSPStreamParser.Head {
        let headers: RTSPHeaders
        switch self {
        case .request(let request): headers = request.headers
        case .response(let response): headers = response.headers
        case .frame: return RTSPStreamParser.Head(message: self, bodyLength: 0)
        }
        let sequenceNumber = headers["CSeq"]
        let lengths = Set(headers.all("Content-Length").map { String($0) })
        guard let text = lengths.first else {
            return RTSPStreamParser.Head(message: self, bodyLength: 0)
        }
        guard lengths.count == 1, !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw RTSPSyntaxError(.badRequest, "Content-Length is not a number", sequenceNumber: sequenceNumber)
        }
        guard let length = text.decimal(upTo: limits.maximumBodyBytes) else {
            throw RTSPSyntaxError(
                .bodyTooLarge, "the body is larger than \(limits.maximumBodyBytes) bytes",
                sequenceNumber: sequenceNumber)
        }
        return RTSPStreamParser.Head(message: self, bodyLength: length)
    }
}
