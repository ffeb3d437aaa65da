/// `a=fingerprint:` (RFC 8122): the digest of the certificate that the sender will show in DTLS.
public struct Fingerprint: Hashable, Sendable {
    /// In lower case, for example `sha-256`.
    public var algorithm: String
    public var bytes: [UInt8]

    public init(algorithm: String, bytes: [UInt8]) {
        self.algorithm = algorithm
        self.bytes = bytes
    }

    /// The digest size of `algorithm` in bytes; nil for one that is not known here.
    public static func digestSize(of algorithm: String) -> Int? {
        switch algorithm {
        case "sha-1": 20
        case "sha-224": 28
        case "sha-256": 32
        case "sha-384": 48
        case "sha-512": 64
        default: nil
        }
    }
}
