/// A username fragment and password of one side of an ICE session (RFC 8445, section 5.3).
public struct ICECredentials: Hashable, Sendable {
    public var ufrag: String
    public var password: String

    /// Length of generated fragments: 72 random bits, and short enough for ``UfragKey``.
    public static let ufragLength = 12
    /// Length of generated passwords: 192 random bits.
    public static let passwordLength = 32
    /// How many random bytes ``init(randomBytes:)`` needs.
    public static let randomByteCount = ufragLength + passwordLength

    public init(ufrag: String, password: String) {
        self.ufrag = ufrag
        self.password = password
    }

    /// Credentials of our own from at least ``randomByteCount`` bytes of a cryptographic generator; nil from fewer.
    public init?(randomBytes: [UInt8]) {
        guard randomBytes.count >= Self.randomByteCount else { return nil }
        // There are exactly 64 ice-chars, so six bits of a uniform byte choose one without bias.
        let characters = randomBytes.prefix(Self.randomByteCount).map { Self.iceCharacters[Int($0 & 63)] }
        ufrag = String(decoding: characters.prefix(Self.ufragLength), as: UTF8.self)
        password = String(decoding: characters.dropFirst(Self.ufragLength), as: UTF8.self)
    }

    private static let iceCharacters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
}

/// Prints the fragment alone: a password is never for a log.
extension ICECredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "ICECredentials(\(ufrag))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["ufrag": ufrag]) }
}
