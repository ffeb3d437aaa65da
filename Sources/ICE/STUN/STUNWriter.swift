package import Wire

/// Writes one STUN message at the end of a byte array.
///
/// Attributes are added in wire order: integrity after everything it covers, FINGERPRINT last. Every byte, padding
/// included, is written explicitly, so nothing of a reused array leaks into a message.
package struct STUNWriter {
    private let start: Int
    private let transactionID: STUNTransactionID

    package init(
        _ messageClass: STUNMessage.Class, method: UInt16 = STUNMessage.bindingMethod,
        transactionID: STUNTransactionID, into output: inout [UInt8]
    ) {
        start = output.count
        self.transactionID = transactionID
        let classBits: UInt16 =
            switch messageClass {
            case .request: 0x0000
            case .indication: 0x0010
            case .success: 0x0100
            case .error: 0x0110
            }
        output.append(bigEndian: (method & 0xF80) << 2 | (method & 0x070) << 1 | method & 0x00F | classBits)
        output.append(bigEndian: UInt16(0))
        output.append(bigEndian: STUNMessage.magicCookie)
        output.append(bigEndian: transactionID.high)
        output.append(bigEndian: transactionID.low)
    }

    /// Appends an attribute of at most 65,535 bytes and pads it with zeros.
    package func append(_ type: UInt16, _ value: some Collection<UInt8>, into output: inout [UInt8]) {
        begin(type, size: value.count, into: &output)
        output.append(contentsOf: value)
        pad(&output)
    }

    package func append(_ attribute: STUNAttribute, _ value: some Collection<UInt8>, into output: inout [UInt8]) {
        append(attribute.rawValue, value, into: &output)
    }

    package func append(_ attribute: STUNAttribute, integer value: some FixedWidthInteger, into output: inout [UInt8]) {
        begin(attribute.rawValue, size: value.bitWidth / 8, into: &output)
        output.append(bigEndian: value)
        pad(&output)
    }

    /// RFC 8489, section 14.2.
    package func append(mappedAddress address: SocketAddress, into output: inout [UInt8]) {
        begin(STUNAttribute.xorMappedAddress.rawValue, size: address.isIPv6 ? 20 : 8, into: &output)
        output.append(bigEndian: UInt16(address.isIPv6 ? 2 : 1))
        output.append(bigEndian: address.port ^ UInt16(truncatingIfNeeded: STUNMessage.magicCookie >> 16))
        if address.isIPv6 {
            let mask = UInt64(STUNMessage.magicCookie) << 32 | UInt64(transactionID.high)
            output.append(bigEndian: address.high ^ mask)
            output.append(bigEndian: address.low ^ transactionID.low)
        } else {
            output.append(bigEndian: address.ipv4 ^ STUNMessage.magicCookie)
        }
    }

    package func append(_ error: STUNErrorCode, into output: inout [UInt8]) {
        let reason = error.reason.utf8
        begin(STUNAttribute.errorCode.rawValue, size: 4 + reason.count, into: &output)
        output.append(bigEndian: UInt16(0))
        output.append(UInt8(truncatingIfNeeded: error.rawValue / 100))
        output.append(UInt8(truncatingIfNeeded: error.rawValue % 100))
        output.append(contentsOf: reason)
        pad(&output)
    }

    package func append(unknownAttributesOf message: STUNMessage, into output: inout [UInt8]) {
        begin(STUNAttribute.unknownAttributes.rawValue, size: 2 * message.unknownRequiredCount, into: &output)
        for index in 0..<message.unknownRequiredCount { output.append(bigEndian: message.unknownRequired[index]) }
        pad(&output)
    }

    package func appendIntegrity(key: [UInt8], _ authentication: ICEAuthentication, into output: inout [UInt8]) {
        setLength(adding: 24, in: &output)
        var code = InlineArray<20, UInt8>(repeating: 0)
        output.withBytes { authentication.hmacSHA1(key, $0.extracting(start..<$0.byteCount), &code) }
        begin(STUNAttribute.messageIntegrity.rawValue, size: 20, into: &output)
        for index in code.indices { output.append(code[index]) }
    }

    package func appendIntegritySHA256(key: [UInt8], _ authentication: ICEAuthentication, into output: inout [UInt8]) {
        setLength(adding: 36, in: &output)
        var code = InlineArray<32, UInt8>(repeating: 0)
        output.withBytes { authentication.hmacSHA256(key, $0.extracting(start..<$0.byteCount), &code) }
        begin(STUNAttribute.messageIntegritySHA256.rawValue, size: 32, into: &output)
        for index in code.indices { output.append(code[index]) }
    }

    package func appendFingerprint(into output: inout [UInt8]) {
        setLength(adding: 8, in: &output)
        let value = output.withBytes { STUNFingerprint.value(of: $0.extracting(start..<$0.byteCount)) }
        begin(STUNAttribute.fingerprint.rawValue, size: 4, into: &output)
        output.append(bigEndian: value)
    }

    /// Writes the length field of a message that ends without FINGERPRINT.
    package func finish(_ output: inout [UInt8]) { setLength(adding: 0, in: &output) }

    private func begin(_ type: UInt16, size: Int, into output: inout [UInt8]) {
        output.append(bigEndian: type)
        output.append(bigEndian: UInt16(truncatingIfNeeded: size))
    }

    private func pad(_ output: inout [UInt8]) {
        while (output.count - start) & 3 != 0 { output.append(0) }
    }

    private func setLength(adding attribute: Int, in output: inout [UInt8]) {
        let length = output.count - start - STUNMessage.headerSize + attribute
        output.set(bigEndian: UInt16(truncatingIfNeeded: length), at: start + 2)
    }
}
