public import Wire

/// A codec that is forwarded. Raw values are the RTP encoding names of the IANA registry.
public enum Codec: String, Hashable, Sendable, CaseIterable {
    case h264 = "H264"
    case h265 = "H265"
    case vp8 = "VP8"
    case vp9 = "VP9"
    case av1 = "AV1"
    case opus
    case pcmu = "PCMU"
    case pcma = "PCMA"
    case g722 = "G722"
    /// Media that is passed on as it came and not looked into; its format has its name and clock rate.
    case otherAudio = "other audio"
    case otherVideo = "other video"

    /// Finds a codec by its encoding name in any case (RFC 4855, section 3).
    public init?(encodingName: some StringProtocol) {
        let name = encodingName.lowercased()
        guard let codec = Self.allCases.first(where: { $0.rawValue.lowercased() == name }) else { return nil }
        self = codec
    }

    public var kind: MediaKind {
        switch self {
        case .h264, .h265, .vp8, .vp9, .av1, .otherVideo: .video
        case .opus, .pcmu, .pcma, .g722, .otherAudio: .audio
        }
    }

    /// Whether packets are passed on without being understood.
    public var isOpaque: Bool { self == .otherAudio || self == .otherVideo }

    /// The RTP clock rate in Hz. G722 samples at 16 kHz but its RTP clock is 8000 (RFC 3551, section 4.5.2).
    public var clockRate: UInt32 {
        switch self {
        case .h264, .h265, .vp8, .vp9, .av1, .otherAudio, .otherVideo: 90_000
        case .opus: 48_000
        case .pcmu, .pcma, .g722: 8_000
        }
    }
}
