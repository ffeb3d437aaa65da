import Wire

/// The hash functions of Digest authentication, handed in so that this target sees no cryptography.
public struct RTSPHash: Sendable {
    public var md5: @Sendable (RawSpan) -> [UInt8]
    public var sha256: @Sendable (RawSpan) -> [UInt8]

    public init(md5: @escaping @Sendable (RawSpan) -> [UInt8], sha256: @escaping @Sendable (RawSpan) -> [UInt8]) {
        self.md5 = md5
        self.sha256 = sha256
    }

    /// The digest of `text` in lower-case hexadecimal.
    func hexadecimal(_ text: String, _ algorithm: DigestAlgorithm) -> String {
        let isMD5 = algorithm == .md5 || algorithm == .md5Session
        let bytes = Array(text.utf8).withBytes { isMD5 ? md5($0) : sha256($0) }
        let digits = Array("0123456789abcdef".utf8)
        var result: [UInt8] = []
        for byte in bytes {
            result.append(digits[Int(byte >> 4)])
            result.append(digits[Int(byte & 0x0F)])
        }
        return String(decoding: result, as: UTF8.self)
    }
}

/// The algorithms of RFC 7616 that are spoken here, the weakest first.
public enum DigestAlgorithm: String, Hashable, Sendable, CaseIterable {
    case md5 = "MD5"
    /// The password's digest is mixed with both nonces once.
    case md5Session = "MD5-sess"
    case sha256 = "SHA-256"
    case sha256Session = "SHA-256-sess"

    /// - Parameter name: in any case; nil means MD5.
    init?(name: String?) {
        guard let name = name?.lowercased() else {
            self = .md5
            return
        }
        guard let known = Self.allCases.first(where: { $0.rawValue.lowercased() == name }) else { return nil }
        self = known
    }

    var hasSession: Bool { self == .md5Session || self == .sha256Session }
}
