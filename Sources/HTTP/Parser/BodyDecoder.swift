import Wire

/// Collects a request body of known length or in chunks (RFC 9112, section 7.1), up to a limit.
///
/// A chunk that would pass the limit is refused when its size is read, not when its bytes are. Extensions and trailer
/// fields are checked and ignored.
struct BodyDecoder {
    private enum Stage {
        case length(remaining: Int)
        case chunkSize
        case chunkData(remaining: Int)
        case chunkEnd
        case trailers(remaining: Int)
    }

    private let limits: HTTPLimits
    private let limit: Int
    private var stage: Stage
    private var lines = LineReader()
    private(set) var body: [UInt8] = []

    /// - Throws: ``HTTPRequestError/bodyTooLarge`` when the declared length is over `limit` already.
    init(framing: BodyFraming, limit: Int, limits: HTTPLimits) throws(HTTPRequestError) {
        self.limits = limits
        self.limit = limit
        switch framing {
        case .none: stage = .length(remaining: 0)
        case .length(let count):
            guard count <= limit else { throw .bodyTooLarge }
            stage = .length(remaining: count)
        case .chunked: stage = .chunkSize
        }
    }

    /// Reads on from `offset`.
    ///
    /// - Returns: whether the body is complete.
    mutating func consume(_ bytes: RawSpan, from offset: inout Int) throws(HTTPRequestError) -> Bool {
        while true {
            switch stage {
            case .length(let remaining):
                let left = copy(bytes, from: &offset, remaining)
                stage = .length(remaining: left)
                return left == 0
            case .chunkData(let remaining):
                let left = copy(bytes, from: &offset, remaining)
                stage = left == 0 ? .chunkEnd : .chunkData(remaining: left)
                if left > 0 { return false }
            case .chunkSize:
                guard try readLine(bytes, from: &offset, limit: limits.chunkLineBytes) else { return false }
                let size = try chunkSize()
                guard size <= limit - body.count else { throw .bodyTooLarge }
                stage = size == 0 ? .trailers(remaining: limits.trailerBytes) : .chunkData(remaining: size)
            case .chunkEnd:
                guard try readLine(bytes, from: &offset, limit: 0) else { return false }
                stage = .chunkSize
            case .trailers(let remaining):
                guard try readLine(bytes, from: &offset, limit: remaining) else { return false }
                if lines.line.isEmpty { return true }
                _ = try HeaderFieldLine.parse(lines.line)
                stage = .trailers(remaining: max(0, remaining - lines.line.count - 2))
            }
        }
    }

    private mutating func copy(_ bytes: RawSpan, from offset: inout Int, _ remaining: Int) -> Int {
        let count = min(remaining, bytes.byteCount - offset)
        body.append(contentsOf: bytes.extracting(offset..<offset + count))
        offset += count
        return remaining - count
    }

    private mutating func readLine(
        _ bytes: RawSpan, from offset: inout Int, limit: Int
    ) throws(HTTPRequestError) -> Bool {
        do {
            return try lines.consume(bytes, from: &offset, limit: limit)
        } catch {
            switch error {
            case .bareLineEnding: throw .bareLineEnding
            case .tooLong:
                if case .trailers = stage { throw .headersTooLarge }
                throw .malformedChunk
            }
        }
    }

    private func chunkSize() throws(HTTPRequestError) -> Int {
        let line = lines.line
        let digits = line.prefix { HTTPSyntax.hexValue($0) != nil }
        guard !digits.isEmpty, digits.count <= 15 else { throw .malformedChunk }
        let size = digits.reduce(0) { $0 << 4 | Int(HTTPSyntax.hexValue($1) ?? 0) }
        let rest = HTTPSyntax.trimmed(line[digits.endIndex...])
        guard rest.isEmpty || rest.first == UInt8(ascii: ";"), rest.allSatisfy(HTTPSyntax.isFieldValueByte) else {
            throw .malformedChunk
        }
        // White space between the size and the line's end has been read as part of the size by others.
        guard !rest.isEmpty || digits.endIndex == line.endIndex else { throw .malformedChunk }
        return size
    }
}
