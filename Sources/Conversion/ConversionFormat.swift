/// What a conversion is fed with.
///
/// Raw values are the wire's.
public enum ConversionCodec: UInt8, Hashable, Sendable, CaseIterable {
    /// Raw access units, no transport headers; the configuration is an AudioSpecificConfig.
    case aac = 1
    /// AudioMuxElements without their configuration (`cpresent=0`); the configuration is a StreamMuxConfig.
    case aacLATM = 2
    /// AudioMuxElements that say themselves whether they have a configuration (`cpresent=1`); a StreamMuxConfig may be
    /// given beforehand.
    case aacLATMInBand = 3
    /// MPEG-1 and MPEG-2 audio, layer I–III, without the header of RFC 2250; one frame each.
    case mpegAudio = 4
    /// A sync frame each.
    case ac3 = 5
    /// A sync frame each, its dependent substreams behind it.
    case eac3 = 6
    /// Big-endian samples of 16 bits, channels interleaved; the clock rate is the rate of sampling.
    case l16 = 7
    /// The same with 24 bits.
    case l24 = 8
    case pcmu = 9
    case pcma = 10
    /// The clock rate is 8000 and the rate of sampling 16 000 (RFC 3551, section 4.5.2).
    case g722 = 11
}

/// What is converted, and into what.
public struct ConversionFormat: Hashable, Sendable {
    public var codec: ConversionCodec
    /// Of the frames' timestamps, in Hz.
    public var clockRate: UInt32
    /// As it was announced; 0 where nothing was, which L16, L24 and the codecs of telephony do not allow.
    public var channels: UInt8
    /// See ``ConversionCodec``; empty where there is none.
    public var configuration: [UInt8]
    /// Of the Opus packets, in bit/s.
    public var bitRate: UInt32

    public static let clockRates: ClosedRange<UInt32> = 1_000...192_000
    public static let maximumChannels: UInt8 = 8
    public static let maximumConfigurationSize = 1_024
    public static let bitRates: ClosedRange<UInt32> = 6_000...510_000
    public static let defaultBitRate: UInt32 = 96_000

    public init(
        codec: ConversionCodec, clockRate: UInt32, channels: UInt8, configuration: [UInt8] = [],
        bitRate: UInt32 = Self.defaultBitRate
    ) {
        self.codec = codec
        self.clockRate = clockRate
        self.channels = channels
        self.configuration = configuration
        self.bitRate = bitRate
    }

    func check() throws(ConversionError) {
        guard Self.clockRates.contains(clockRate) else { throw .outOfRange(.clockRate) }
        guard channels <= Self.maximumChannels else { throw .outOfRange(.channels) }
        guard configuration.count <= Self.maximumConfigurationSize else { throw .outOfRange(.configuration) }
        guard Self.bitRates.contains(bitRate) else { throw .outOfRange(.bitRate) }
        switch codec {
        case .aac, .aacLATM: guard !configuration.isEmpty else { throw .outOfRange(.configuration) }
        case .l16, .l24, .pcmu, .pcma, .g722: guard channels > 0 else { throw .outOfRange(.channels) }
        case .aacLATMInBand, .mpegAudio, .ac3, .eac3: break
        }
    }
}
