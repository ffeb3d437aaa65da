import Wire

/// What is to be known of AAC before its first frame (ISO/IEC 14496-3, 1.6.2.1 and 4.4.1).
///
/// Read are AAC Main, LC, SSR and LTP, with SBR and PS announced explicitly or behind a sync word. Refused is what has
/// its channels in a program config element, and every other object type.
public struct AudioSpecificConfig: Hashable, Sendable {
    public enum Failure: Error, Hashable, Sendable {
        case truncated
        /// Not one of AAC Main, LC, SSR or LTP.
        case unsupportedObjectType(UInt8)
        /// The channels are described by a program config element, or by a reserved number.
        case unsupportedChannels
        case malformed
    }

    /// 1 Main, 2 LC, 3 SSR, 4 LTP: of the core, without SBR and PS.
    public var objectType: UInt8
    /// Of the core.
    public var sampleRate: UInt32
    /// Of what the decoder puts out when it knows SBR; nil without SBR.
    public var extendedSampleRate: UInt32?
    public var hasParametricStereo = false
    public var channels: Int
    /// Samples of a frame of the core: 1024 or 960.
    public var samplesPerFrame: Int
    /// How many bits the configuration takes, a sync extension not counted.
    public var bitCount = 0

    /// Samples of a frame as they are put out.
    public var outputSamplesPerFrame: Int { extendedSampleRate == nil ? samplesPerFrame : samplesPerFrame * 2 }

    private static let sampleRates: [UInt32] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ]
    private static let channelCounts = [0, 1, 2, 3, 4, 5, 6, 8]

    /// Reads the configuration that begins at bit `offset` of `bytes`.
    ///
    /// - Parameter limit: bits that belong to it, a sync extension included; nil for all that follow.
    public init(parsing bytes: RawSpan, atBit offset: Int = 0, limit: Int? = nil) throws(Failure) {
        var reader = BitReader(from: offset / 8)
        reader.skip(offset % 8, bytes)
        var type = Self.readObjectType(&reader, bytes)
        sampleRate = try Self.readSampleRate(&reader, bytes)
        let channelNumber = Int(reader.bits(4, bytes))
        if type == 5 || type == 29 {
            hasParametricStereo = type == 29
            extendedSampleRate = try Self.readSampleRate(&reader, bytes)
            type = Self.readObjectType(&reader, bytes)
        }
        guard !reader.isExhausted else { throw .truncated }
        guard (1...4).contains(type) else { throw .unsupportedObjectType(type) }
        objectType = type

        // GASpecificConfig (4.4.1)
        samplesPerFrame = reader.flag(bytes) ? 960 : 1_024
        if reader.flag(bytes) { reader.skip(14, bytes) }
        let hasExtension = reader.flag(bytes)
        guard !reader.isExhausted else { throw .truncated }
        guard Self.channelCounts.indices.contains(channelNumber), channelNumber > 0 else { throw .unsupportedChannels }
        channels = Self.channelCounts[channelNumber]
        if hasExtension { reader.skip(1, bytes) }
        guard !reader.isExhausted else { throw .truncated }
        bitCount = reader.bitOffset - offset
        let end = min(limit.map { offset + $0 } ?? .max, bytes.byteCount * 8)
        if extendedSampleRate == nil { readSyncExtension(&reader, bytes, end: end) }
    }

    /// SBR and PS behind a sync word, which decoders without them do not see (1.6.6.1).
    private mutating func readSyncExtension(_ reader: inout BitReader, _ bytes: RawSpan, end: Int) {
        guard end - reader.bitOffset >= 16 else { return }
        guard reader.bits(11, bytes) == 0x2B7, Self.readObjectType(&reader, bytes) == 5, reader.flag(bytes),
            let rate = try? Self.readSampleRate(&reader, bytes), !reader.isExhausted
        else { return }
        extendedSampleRate = rate
        if end - reader.bitOffset >= 12, reader.bits(11, bytes) == 0x548 { hasParametricStereo = reader.flag(bytes) }
    }

    private static func readObjectType(_ reader: inout BitReader, _ bytes: RawSpan) -> UInt8 {
        let type = UInt8(reader.bits(5, bytes))
        return type == 31 ? 32 + UInt8(reader.bits(6, bytes)) : type
    }

    private static func readSampleRate(_ reader: inout BitReader, _ bytes: RawSpan) throws(Failure) -> UInt32 {
        let index = Int(reader.bits(4, bytes))
        if index == 15 {
            let rate = reader.bits(24, bytes)
            guard !reader.isExhausted else { throw .truncated }
            guard rate > 0 else { throw .malformed }
            return rate
        }
        guard !reader.isExhausted else { throw .truncated }
        guard sampleRates.indices.contains(index) else { throw .malformed }
        return sampleRates[index]
    }
}
