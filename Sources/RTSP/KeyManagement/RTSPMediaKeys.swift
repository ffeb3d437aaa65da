/// The keys that one side encrypts a session's media with, for AES-CM with 128 bits and HMAC-SHA1 with tags of 80 bits:
/// the only profile that RTSP clients were seen to offer.
public struct RTSPMediaKeys: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    public static let keyLength = 16
    public static let saltLength = 14
    static let maximumIdentifierLength = 32

    public var key: [UInt8]
    public var salt: [UInt8]
    /// What stands in front of each packet's tag (MKI, RFC 3711, section 3.1); empty for most.
    public var identifier: [UInt8]

    /// nil when a length is wrong.
    public init?(key: [UInt8], salt: [UInt8], identifier: [UInt8] = []) {
        guard key.count == Self.keyLength, salt.count == Self.saltLength,
            identifier.count <= Self.maximumIdentifierLength
        else { return nil }
        self.key = key
        self.salt = salt
        self.identifier = identifier
    }

    public var description: String { "media keys" }
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection()) }
}
