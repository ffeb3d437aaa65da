import Wire

extension SessionDescription {
    /// Reads a session description as real clients write it.
    ///
    /// Accepts any line ending, blank lines, a byte order mark, unknown lines and attributes, and absent `o=`, `s=`,
    /// `t=` and `c=` lines. Candidate and bandwidth lines that cannot be read are left out. Anything else that is
    /// known and cannot be read is an error.
    public init(parsing text: RawSpan, limits: SDPLimits = .standard) throws(SDPError) {
        guard text.byteCount <= limits.maximumBytes else {
            throw SDPError(.tooLarge, "the session description is larger than \(limits.maximumBytes) bytes")
        }
        try self.init(parsing: text.array, limits: limits)
    }

    public init(parsing text: [UInt8], limits: SDPLimits = .standard) throws(SDPError) {
        var parser = SDPParser(try LineScanner(text, limits: limits, name: "session description"))
        self = try parser.parse()
    }
}

/// One pass over the text; the section being read is held apart until the next `m=` line.
///
/// Not copyable, because calls of methods that change nothing would copy all of it.
struct SDPParser: ~Copyable {
    var scanner: LineScanner
    var session = SessionDescription()
    /// Means something only while ``isInMedia``. Not an optional, because asking an optional copies it.
    var media = MediaDescription(media: "", port: 0, proto: "")
    var isInMedia = false
    var mediaIsRTP = false
    var attributeCount = 0

    init(_ scanner: LineScanner) { self.scanner = scanner }

    mutating func parse() throws(SDPError) -> SessionDescription {
        try parseVersion()
        while try scanner.nextLine() {
            guard let type = scanner.takeLineType() else { continue }
            switch type {
            case UInt8(ascii: "a"):
                try requirePlainText()
                try countAttribute()
                try parseAttribute()
            case UInt8(ascii: "m"):
                try requirePlainText()
                try parseMedia()
            case UInt8(ascii: "c"):
                try requirePlainText()
                parseConnection()
            case UInt8(ascii: "b"):
                try requirePlainText()
                parseBandwidth()
            case UInt8(ascii: "o"):
                try requirePlainText()
                parseOrigin()
            case UInt8(ascii: "s"):
                if !isInMedia, !scanner.isAtLineEnd, !scanner.lineHasControlCharacter {
                    session.sessionName = scanner.text(scanner.rest)
                }
            default: break
            }
        }
        closeMedia()
        return session
    }

    private mutating func parseVersion() throws(SDPError) {
        guard try scanner.nextLine() else { throw SDPError(.notSDP, "the session description is empty") }
        guard scanner.takeLineType() == UInt8(ascii: "v") else {
            throw SDPError(.notSDP, line: scanner.lineNumber, "a session description begins with \"v=0\"")
        }
        guard scanner.equals(scanner.rest, "0") else {
            throw SDPError(.notSDP, line: scanner.lineNumber, "the version is not 0")
        }
    }

    private func requirePlainText() throws(SDPError) {
        if scanner.lineHasControlCharacter { throw scanner.malformed("the line holds a control character") }
    }

    private mutating func countAttribute() throws(SDPError) {
        attributeCount += 1
        guard attributeCount <= scanner.limits.maximumAttributes else {
            throw limit(scanner.limits.maximumAttributes, "attributes in one section")
        }
    }

    func limit(_ maximum: Int, _ what: String) -> SDPError {
        SDPError(.limitExceeded, line: scanner.lineNumber, "more than \(maximum) \(what)")
    }

    private mutating func closeMedia() {
        if isInMedia { session.media.append(media) }
        isInMedia = false
        attributeCount = 0
    }

    // MARK: Lines other than attributes

