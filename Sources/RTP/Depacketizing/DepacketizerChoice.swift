public import Codecs
import Wire

/// What is needed of a stream's description to take its payloads apart.
public struct PayloadDescription {
    public var codec: Codec
    /// The RTP encoding name, which says what an opaque codec is.
    public var encodingName: String
    public var clockRate: UInt32
    public var channels: Int
    /// Looks a format parameter up by its name in lower case.
    public var parameter: (String) -> String?

    public init(
        codec: Codec, encodingName: String, clockRate: UInt32, channels: Int, parameter: @escaping (String) -> String?
    ) {
        self.codec = codec
        self.encodingName = encodingName
        self.clockRate = clockRate
        self.channels = channels
        self.parameter = parameter
    }

    /// A depacketizer for the stream. What nobody knows is taken packet by packet.
    public func makeDepacketizer() -> any Depacketizer {
        switch codec {
        case .h264: return H264Depacketizer()
        case .h265:
            let difference = parameter("sprop-max-don-diff").flatMap { Int($0) } ?? 0
            return H265Depacketizer(hasOrderNumbers: difference > 0)
        case .vp8: return VP8Depacketizer()
        case .vp9: return VP9Depacketizer()
        case .av1: return AV1Depacketizer()
        case .opus: return PlainDepacketizer(.opus)
        case .pcmu, .pcma, .g722: return PlainDepacketizer()
        case .otherAudio, .otherVideo: return makeOther()
        }
    }

    private func makeOther() -> any Depacketizer {
        switch encodingName.uppercased() {
        case "MPEG4-GENERIC":
            guard let layout = AACDepacketizer.Layout(clockRate: clockRate, parameter) else {
                return PlainDepacketizer()
            }
            return AACDepacketizer(layout)
        case "MP4A-LATM": return LATMDepacketizer(clockRate: clockRate, parameter)
        case "MPA": return MPEGAudioDepacketizer(clockRate: clockRate)
        case "AC3": return AC3Depacketizer(clockRate: clockRate, isEnhanced: false)
        case "EAC3": return AC3Depacketizer(clockRate: clockRate, isEnhanced: true)
        case "L8": return PlainDepacketizer(.blocks(ofBytes: channels))
        case "L16": return PlainDepacketizer(.blocks(ofBytes: 2 * channels))
        case "L24": return PlainDepacketizer(.blocks(ofBytes: 3 * channels))
        case "JPEG": return JPEGDepacketizer()
        case "MP4V-ES": return MPEGVideoDepacketizer(.mpeg4)
        case "MPV": return MPEGVideoDepacketizer(.mpeg2)
        default: return PlainDepacketizer()
        }
    }
}

extension PayloadDescription {
    /// What a decoder of AAC is set up with to take what the depacketizer gives out (ISO/IEC 14496-3, 1.6.2.1); nil where
    /// the description does not tell.
    public var audioSpecificConfig: [UInt8]? {
        guard let bytes = parameter("config").flatMap({ hexadecimalBytes($0) }) else { return nil }
        switch encodingName.uppercased() {
        case "MPEG4-GENERIC":
            guard AACDepacketizer.Layout(clockRate: clockRate, parameter) != nil,
                (try? bytes.withBytes({ try AudioSpecificConfig(parsing: $0) })) != nil
            else { return nil }
            return bytes
        case "MP4A-LATM": return (try? bytes.withBytes { try StreamMuxConfig(parsing: $0) })?.audioBytes
        default: return nil
        }
    }
}
