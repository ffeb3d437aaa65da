import Codecs
import Wire

/// Puts right what cameras get wrong in their descriptions, before they are read (RTSP-Q1).
///
/// Only what is read afterwards is kept: media lines, and of the attributes those about formats, controls, keys and
/// directions.
/// Every other line may hold anything.
struct RTSPDescriptionRepair {
    /// Most bytes looked at; what follows belongs to no description.
    static let maximumBytes = 64 * 1_024
    /// What one line may be long; parameter sets are the longest that mean something.
    private static let maximumLineBytes = 4_000
    private static let maximumPayloadTypes = 32
    /// Five times that of the finest sound there is; a clock that is faster belongs to no media.
    static let maximumClockRate: UInt32 = 1_000_000
    private static let flags: Set<String> = ["sendrecv", "sendonly", "recvonly", "inactive"]

    private var result = Array("v=0\r\n".utf8)
    private var isVideo = false
    /// The payload types of the section that have a mapping; a second one is passed over.
    private var mapped: Set<UInt8> = []

    /// The text with a version line in front, without what follows a NUL, and with lines in the form the parser reads.
    static func repaired(_ text: [UInt8]) -> [UInt8] {
        var repair = RTSPDescriptionRepair()
        let text = text.prefix(maximumBytes).prefix { $0 != 0 }
        for line in text.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) { repair.take(line) }
        return repair.result
    }

    private mutating func take(_ raw: ArraySlice<UInt8>) {
        // UTF-8's byte order mark.
        let raw = raw.starts(with: [0xEF, 0xBB, 0xBF]) ? raw.dropFirst(3) : raw
        guard raw.count <= Self.maximumLineBytes else { return }
        let line = String(decoding: raw.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }, as: UTF8.self).trimmed
        guard let type = line.first, type != "=", let equals = line.firstIndex(of: "="),
            line[line.index(after: line.startIndex)..<equals].trimmed.isEmpty
        else { return }
        let value = line[line.index(after: equals)...].trimmed
        switch type {
        case "m", "M": media(value)
        case "a", "A": attribute(value)
        default: break
        }
    }

    private mutating func write(_ line: String) { result += Array((line + "\r\n").utf8) }

    /// `video 0 RTP/AVP/TCP 96`, `video 0/2 MP2T/RTP/UDP 33`, `application/x 0 RTP/AVP smart/1/90000`: a kind that is a
    /// word, a port that is a number, RTP, and payload types that are some.
    private mutating func media(_ value: Substring) {
        let parts = value.split(separator: " ")
        guard let kind = parts.first?.lowercased() else { return }
        isVideo = kind == "video"
        mapped = []
        let name = isVideo || kind == "audio" ? kind : "application"
        let types = parts.dropFirst(3).compactMap { UInt8($0) }.filter { $0 < 128 }.prefix(Self.maximumPayloadTypes)
        write((["m=\(name)", "0", "RTP/AVP"] + types.map(String.init)).joined(separator: " "))
    }

    /// `rtpmap : 96 H264/90000`, `rtpmap 96 H264/90000`: a name, a colon, a value.
    private mutating func attribute(_ text: Substring) {
        let lowercased = text.lowercased()
        if Self.flags.contains(lowercased) { return write("a=\(lowercased)") }
        // Some forget the colon.
        let end = text.firstIndex { $0 == ":" || $0 == " " } ?? text.endIndex
        guard end < text.endIndex else { return }
        var value = text[text.index(after: end)...].trimmed
        if text[end] == " ", value.first == ":" { value = value.dropFirst().trimmed }
        switch text[..<end].lowercased() {
        case "control": write("a=control:\(value)")
        case "key-mgmt": write("a=key-mgmt:\(value)")
        case "rtpmap": mapping(value)
        case "fmtp":
            let (number, rest) = Self.payloadType(value)
            guard let number, number < 128 else { return }
            write("a=fmtp:\(number) \(rest)")
        default: break
        }
    }

    /// The number at the beginning, whatever follows it.
    private static func payloadType(_ value: Substring) -> (UInt8?, Substring) {
        let digits = value.prefix { $0.isASCII && $0.isNumber }
        return (UInt8(digits), value[digits.endIndex...].trimmed)
    }

    /// `96 H264`, `96H264/90000`, `96 H264 / 90000`, `8 PCMA/8000/0`: a clock rate that the codec has or that
    /// can be, and a number of channels that can be.
    private mutating func mapping(_ value: Substring) {
        let (number, rest) = Self.payloadType(value)
        guard let number, number < 128, !mapped.contains(number) else { return }
        let parts = rest.split(separator: "/", omittingEmptySubsequences: false).map(\.trimmed)
        let name = parts[0].prefix { $0 != " " }
        guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-._+".contains($0)) })
        else { return }
        let codec = Codec(encodingName: String(name))
        let digits = parts.count > 1 ? parts[1].prefix { $0.isASCII && $0.isNumber } : ""
        let stated = digits.isEmpty ? 0 : UInt32(digits) ?? .max
        // Video that is known has one clock, whatever a camera believes, and so has Opus; other sound may have any.
        let own = codec.flatMap { $0.kind == .video || $0 == .opus ? $0.clockRate : nil }
        let clockRate = own ?? (stated > 0 ? stated : isVideo ? 90_000 : 8_000)
        // Without a mapping the track is one that nobody understands.
        guard clockRate <= Self.maximumClockRate else { return }
        let channels = parts.count > 2 ? UInt8(parts[2].prefix { $0.isASCII && $0.isNumber }) ?? 0 : 0
        mapped.insert(number)
        write("a=rtpmap:\(number) \(name)/\(clockRate)" + (channels > 0 ? "/\(channels)" : ""))
    }
}

extension StringProtocol where SubSequence == Substring {
    fileprivate var trimmed: Substring {
        var slice = self[startIndex...]
        while slice.first == " " { slice = slice.dropFirst() }
        while slice.last == " " { slice = slice.dropLast() }
        return slice
    }
}
