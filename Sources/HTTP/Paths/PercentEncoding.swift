/// Percent-encoding of RFC 3986, section 2.1.
public enum PercentEncoding {
    /// Decodes once; nil when a percent sign is not followed by two hexadecimal digits.
    static func decode(_ bytes: some Collection<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var iterator = bytes.makeIterator()
        while let byte = iterator.next() {
            guard byte == HTTPSyntax.percent else {
                decoded.append(byte)
                continue
            }
            guard let high = iterator.next().flatMap(HTTPSyntax.hexValue),
                let low = iterator.next().flatMap(HTTPSyntax.hexValue)
            else { return nil }
            decoded.append(high << 4 | low)
        }
        return decoded
    }

    /// Decodes a form value: `+` is a space, and a percent sign that starts no sequence stands for itself.
    static func decodeForm(_ bytes: ArraySlice<UInt8>) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            if byte == HTTPSyntax.percent, bytes.endIndex - index > 2, let high = HTTPSyntax.hexValue(bytes[index + 1]),
                let low = HTTPSyntax.hexValue(bytes[index + 2])
            {
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(byte == UInt8(ascii: "+") ? HTTPSyntax.space : byte)
                index += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    /// Encodes everything but unreserved characters, so that the result is one path segment or query value.
    public static func encodeSegment(_ text: String) -> String {
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            if HTTPSyntax.isLetter(byte) || HTTPSyntax.isDigit(byte) || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "~")
            {
                encoded.append(byte)
            } else {
                encoded += [HTTPSyntax.percent, hexDigit(byte >> 4), hexDigit(byte & 0xF)]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x41 + value - 10 }
}
