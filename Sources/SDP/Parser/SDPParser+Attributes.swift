extension SDPParser {
    /// Reads the rest of an `a=` line. Names are told apart by length first, so that no line costs many comparisons.
    mutating func parseAttribute() throws(SDPError) {
        let name = scanner.takeToken(until: UInt8(ascii: ":"))
        let hasValue = name.upperBound < scanner.position
        scanner.skipBlanks()
        if hasValue {
            if try parseValueAttribute(name) { return }
        } else if parseFlag(name) {
            return
        }
        let attribute = Attribute(scanner.text(name), hasValue ? scanner.text(scanner.rest) : nil)
        if isInMedia {
            media.otherAttributes.append(attribute)
        } else {
            session.otherAttributes.append(attribute)
        }
    }

    private mutating func parseFlag(_ name: Range<Int>) -> Bool {
        switch name.count {
        case 8:
            if scanner.equals(name, "rtcp-mux"), isInMedia {
                media.hasRTCPMux = true
            } else if scanner.equals(name, "ice-lite"), !isInMedia {
                session.isICELite = true
            } else {
                return parseDirection(name)
            }
        case 10:
            guard scanner.equals(name, "rtcp-rsize"), isInMedia else { return false }
            media.hasReducedSizeRTCP = true
        case 11:
            guard scanner.equals(name, "bundle-only"), isInMedia else { return false }
            media.isBundleOnly = true
        case 13:
            guard scanner.equals(name, "rtcp-mux-only"), isInMedia else { return false }
            media.hasRTCPMuxOnly = true
        case 17:
            guard scanner.equals(name, "end-of-candidates"), isInMedia else { return false }
            media.hasEndOfCandidates = true
        case 18:
            guard scanner.equals(name, "extmap-allow-mixed") else { return false }
            if isInMedia { media.extmapAllowMixed = true } else { session.extmapAllowMixed = true }
        default: return false
        }
        return true
    }

    private mutating func parseDirection(_ name: Range<Int>) -> Bool {
        guard let direction = MediaDirection.allCases.first(where: { scanner.equals(name, $0.rawValue) }) else {
            return false
        }
        if isInMedia { media.direction = direction } else { session.direction = direction }
        return true
    }

    private mutating func parseValueAttribute(_ name: Range<Int>) throws(SDPError) -> Bool {
        switch name.count {
        case 3:
            if scanner.equals(name, "mid") { return try parseMid() }
            if scanner.equals(name, "rid") { return try parseRestrictionIdentifier() }
        case 4:
            if scanner.equals(name, "fmtp") { return try parseFormatParameters() }
            if scanner.equals(name, "ssrc") { return try parseSource() }
            if scanner.equals(name, "msid") { return parseStreamIdentifier() }
        case 5:
            if scanner.equals(name, "setup") { return try parseSetup() }
            if scanner.equals(name, "group") { return try parseGroup() }
        case 6:
            if scanner.equals(name, "rtpmap") { return try parseRTPMap() }
            if scanner.equals(name, "extmap") { return try parseExtensionMapping() }
        case 7:
            if scanner.equals(name, "rtcp-fb") { return try parseFeedback() }
            if scanner.equals(name, "ice-pwd") { return try parseICEPassword() }
        case 9:
            if scanner.equals(name, "candidate") { return parseCandidate() }
            if scanner.equals(name, "ice-ufrag") { return try parseICEUfrag() }
            if scanner.equals(name, "simulcast") { return try parseSimulcast() }
        case 10:
            if scanner.equals(name, "ssrc-group") { return try parseSourceGroup() }
        case 11:
            if scanner.equals(name, "fingerprint") { return try parseFingerprint() }
            if scanner.equals(name, "ice-options") { return parseICEOptions() }
        default: break
        }
        // A flag written with a value, as in `a=sendrecv:`.
        return false
    }

    // MARK: Transport

    private mutating func withTransport(_ change: (inout TransportAttributes) -> Void) {
        if isInMedia { change(&media.transport) } else { change(&session.transport) }
    }

    private mutating func parseICEUfrag() throws(SDPError) -> Bool {
        let value = scanner.takeToken()
        guard scanner.isICECharacters(value, count: 4...256) else {
            throw scanner.malformed("the ICE user fragment is not 4 to 256 letters, digits, \"+\" or \"/\"")
        }
        let text = scanner.text(value)
        withTransport { $0.iceUfrag = text }
        return true
    }

    private mutating func parseICEPassword() throws(SDPError) -> Bool {
        let value = scanner.takeToken()
        guard scanner.isICECharacters(value, count: 22...256) else {
            throw scanner.malformed("the ICE password is not 22 to 256 letters, digits, \"+\" or \"/\"")
        }
        let text = scanner.text(value)
        withTransport { $0.icePassword = text }
        return true
    }

    private mutating func parseICEOptions() -> Bool {
        var options: [String] = []
        while !scanner.isAtLineEnd { options.append(scanner.text(scanner.takeToken())) }
        withTransport { $0.iceOptions += options }
        return true
    }

    private mutating func parseSetup() throws(SDPError) -> Bool {
        let value = scanner.takeToken()
        guard let setup = SetupRole.allCases.first(where: { scanner.equalsIgnoringCase(value, $0.rawValue) }) else {
            throw scanner.malformed("a=setup is none of active, passive, actpass and holdconn")
        }
        withTransport { $0.setup = setup }
        return true
    }

    private mutating func parseFingerprint() throws(SDPError) -> Bool {
        let algorithm = scanner.text(scanner.takeToken()).lowercased()
        let digest = scanner.takeToken()
        let expected = Fingerprint.digestSize(of: algorithm)
        guard let bytes = scanner.colonSeparatedHex(digest), expected == nil || bytes.count == expected else {
            throw scanner.malformed("the fingerprint is not the hexadecimal digest its algorithm gives")
        }
        withTransport { $0.fingerprints.append(Fingerprint(algorithm: algorithm, bytes: bytes)) }
        return true
    }

    private mutating func parseCandidate() -> Bool {
        guard isInMedia else { return false }
        if let candidate = ICECandidate(reading: &scanner) { media.candidates.append(candidate) }
        return true
    }

    // MARK: Identification

    private mutating func parseMid() throws(SDPError) -> Bool {
        guard isInMedia else { return false }
        let value = scanner.rest
        guard scanner.isToken(value) else { throw scanner.malformed("a=mid holds \(scanner.quoted(value))") }
        media.mid = scanner.text(value)
        return true
    }

    private mutating func parseGroup() throws(SDPError) -> Bool {
        guard !isInMedia else { return false }
        let semantics = scanner.takeToken()
        guard scanner.isToken(semantics) else { throw scanner.malformed("a=group names no semantics") }
        var mids: [String] = []
        while !scanner.isAtLineEnd {
            let mid = scanner.takeToken()
            guard scanner.isToken(mid) else { throw scanner.malformed("a=group names \(scanner.quoted(mid))") }
            mids.append(scanner.text(mid))
        }
        session.groups.append(Group(semantics: scanner.text(semantics), mids: mids))
        return true
    }

    private mutating func parseStreamIdentifier() -> Bool {
        guard isInMedia else { return false }
        let stream = scanner.takeToken()
        guard !stream.isEmpty else { return true }
        let track = scanner.takeToken()
        media.streamIdentifiers.append(
            StreamIdentifier(stream: scanner.text(stream), track: track.isEmpty ? nil : scanner.text(track)))
        return true
    }

    private mutating func parseSource() throws(SDPError) -> Bool {
        guard isInMedia else { return false }
        let ssrc = try takeSSRC()
        let name = scanner.takeToken(until: UInt8(ascii: ":"))
        let hasValue = name.upperBound < scanner.position
        guard !name.isEmpty else { throw scanner.malformed("a=ssrc has no attribute") }
        let value = hasValue ? scanner.text(scanner.rest) : nil
        media.sourceAttributes.append(SourceAttribute(ssrc: ssrc, name: scanner.text(name), value: value))
        return true
    }

    private mutating func parseSourceGroup() throws(SDPError) -> Bool {
        guard isInMedia else { return false }
        let semantics = scanner.takeToken()
        guard scanner.isToken(semantics) else { throw scanner.malformed("a=ssrc-group names no semantics") }
        var ssrcs: [UInt32] = []
        while !scanner.isAtLineEnd { ssrcs.append(try takeSSRC()) }
        media.sourceGroups.append(SourceGroup(semantics: scanner.text(semantics), ssrcs: ssrcs))
        return true
    }

    private mutating func takeSSRC() throws(SDPError) -> UInt32 {
        let token = scanner.takeToken()
        guard let ssrc: UInt32 = scanner.decimal(token) else {
            throw scanner.malformed("the SSRC \(scanner.quoted(token)) is not a 32-bit number")
        }
        return ssrc
    }
}
