/// One stream of an RTP-Info field: where playing begins (RFC 2326, section 12.33).
public struct RTPInfo: Hashable, Sendable {
    public var url: String
    public var sequenceNumber: UInt16?
    public var timestamp: UInt32?

    public init(url: String, sequenceNumber: UInt16? = nil, timestamp: UInt32? = nil) {
        self.url = url
        self.sequenceNumber = sequenceNumber
        self.timestamp = timestamp
    }

    /// The streams of a field. What cannot be read of a stream is left out; a stream without URL as a whole.
    public static func parse(_ text: String) -> [RTPInfo] {
        text.splitOutsideQuotes(",").prefix(maximumStreams).compactMap { part in
            var info = RTPInfo(url: "")
            for parameter in part.splitOutsideQuotes(";") {
                let pair = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard pair.count == 2 else { continue }
                let value = pair[1].trimmingBlanks.unquoted
                switch pair[0].trimmingBlanks.lowercased() {
                case "url": info.url = String(value)
                case "seq": info.sequenceNumber = value.decimal(upTo: 65_535).map { UInt16($0) }
                case "rtptime": info.timestamp = value.decimal(upTo: 4_294_967_295).map { UInt32($0) }
                default: break
                }
            }
            return info.url.isEmpty ? nil : info
        }
    }

    private static let maximumStreams = 16

    public static func text(_ streams: [RTPInfo]) -> String {
        streams.map { stream in
            "url=\(stream.url)" + (stream.sequenceNumber.map { ";seq=\($0)" } ?? "")
                + (stream.timestamp.map { ";rtptime=\($0)" } ?? "")
        }.joined(separator: ",")
    }
}
