import Wire

/// The header of an MPEG-1 or MPEG-2 audio frame, layer I–III (ISO/IEC 11172-3, 2.4.1.3; 13818-3, 2.4.1.3).
///
/// Left out: free format, whose frames do not tell their size.
public struct MPEGAudioHeader: Hashable, Sendable {
    /// 1–3.
    public var layer: Int
    public var sampleRate: UInt32
    public var samplesPerFrame: Int
    /// Bytes of the whole frame.
    public var frameSize: Int
    public var channels: Int

    private static let bitrates1: [[Int]] = [
        [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    ]
    private static let bitrates2: [[Int]] = [
        [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ]
    private static let sampleRates: [UInt32] = [44_100, 48_000, 32_000]

    /// nil when `bytes` begin with no frame.
    public init?(parsing bytes: RawSpan) {
        guard let word = bytes.integer(at: 0, as: UInt32.self), word >> 21 == 0x7FF else { return nil }
        // 0 is MPEG-2.5, 2 MPEG-2, 3 MPEG-1.
        let version = word >> 19 & 3
        let layerBits = Int(word >> 17 & 3)
        let bitrateIndex = Int(word >> 12 & 15)
        let rateIndex = Int(word >> 10 & 3)
        guard version != 1, layerBits != 0, (1...14).contains(bitrateIndex), rateIndex != 3 else { return nil }
        layer = 4 - layerBits
        let isFirst = version == 3
        sampleRate = Self.sampleRates[rateIndex] / (isFirst ? 1 : version == 2 ? 2 : 4)
        let bitrate = 1_000 * (isFirst ? Self.bitrates1 : Self.bitrates2)[layer - 1][bitrateIndex - 1]
        let padding = Int(word >> 9 & 1)
        channels = word >> 6 & 3 == 3 ? 1 : 2
        switch layer {
        case 1:
            samplesPerFrame = 384
            frameSize = (12 * bitrate / Int(sampleRate) + padding) * 4
        case 3 where !isFirst:
            samplesPerFrame = 576
            frameSize = 72 * bitrate / Int(sampleRate) + padding
        default:
            samplesPerFrame = 1_152
            frameSize = 144 * bitrate / Int(sampleRate) + padding
        }
    }
}
