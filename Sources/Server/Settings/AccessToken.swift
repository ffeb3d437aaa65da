/// A token somebody must present, kept as written or as its SHA-256 digest. It never prints itself.
public struct AccessToken: Hashable, Sendable, CustomStringConvertible {
    public enum Form: Hashable, Sendable {
        case plain([UInt8])
        /// 32 bytes.
        case sha256([UInt8])
    }

    public static let maximumLength = 1_024

    public let form: Form

    public init(_ form: Form) { self.form = form }

    /// Reads a token or `sha256:` with the base64 of a digest; nil when the digest is malformed or the text too long.
    public init?(settingText text: String) {
        guard !text.isEmpty, text.utf8.count <= Self.maximumLength else { return nil }
        guard text.hasPrefix("sha256:") else {
            self.init(.plain(Array(text.utf8)))
            return
        }
        guard let digest = Base64.decode(text.dropFirst(7).utf8), digest.count == 32 else { return nil }
        self.init(.sha256(digest))
    }

    /// Whether the token itself is known, and not only what it is to hash to.
    var isPlain: Bool { if case .plain = form { true } else { false } }

    public var description: String { Redacted<String>.text }
}

extension AccessToken: CustomReflectable, CustomDebugStringConvertible {
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension SettingType<AccessToken?> {
    static let token = SettingType(
        name: "token",
        accepted: "up to \(AccessToken.maximumLength) bytes, or sha256: and a digest in base64; empty for none",
        read: { (node) throws(SettingFault) in
            let text = try node.scalar()
            guard !text.isEmpty else { return nil }
            guard !text.unicodeScalars.contains(where: { $0.isUnprintable || $0 == " " }),
                let token = AccessToken(settingText: text)
            else { throw SettingFault("not a token") }
            return token
        }, write: { $0 == nil ? "''" : "'\(Redacted<String>.text)'" })
}

enum Base64 {
    /// Decodes standard base64 (RFC 4648, section 4), with or without padding; nil for anything else.
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        var padding = 0
        var symbols = 0
        for byte in text {
            let value: UInt32
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = UInt32(byte - 65)
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = UInt32(byte - 97 + 26)
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = UInt32(byte - 48 + 52)
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            case UInt8(ascii: "="):
                padding += 1
                continue
            default: return nil
            }
            guard padding == 0 else { return nil }
            symbols += 1
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        guard symbols % 4 != 1, padding == 0 || (symbols + padding) % 4 == 0, padding <= 2 else { return nil }
        return result
    }
}
