import Wire

/// A body of type `application/trickle-ice-sdpfrag` (RFC 8840, section 9), as WHIP and WHEP clients PATCH it and as a
/// restart is answered with.
///
/// Credentials may stand before the first `m=` line or in a section. Unknown attributes and lines are passed over,
/// and so are candidate lines that cannot be read.
public struct TrickleFragment: Hashable, Sendable {
    public struct Section: Hashable, Sendable {
        /// What follows `m=`, kept for writing; nil for candidates that come before any media line.
        public var mediaLine: String?
        public var mid: String?
        public var iceUfrag: String?
        public var icePassword: String?
        public var candidates: [ICECandidate] = []
        public var hasEndOfCandidates = false

        public init(mediaLine: String? = nil, mid: String? = nil) {
            self.mediaLine = mediaLine
            self.mid = mid
        }

        var isEmpty: Bool { self == Section() }
    }

    public static let maximumBytes = 16 * 1024
    public static let maximumCandidates = 32

    public var isICELite = false
    public var iceOptions: [String] = []
    public var groups: [Group] = []
    public var iceUfrag: String?
    public var icePassword: String?
    public var sections: [Section] = []

    public init() {}

    /// The credentials: those of the session part, else of the first section that has both.
    public var credentials: (ufrag: String, password: String)? {
        if let iceUfrag, let icePassword { return (iceUfrag, icePassword) }
        for section in sections {
            if let ufrag = section.iceUfrag, let password = section.icePassword { return (ufrag, password) }
        }
        return nil
    }

    /// Candidates of the sections that name one of `mids`, or name none.
    public func candidates(forMids mids: [String]) -> [ICECandidate] {
        sections.filter { section in section.mid.map { mids.contains($0) } ?? true }.flatMap(\.candidates)
    }

    public var hasEndOfCandidates: Bool { sections.contains(where: \.hasEndOfCandidates) }
}

extension TrickleFragment {
    /// - Throws: ``SDPError`` of kind `tooLarge` beyond ``maximumBytes``, `limitExceeded` beyond
    ///   ``maximumCandidates``, and `malformed` for what has no line of SDP, and for a user fragment without a password
    ///   or the other way round.
    public init(parsing text: RawSpan) throws(SDPError) {
        guard text.byteCount <= Self.maximumBytes else {
            throw SDPError(.tooLarge, "the fragment is larger than \(Self.maximumBytes) bytes")
        }
        try self.init(parsing: text.array)
    }

    public init(parsing text: [UInt8]) throws(SDPError) {
        var limits = SDPLimits()
        limits.maximumBytes = Self.maximumBytes
        var scanner = try LineScanner(text, limits: limits, name: "fragment")
        var section = Section()
        var candidateCount = 0
        var isFragment = false
        while try scanner.nextLine() {
            guard !scanner.lineHasControlCharacter else {
                throw scanner.malformed("the line holds a control character")
            }
            guard let type = scanner.takeLineType() else { continue }
            isFragment = true
            if type == UInt8(ascii: "m") {
                if !section.isEmpty { sections.append(section) }
                guard sections.count < limits.maximumMediaSections else {
                    throw SDPError(
                        .limitExceeded, line: scanner.lineNumber, "more than \(limits.maximumMediaSections) sections")
                }
                guard !scanner.isAtLineEnd else { throw scanner.malformed("m= holds no media") }
                section = Section(mediaLine: scanner.text(scanner.rest))
            } else if type == UInt8(ascii: "a") {
                let name = scanner.takeToken(until: UInt8(ascii: ":"))
                if scanner.equals(name, "candidate") {
                    candidateCount += 1
                    guard candidateCount <= Self.maximumCandidates else {
                        throw SDPError(
                            .limitExceeded, line: scanner.lineNumber, "more than \(Self.maximumCandidates) candidates")
                    }
                }
                try readAttribute(name, &scanner, into: &section)
            }
        }
        if !section.isEmpty { sections.append(section) }
        guard isFragment else { throw SDPError(.malformed, "no line has the form of an attribute, \"a=…\"") }
        for pair in [(iceUfrag, icePassword)] + sections.map({ ($0.iceUfrag, $0.icePassword) })
        where (pair.0 == nil) != (pair.1 == nil) {
            throw SDPError(.malformed, "an ICE user fragment and an ICE password come only together")
        }
    }

    private mutating func readAttribute(
        _ name: Range<Int>, _ scanner: inout LineScanner, into section: inout Section
    ) throws(SDPError) {
        let isSessionPart = section.mediaLine == nil
        if scanner.equals(name, "candidate") {
            if let candidate = ICECandidate(reading: &scanner) { section.candidates.append(candidate) }
        } else if scanner.equals(name, "mid") {
            guard scanner.isToken(scanner.rest) else { throw scanner.malformed("a=mid holds no token") }
            section.mid = scanner.text(scanner.rest)
        } else if scanner.equals(name, "end-of-candidates") {
            section.hasEndOfCandidates = true
        } else if scanner.equals(name, "ice-ufrag") {
            let value = scanner.takeToken()
            guard scanner.isICECharacters(value, count: 4...256) else {
                throw scanner.malformed("the ICE user fragment is not 4 to 256 letters, digits, \"+\" or \"/\"")
            }
            if isSessionPart { iceUfrag = scanner.text(value) } else { section.iceUfrag = scanner.text(value) }
        } else if scanner.equals(name, "ice-pwd") {
            let value = scanner.takeToken()
            guard scanner.isICECharacters(value, count: 22...256) else {
                throw scanner.malformed("the ICE password is not 22 to 256 letters, digits, \"+\" or \"/\"")
            }
            if isSessionPart { icePassword = scanner.text(value) } else { section.icePassword = scanner.text(value) }
        } else if scanner.equals(name, "ice-lite") {
            isICELite = true
        } else if scanner.equals(name, "ice-options") {
            while !scanner.isAtLineEnd { iceOptions.append(scanner.text(scanner.takeToken())) }
        } else if scanner.equals(name, "group"), isSessionPart {
            var words: [String] = []
            while !scanner.isAtLineEnd { words.append(scanner.text(scanner.takeToken())) }
            if let semantics = words.first {
                groups.append(Group(semantics: semantics, mids: Array(words.dropFirst())))
            }
        }
    }

    /// The fragment with CR LF line ends.
    public var text: String {
        var writer = SDPWriter()
        writer.flag(isICELite, "ice-lite")
        if !iceOptions.isEmpty { writer.line("a=ice-options:\(iceOptions.joined(separator: " "))") }
        for group in groups { writer.line("a=group:\(([group.semantics] + group.mids).joined(separator: " "))") }
        if let iceUfrag { writer.line("a=ice-ufrag:\(iceUfrag)") }
        if let icePassword { writer.line("a=ice-pwd:\(icePassword)") }
        for section in sections {
            if let mediaLine = section.mediaLine { writer.line("m=\(mediaLine)") }
            if let mid = section.mid { writer.line("a=mid:\(mid)") }
            if let ufrag = section.iceUfrag { writer.line("a=ice-ufrag:\(ufrag)") }
            if let password = section.icePassword { writer.line("a=ice-pwd:\(password)") }
            for candidate in section.candidates { writer.line("a=\(candidate.text)") }
            writer.flag(section.hasEndOfCandidates, "end-of-candidates")
        }
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
