/// Puts right what cameras get wrong in their descriptions, before they are read (RTSP-Q1).
enum RTSPDescriptionRepair {
    /// Most bytes looked at; what follows belongs to no description.
    private static let maximumBytes = 64 * 1_024

    /// The text with a version line in front, without what follows a NUL, and with lines in the form the parser reads.
    static func repaired(_ text: [UInt8]) -> [UInt8] {
        let text = text.prefix(maximumBytes).prefix { $0 != 0 }
        var result = Array("v=0\r\n".utf8)
        for line in text.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            var line = trimmed(line)
            // UTF-8's byte order mark.
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
            guard line.count > 2, line[line.startIndex + 1] == UInt8(ascii: "=") else { continue }
            switch line[line.startIndex] {
            case UInt8(ascii: "m"): result += media(line)
            case UInt8(ascii: "a"): result += attribute(line)
            // Nothing in these lines is used, and many cameras write them wrongly.
            case UInt8(ascii: "v"), UInt8(ascii: "o"), UInt8(ascii: "c"), UInt8(ascii: "b"): continue
            default: result += line.map { $0 < 0x20 ? 0x20 : $0 }
            }
            result += [0x0D, 0x0A]
        }
        return result
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line
        while let first = line.first, first <= 0x20 { line = line.dropFirst() }
        while let last = line.last, last <= 0x20 { line = line.dropLast() }
        return line
    }

    /// `m=video 0 RTP/AVP/TCP 96`, `m=video 0/2 MP2T/RTP/UDP 33`: a port that is a number, and payload types that are.
    private static func media(_ line: ArraySlice<UInt8>) -> [UInt8] {
        var parts = String(decoding: line, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: true)
            .map(String.init)
        guard parts.count >= 3 else { return Array(line) }
        if UInt16(parts[1]) == nil { parts[1] = "0" }
        parts = Array(parts[..<3]) + parts[3...].filter { UInt8($0).map { $0 < 128 } ?? false }
        return Array(parts.joined(separator: " ").utf8)
    }

    /// `a = rtpmap : 96 H264/90000`, `a=fmtp:96packetization-mode=1`: blanks gone around the colon.
    private static func attribute(_ line: ArraySlice<UInt8>) -> [UInt8] {
        let body = line.dropFirst(2)
        let printable = body.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }
        guard let colon = printable.firstIndex(of: UInt8(ascii: ":")) else {
            return Array("a=".utf8) + trimmed(printable[...])
        }
        let name = trimmed(printable[..<colon])
        var value = trimmed(printable[(colon + 1)...])
        // Only what is about RTP is read; other attributes may hold anything.
        let text = String(decoding: name, as: UTF8.self).lowercased()
        guard ["rtpmap", "fmtp", "control"].contains(text) else { return Array("x=".utf8) + name }
        if text == "rtpmap" { value = repairedMapping(value) }
        if text == "fmtp", let end = value.firstIndex(where: { !(0x30...0x39).contains($0) }), value[end] != 0x20 {
            value = value[..<end] + [0x20] + value[end...]
        }
        return Array("a=\(text):".utf8) + value
    }

    /// `96 H264` without a clock rate gets the usual one; whatever follows the numbers goes.
    private static func repairedMapping(_ value: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let parts = value.split(separator: 0x20)
        guard parts.count >= 2 else { return value }
        let encoding = parts[1]
        let hasRate = encoding.contains(UInt8(ascii: "/"))
        return parts[0] + [0x20] + encoding + (hasRate ? [] : Array("/90000".utf8))
    }
}
