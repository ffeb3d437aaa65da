extension ICECandidate {
    /// Reads what follows `a=candidate:`, or the `candidate:` form of browsers; nil when it is not a candidate.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard bytes.count <= SDPLimits.standard.maximumLineBytes,
            bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 })
        else {
            return nil
        }
        var scanner = LineScanner(line: bytes)
        if scanner.equals(scanner.rest.prefix(10), "candidate:") { scanner.position += 10 }
        self.init(reading: &scanner)
    }

    init?(reading scanner: inout LineScanner) {
        let foundation = scanner.takeToken()
        let component = scanner.takeToken()
        let transport = scanner.takeToken()
        let priority = scanner.takeToken()
        let address = scanner.takeToken()
        let port = scanner.takeToken()
        let keyword = scanner.takeToken()
        let type = scanner.takeToken()
        guard !foundation.isEmpty, !address.isEmpty, !type.isEmpty, scanner.equals(keyword, "typ"),
            let component: UInt16 = scanner.decimal(component, maximum: 256), component > 0,
            let priority: UInt32 = scanner.decimal(priority), let port: UInt16 = scanner.decimal(port)
        else { return nil }
        self.init(
            foundation: scanner.text(foundation), component: component, transport: .udp, priority: priority,
            address: scanner.text(address), port: port)
        if scanner.equalsIgnoringCase(transport, "tcp") {
            self.transport = .tcp
        } else if !scanner.equalsIgnoringCase(transport, "udp") {
            self.transport = .other(scanner.text(transport))
        }
        self.type = Self.type(type, in: scanner)
        readTail(&scanner)
    }

    private static func type(_ range: Range<Int>, in scanner: LineScanner) -> CandidateType {
        if scanner.equals(range, "host") { return .host }
        if scanner.equals(range, "srflx") { return .serverReflexive }
        if scanner.equals(range, "prflx") { return .peerReflexive }
        if scanner.equals(range, "relay") { return .relay }
        return .other(scanner.text(range))
    }

    private mutating func readTail(_ scanner: inout LineScanner) {
        while !scanner.isAtLineEnd {
            let name = scanner.takeToken()
            let value = scanner.takeToken()
            if scanner.equals(name, "raddr"), !value.isEmpty {
                relatedAddress = scanner.text(value)
            } else if scanner.equals(name, "rport"), let port: UInt16 = scanner.decimal(value) {
                relatedPort = port
            } else if scanner.equals(name, "tcptype"), !value.isEmpty {
                tcpType = scanner.text(value)
            } else {
                let pair = value.isEmpty ? scanner.text(name) : "\(scanner.text(name)) \(scanner.text(value))"
                extensions = extensions.map { "\($0) \(pair)" } ?? pair
            }
        }
    }

    /// As written after `a=`.
    public var text: String {
        let transportText =
            switch transport {
            case .udp: "udp"
            case .tcp: "tcp"
            case .other(let name): name
            }
        let typeText =
            switch type {
            case .host: "host"
            case .serverReflexive: "srflx"
            case .peerReflexive: "prflx"
            case .relay: "relay"
            case .other(let name): name
            }
        var text =
            "candidate:\(foundation) \(component) \(transportText) \(priority) \(address) \(port) typ \(typeText)"
        if let relatedAddress { text += " raddr \(relatedAddress)" }
        if let relatedPort { text += " rport \(relatedPort)" }
        if let tcpType { text += " tcptype \(tcpType)" }
        if let extensions { text += " \(extensions)" }
        return text
    }
}

extension LineScanner {
    /// RFC 8839 `ice-char`. Some senders add `-`, `_` and `=`, which do no harm.
    func isICECharacters(_ range: Range<Int>, count: ClosedRange<Int>) -> Bool {
        count.contains(range.count)
            && bytes[range].allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2F, 0x2D, 0x5F, 0x3D: true
                default: false
                }
            }
    }

    /// `AB:cd:…` as bytes; nil for anything else.
    func colonSeparatedHex(_ range: Range<Int>) -> [UInt8]? {
        guard range.count % 3 == 2, range.count <= 3 * 128 else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(range.count / 3 + 1)
        var index = range.lowerBound
        while index + 1 < range.upperBound {
            guard let high = Self.hexDigit(bytes[index]), let low = Self.hexDigit(bytes[index + 1]) else { return nil }
            result.append(high << 4 | low)
            guard index + 2 >= range.upperBound || bytes[index + 2] == UInt8(ascii: ":") else { return nil }
            index += 3
        }
        return result
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
