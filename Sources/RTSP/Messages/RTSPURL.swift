/// An RTSP URL: `rtsp://user:password@host:port/path?query`, as clients and settings write it.
public struct RTSPURL: Hashable, Sendable {
    public var isSecure: Bool
    public var user: String?
    public var password: String?
    public var host: String
    /// nil for the scheme's own, 554 or 322.
    public var port: UInt16?
    /// What follows the authority, with its leading slash, the query included; may be empty.
    public var resource: String

    public init(isSecure: Bool = false, host: String, port: UInt16? = nil, resource: String) {
        self.isSecure = isSecure
        self.host = host
        self.port = port
        self.resource = resource
    }

    /// nil for other schemes and for authorities that cannot be read.
    public init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        switch text[..<colon].lowercased() {
        case "rtsp", "rtspu": isSecure = false
        case "rtsps": isSecure = true
        default: return nil
        }
        let rest = text[colon...].dropFirst(3)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        resource = String(rest[end...])
        var authority = rest[..<end]
        if let at = authority.lastIndex(of: "@") {
            let parts = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            user = PercentCoding.decoded(parts[0])
            password = parts.count > 1 ? PercentCoding.decoded(parts[1]) : nil
            authority = authority[authority.index(after: at)...]
        }
        var portText: Substring?
        if authority.first == "[" {
            guard let close = authority.firstIndex(of: "]") else { return nil }
            host = String(authority[authority.index(after: authority.startIndex)..<close])
            let tail = authority[authority.index(after: close)...]
            guard tail.isEmpty || tail.first == ":" else { return nil }
            portText = tail.isEmpty ? nil : tail.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            host = String(authority[..<colon])
            portText = authority[authority.index(after: colon)...]
        } else {
            host = String(authority)
        }
        guard !host.isEmpty else { return nil }
        if let portText, !portText.isEmpty {
            guard let number = portText.decimal(upTo: 65_535), number > 0 else { return nil }
            port = UInt16(number)
        }
    }

    public var effectivePort: UInt16 { port ?? (isSecure ? 322 : 554) }

    /// The URL without user and password, as it stands in requests.
    public var text: String { origin + resource }

    /// Scheme, host and port: what may be shown of a URL whose path or query may be a secret.
    public var origin: String {
        let shownHost = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
        return (isSecure ? "rtsps://" : "rtsp://") + shownHost + (port.map { ":\($0)" } ?? "")
    }
}

enum PercentCoding {
    /// Malformed escapes stay as they are.
    static func decoded(_ text: some StringProtocol) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        var bytes: [UInt8] = []
        let source = Array(text.utf8)
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), index + 2 < source.count, let high = hex(source[index + 1]),
                let low = hex(source[index + 2])
            {
                bytes.append(high << 4 | low)
                index += 3
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
