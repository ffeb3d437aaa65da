/// Walks through a text line by line, and through a line token by token, with offsets instead of copies.
///
/// Lines end at CR LF, LF or CR; blanks around a line are not part of it. The scanner owns one copy of the bytes, so
/// that everything below it is plain checked indexing.
struct LineScanner {
    let bytes: [UInt8]
    let limits: SDPLimits
    private(set) var lineNumber = 0
    /// Where reading stands inside the current line.
    var position = 0
    /// The end of the current line, trailing blanks excluded.
    private(set) var lineEnd = 0
    private var nextStart = 0
    /// Whether the current line holds a control character other than a tab.
    private(set) var lineHasControlCharacter = false

    init(_ bytes: [UInt8], limits: SDPLimits, name: String) throws(SDPError) {
        guard bytes.count <= limits.maximumBytes else {
            throw SDPError(.tooLarge, "the \(name) is larger than \(limits.maximumBytes) bytes")
        }
        self.bytes = bytes
        self.limits = limits
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { nextStart = 3 }
    }

    /// One line by itself.
    init(line: [UInt8]) {
        bytes = line
        limits = .standard
        lineNumber = 1
        lineEnd = line.count
    }

    // MARK: Lines

    /// Goes to the next line that is not blank; false at the end of the text.
    mutating func nextLine() throws(SDPError) -> Bool {
        let count = bytes.count
        while nextStart < count {
            var end = nextStart
            var hasControlCharacter = false
            while end < count {
                let byte = bytes[end]
                if byte < 0x20 {
                    if byte == 0x0A || byte == 0x0D { break }
                    if byte != 0x09 { hasControlCharacter = true }
                } else if byte == 0x7F {
                    hasControlCharacter = true
                }
                end += 1
            }
            lineNumber += 1
            guard lineNumber <= limits.maximumLines else {
                throw SDPError(.limitExceeded, line: lineNumber, "more than \(limits.maximumLines) lines")
            }
            guard end - nextStart <= limits.maximumLineBytes else {
                throw SDPError(
                    .limitExceeded, line: lineNumber, "longer than \(limits.maximumLineBytes) bytes")
            }
            position = nextStart
            lineEnd = end
            lineHasControlCharacter = hasControlCharacter
            nextStart = end + 1
            if end + 1 < count, bytes[end] == 0x0D, bytes[end + 1] == 0x0A { nextStart = end + 2 }
            while position < lineEnd, Self.isBlank(bytes[position]) { position += 1 }
            while lineEnd > position, Self.isBlank(bytes[lineEnd - 1]) { lineEnd -= 1 }
            if position < lineEnd { return true }
        }
        return false
    }

    /// Takes the letter before `=`; nil when the line does not have that form.
    mutating func takeLineType() -> UInt8? {
        guard lineEnd - position >= 2, bytes[position + 1] == UInt8(ascii: "=") else { return nil }
        let type = bytes[position]
        position += 2
        skipBlanks()
        return type
    }

    // MARK: Tokens

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    var isAtLineEnd: Bool { position >= lineEnd }
    var rest: Range<Int> { position..<max(position, lineEnd) }

    mutating func skipBlanks() {
        while position < lineEnd, Self.isBlank(bytes[position]) { position += 1 }
    }

    /// Takes the bytes up to the next blank, then the blanks; empty at the end of the line.
    mutating func takeToken() -> Range<Int> {
        let start = position
        while position < lineEnd, !Self.isBlank(bytes[position]) { position += 1 }
        let token = start..<position
        skipBlanks()
        return token
    }

    /// Takes the bytes before `separator` and the separator itself; all that is left when it does not come.
    mutating func takeToken(until separator: UInt8) -> Range<Int> {
        let start = position
        while position < lineEnd, bytes[position] != separator { position += 1 }
        let token = start..<position
        if position < lineEnd { position += 1 }
        return token
    }

    /// Takes `byte` if it comes next.
    mutating func take(_ byte: UInt8) -> Bool {
        guard position < lineEnd, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    func equals(_ range: Range<Int>, _ text: String) -> Bool {
        let expected = text.utf8
        guard expected.count == range.count else { return false }
        var index = range.lowerBound
        for byte in expected {
            guard bytes[index] == byte else { return false }
            index += 1
        }
        return true
    }

    /// Compares with `text`, which is in lower case, without regard to the case of ASCII letters.
    func equalsIgnoringCase(_ range: Range<Int>, _ text: String) -> Bool {
        bytes[range].elementsEqual(text.utf8) { byte, expected in
            ((65...90).contains(byte) ? byte | 0x20 : byte) == expected
        }
    }

    /// A decimal number without sign that is not above `maximum`; nil for anything else, however long.
    func decimal<T: FixedWidthInteger & UnsignedInteger>(_ range: Range<Int>, maximum: T = .max) -> T? {
        guard !range.isEmpty, range.count <= 20 else { return nil }
        var value: T = 0
        for index in range {
            let digit = bytes[index] &- 0x30
            guard digit <= 9 else { return nil }
            let (product, multiplied) = value.multipliedReportingOverflow(by: 10)
            let (sum, added) = product.addingReportingOverflow(T(digit))
            guard !multiplied, !added else { return nil }
            value = sum
        }
        return value <= maximum ? value : nil
    }

    // MARK: Errors

    func malformed(_ problem: String) -> SDPError { SDPError(.malformed, line: lineNumber, problem) }

    /// A few bytes of the input for an error text: printable ASCII only, cut to a readable length.
    func quoted(_ range: Range<Int>) -> String {
        let longest = 40
        let shown = bytes[range].prefix(longest).map { (0x20...0x7E).contains($0) && $0 != 0x22 ? $0 : 0x3F }
        return "\"" + String(decoding: shown, as: UTF8.self) + (range.count > longest ? "…\"" : "\"")
    }

    /// RFC 8866 `token`.
    func isToken(_ range: Range<Int>) -> Bool {
        !range.isEmpty
            && bytes[range].allSatisfy { byte in
                switch byte {
                case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x30...0x39, 0x41...0x5A, 0x5E...0x7E: true
                default: false
                }
            }
    }

    /// RFC 8851 `rid-id`.
    func isRestrictionIdentifier(_ range: Range<Int>) -> Bool {
        !range.isEmpty
            && bytes[range].allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
                default: false
                }
            }
    }
}
