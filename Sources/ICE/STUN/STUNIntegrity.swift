import Wire

/// The two keyed hashes STUN messages are authenticated with; the caller supplies them.
///
/// Each writes the whole code into `code` and allocates nothing, so that answering a check allocates nothing.
public struct ICEAuthentication: Sendable {
    public typealias HMACSHA1 =
        @Sendable (_ key: [UInt8], _ message: RawSpan, _ code: inout InlineArray<20, UInt8>) -> Void
    public typealias HMACSHA256 =
        @Sendable (_ key: [UInt8], _ message: RawSpan, _ code: inout InlineArray<32, UInt8>) -> Void

    var hmacSHA1: HMACSHA1
    var hmacSHA256: HMACSHA256

    public init(hmacSHA1: @escaping HMACSHA1, hmacSHA256: @escaping HMACSHA256) {
        self.hmacSHA1 = hmacSHA1
        self.hmacSHA256 = hmacSHA256
    }
}

extension STUNMessage {
    /// Whether FINGERPRINT matches (RFC 8489, section 14.7); a message without one passes.
    package func fingerprintIsValid(in datagram: RawSpan) -> Bool {
        guard let fingerprint else { return true }
        guard let value = datagram.integer(at: fingerprint + 4, as: UInt32.self) else { return false }
        return value == STUNFingerprint.value(of: datagram.extracting(0..<fingerprint))
    }

    /// Whether the message was made by someone who knows `key`, compared in constant time.
    ///
    /// When both kinds of integrity are present, the SHA-256 one decides (RFC 8489, section 9.1.3).
    /// - Parameter scratch: memory for the message with its length as the sender saw it; reused from call to call.
    package func integrityIsValid(
        in datagram: RawSpan, key: [UInt8], authentication: ICEAuthentication, scratch: inout [UInt8]
    ) -> Bool {
        if let offset = messageIntegritySHA256 {
            var code = InlineArray<32, UInt8>(repeating: 0)
            copy(datagram, upTo: offset, codeSize: 32, into: &scratch)
            scratch.withBytes { authentication.hmacSHA256(key, $0, &code) }
            return Self.matches(code.span, datagram, at: offset + 4)
        }
        guard let offset = messageIntegrity else { return false }
        var code = InlineArray<20, UInt8>(repeating: 0)
        copy(datagram, upTo: offset, codeSize: 20, into: &scratch)
        scratch.withBytes { authentication.hmacSHA1(key, $0, &code) }
        return Self.matches(code.span, datagram, at: offset + 4)
    }

    /// The code covers the message before its attribute, with a length field that ends after the attribute.
    private func copy(_ datagram: RawSpan, upTo offset: Int, codeSize: Int, into scratch: inout [UInt8]) {
        scratch.removeAll(keepingCapacity: true)
        scratch.append(contentsOf: datagram.extracting(0..<offset))
        scratch.set(bigEndian: UInt16(truncatingIfNeeded: offset - Self.headerSize + 4 + codeSize), at: 2)
    }

    private static func matches(_ code: Span<UInt8>, _ datagram: RawSpan, at offset: Int) -> Bool {
        guard offset + code.count <= datagram.byteCount else { return false }
        var difference: UInt8 = 0
        for index in code.indices { difference |= code[index] ^ datagram[offset + index] }
        return difference == 0
    }
}

/// The CRC-32 that tells STUN from other protocols on the same port.
package enum STUNFingerprint {
    /// CRC-32 of ISO 3309, reflected polynomial 0xEDB88320.
    private static let table: InlineArray<256, UInt32> = {
        var table = InlineArray<256, UInt32>(repeating: 0)
        for index in table.indices {
            var value = UInt32(index)
            for _ in 0..<8 { value = value & 1 == 0 ? value >> 1 : value >> 1 ^ 0xEDB8_8320 }
            table[index] = value
        }
        return table
    }()

    /// The value FINGERPRINT carries after `message`, whose length field already counts FINGERPRINT.
    package static func value(of message: RawSpan) -> UInt32 {
        var crc: UInt32 = 0xFFFF_FFFF
        for offset in 0..<message.byteCount {
            crc = crc >> 8 ^ table[Int((crc ^ UInt32(message[offset])) & 0xFF)]
        }
        return ~crc ^ 0x5354_554E
    }
}
