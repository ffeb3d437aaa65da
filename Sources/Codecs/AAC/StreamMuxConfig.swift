import Wire

/// How LATM multiplexes AAC (ISO/IEC 14496-3, 1.7.3): one program, one layer, frames of variable length.
public struct StreamMuxConfig: Hashable, Sendable {
    public enum Failure: Error, Hashable, Sendable {
        case truncated
        /// Several programs or layers, or frames that are not counted in bytes.
        case unsupported
        case configuration(AudioSpecificConfig.Failure)
    }

    public var audio: AudioSpecificConfig
    /// The same as it came, beginning at a byte: what decoders are set up with.
    public private(set) var audioBytes: [UInt8] = []
    /// Frames of one element.
    public var frameCount: Int
    var otherDataBits = 0
    var hasChecksum = false

    /// Reads the configuration at the start of `bytes`, as `config` in a description gives it.
    public init(parsing bytes: RawSpan) throws(Failure) {
        var reader = BitReader()
        try self.init(&reader, bytes)
    }

    init(_ reader: inout BitReader, _ bytes: RawSpan) throws(Failure) {
        let version = reader.flag(bytes)
        if version {
            // audioMuxVersionA: a syntax that is not defined.
            guard !reader.flag(bytes) else { throw .unsupported }
            _ = Self.value(&reader, bytes)
        }
        guard reader.flag(bytes) else { throw reader.isExhausted ? .truncated : .unsupported }
        frameCount = Int(reader.bits(6, bytes)) + 1
        guard reader.bits(4, bytes) == 0, reader.bits(3, bytes) == 0 else { throw .unsupported }
        let size = version ? Int(Self.value(&reader, bytes)) : nil
        guard !reader.isExhausted else { throw .truncated }
        let start = reader.bitOffset
        do throws(AudioSpecificConfig.Failure) {
            // Without a size a sync extension cannot be told from what follows.
            audio = try AudioSpecificConfig(parsing: bytes, atBit: start, limit: size ?? 0)
        } catch {
            throw .configuration(error)
        }
        let bitCount = size ?? audio.bitCount
        guard bitCount >= audio.bitCount, bitCount <= bytes.byteCount * 8 - start else { throw .truncated }
        for bit in stride(from: 0, to: bitCount, by: 8) {
            let count = min(8, bitCount - bit)
            audioBytes.append(UInt8(truncatingIfNeeded: reader.bits(count, bytes) << UInt32(8 - count)))
        }
        guard reader.bits(3, bytes) == 0 else { throw reader.isExhausted ? .truncated : .unsupported }
        reader.skip(8, bytes)
        if reader.flag(bytes) {
            if version {
                otherDataBits = Int(Self.value(&reader, bytes))
            } else {
                var hasMore = true
                while hasMore, otherDataBits < 1 << 20 {
                    hasMore = reader.flag(bytes)
                    otherDataBits = otherDataBits << 8 + Int(reader.bits(8, bytes))
                }
            }
        }
        hasChecksum = reader.flag(bytes)
        if hasChecksum { reader.skip(8, bytes) }
        guard !reader.isExhausted else { throw .truncated }
    }

    /// LatmGetValue (1.7.3.2).
    private static func value(_ reader: inout BitReader, _ bytes: RawSpan) -> UInt32 {
        let count = reader.bits(2, bytes)
        var value: UInt32 = 0
        for _ in 0...count { value = value << 8 | reader.bits(8, bytes) }
        return value
    }
}

/// AAC frames out of AudioMuxElements (ISO/IEC 14496-3, 1.7.3).
public struct LATMReader: Hashable, Sendable {
    /// As it was announced, or as the latest element that has one tells; nil before both.
    public private(set) var configuration: StreamMuxConfig?
    /// Whether each element says whether it has a configuration (`cpresent=1`).
    private let isInBand: Bool

    public init(configuration: StreamMuxConfig?, isInBand: Bool) {
        self.configuration = configuration
        self.isInBand = isInBand
    }

    /// The frames of one element, copied, because with `cpresent=1` they do not begin at byte boundaries.
    ///
    /// - Returns: nothing while no configuration is known.
    public mutating func frames(in element: RawSpan) throws(StreamMuxConfig.Failure) -> [[UInt8]] {
        var reader = BitReader()
        if isInBand, !reader.flag(element) {
            guard !reader.isExhausted else { throw .truncated }
            configuration = try StreamMuxConfig(&reader, element)
        }
        guard let configuration else { return [] }
        var frames: [[UInt8]] = []
        for _ in 0..<configuration.frameCount {
            var size = 0
            var byte: UInt32 = 255
            while byte == 255, !reader.isExhausted {
                byte = reader.bits(8, element)
                size += Int(byte)
            }
            guard !reader.isExhausted, size <= element.byteCount - reader.bitOffset / 8 else { throw .truncated }
            var frame: [UInt8] = []
            frame.reserveCapacity(size)
            for _ in 0..<size { frame.append(UInt8(reader.bits(8, element))) }
            guard !reader.isExhausted else { throw .truncated }
            frames.append(frame)
        }
        return frames
    }
}
