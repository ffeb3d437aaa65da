import Wire

/// How much sound an Opus packet holds, from its table-of-contents byte (RFC 6716, section 3.1).
///
/// Left out: the frames' own sizes and padding.
public struct OpusPacket: Hashable, Sendable {
    public var frameCount: Int
    /// Samples of one frame at 48 kHz.
    public var samplesPerFrame: Int
    public var isStereo: Bool

    /// Samples of the whole packet at 48 kHz, which is also its duration in RTP clock ticks.
    public var sampleCount: Int { frameCount * samplesPerFrame }

    /// 120 ms, the longest packet allowed.
    public static let maximumSampleCount = 5760

    /// Nil when the packet is empty, cut before its frame count, or longer than 120 ms.
    public init?(parsing packet: RawSpan) {
        guard let toc = packet.integer(at: 0, as: UInt8.self) else { return nil }
        let configuration = Int(toc >> 3)
        switch configuration {
        case 0..<12: samplesPerFrame = configuration & 3 == 3 ? 2880 : 480 << (configuration & 3)
        case 12..<16: samplesPerFrame = configuration & 1 == 0 ? 480 : 960
        default: samplesPerFrame = 120 << (configuration & 3)
        }
        isStereo = toc & 0x04 != 0
        switch toc & 3 {
        case 0: frameCount = 1
        case 1, 2: frameCount = 2
        default:
            guard let second = packet.integer(at: 1, as: UInt8.self), second & 0x3F > 0 else { return nil }
            frameCount = Int(second & 0x3F)
        }
        guard sampleCount <= Self.maximumSampleCount else { return nil }
    }
}
