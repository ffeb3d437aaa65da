/// The hash of a certificate that a session description promises (RFC 8122).
public struct CertificateFingerprint: Hashable, Sendable {
    /// In order of strength.
    public enum Algorithm: String, Sendable, CaseIterable, Comparable {
        case sha256 = "sha-256"
        case sha384 = "sha-384"
        case sha512 = "sha-512"

        public var byteCount: Int {
            switch self {
            case .sha256: 32
            case .sha384: 48
            case .sha512: 64
            }
        }

        public static func < (left: Algorithm, right: Algorithm) -> Bool { left.byteCount < right.byteCount }
    }

    public let algorithm: Algorithm
    public let bytes: [UInt8]

    /// Nil when the number of bytes is not the algorithm's.
    public init?(algorithm: Algorithm, bytes: [UInt8]) {
        guard bytes.count == algorithm.byteCount else { return nil }
        self.algorithm = algorithm
        self.bytes = bytes
    }

    /// Reads the two words of `a=fingerprint`, for example `sha-256 AB:CD:…`; case does not matter.
    ///
    /// Nil for anything else, and for `sha-1` and older, which must not be relied on.
    public init?(name: some StringProtocol, value: some StringProtocol) {
        guard let algorithm = Algorithm(rawValue: name.lowercased()) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(algorithm.byteCount)
        for pair in value.split(separator: ":", omittingEmptySubsequences: false) {
            // `UInt8(_:radix:)` alone would take a sign.
            guard pair.count == 2, pair.allSatisfy(\.isHexDigit), bytes.count < algorithm.byteCount,
                let byte = UInt8(pair, radix: 16)
            else { return nil }
            bytes.append(byte)
        }
        self.init(algorithm: algorithm, bytes: bytes)
    }

    /// The value as a session description writes it: upper case, colons between.
    public var value: String {
        bytes.map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return byte < 16 ? "0" + digits : digits
        }.joined(separator: ":")
    }
}