    private mutating func parseMedia() throws(SDPError) {
        closeMedia()
        guard session.media.count < scanner.limits.maximumMediaSections else {
            throw limit(scanner.limits.maximumMediaSections, "media sections")
        }
        let kind = scanner.takeToken()
        guard scanner.isToken(kind) else { throw scanner.malformed("the media line names no media") }
        let ports = scanner.takeToken()
        let protoRange = scanner.takeToken()
        guard !protoRange.isEmpty else {
            throw scanner.malformed("the media line needs media, port, protocol and formats")
        }
        let slash = scanner.bytes[ports].firstIndex(of: UInt8(ascii: "/")) ?? ports.upperBound
        guard let port: UInt16 = scanner.decimal(ports.lowerBound..<slash) else {
            throw scanner.malformed("the port \(scanner.quoted(ports)) is not a number up to 65535")
        }
        let proto = scanner.text(protoRange)
        var section = MediaDescription(media: scanner.text(kind), port: port, proto: proto)
        if slash < ports.upperBound {
            guard let count: UInt16 = scanner.decimal(slash + 1..<ports.upperBound) else {
                throw scanner.malformed("the port count \(scanner.quoted(ports)) is not a number up to 65535")
            }
            section.portCount = count
        }
        mediaIsRTP = section.isRTP
        if mediaIsRTP {
            try parsePayloadTypes(into: &section)
        } else {
            while !scanner.isAtLineEnd {
                guard section.formats.count < scanner.limits.maximumFormats else {
                    throw limit(scanner.limits.maximumFormats, "formats in one section")
                }
                section.formats.append(scanner.text(scanner.takeToken()))
            }
        }
        media = section
        isInMedia = true
    }

    private mutating func parsePayloadTypes(into section: inout MediaDescription) throws(SDPError) {
        while !scanner.isAtLineEnd {
            let payloadType = try payloadType(scanner.takeToken())
            guard !section.payloadTypes.contains(payloadType) else { continue }
            guard section.payloadTypes.count < scanner.limits.maximumFormats else {
                throw limit(scanner.limits.maximumFormats, "payload types in one section")
            }
            section.payloadTypes.append(payloadType)
        }
    }

    func payloadType(_ range: Range<Int>) throws(SDPError) -> UInt8 {
        guard let value: UInt8 = scanner.decimal(range, maximum: 127) else {
            throw scanner.malformed("the payload type \(scanner.quoted(range)) is not a number up to 127")
        }
        return value
    }

    private mutating func takeConnection() -> ConnectionAddress? {
        guard scanner.equals(scanner.takeToken(), "IN") else { return nil }
        let type = scanner.takeToken()
        let address = scanner.takeToken()
        let isIPv6 = scanner.equals(type, "IP6")
        guard !address.isEmpty, isIPv6 || scanner.equals(type, "IP4") else { return nil }
        return ConnectionAddress(address: scanner.text(address), isIPv6: isIPv6)
    }

    private mutating func parseConnection() {
        guard let connection = takeConnection() else { return }
        if isInMedia { media.connection = connection } else { session.connection = connection }
    }

    private mutating func parseOrigin() {
        guard !isInMedia else { return }
        let username = scanner.takeToken()
        let id = scanner.takeToken()
        let version = scanner.takeToken()
        guard !version.isEmpty else { return }
        session.origin.username = scanner.text(username)
        session.origin.sessionID = scanner.text(id)
        session.origin.sessionVersion = scanner.text(version)
        if let connection = takeConnection() { session.origin.connection = connection }
    }

    private mutating func parseBandwidth() {
        let type = scanner.takeToken(until: UInt8(ascii: ":"))
        guard scanner.isToken(type), let value: UInt64 = scanner.decimal(scanner.rest) else { return }
        let bandwidth = Bandwidth(type: scanner.text(type), value: value)
        if isInMedia {
            if media.bandwidths.count < Self.maximumBandwidths { media.bandwidths.append(bandwidth) }
        } else if session.bandwidths.count < Self.maximumBandwidths {
            session.bandwidths.append(bandwidth)
        }
    }

    private static let maximumBandwidths = 8
}
