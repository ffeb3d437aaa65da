import Wire

/// What forwarding, stream descriptions and the order of pictures need of an H.265 SPS (H.265, 7.3.2.2.1).
///
/// Left out: everything after the ordering of pictures.
public struct H265SequenceParameterSet: Hashable, Sendable {
    public var profileIDC: UInt8
    /// Main tier when false.
    public var isHighTier: Bool
    /// Thirty times the level number.
    public var levelIDC: UInt8
    public var resolution: VideoResolution
    public var identifier: UInt8
    public var hasSeparatePlanes: Bool
    /// Of `slice_pic_order_cnt_lsb`; nil where the SPS ends before it or tells what cannot be.
    public var orderCountBits: Int?
    /// How many pictures may precede a picture in decoding order and follow it in output order
    /// (`sps_max_num_reorder_pics` of all sub-layers); nil where the SPS ends before it or tells what cannot be.
    public var reorderDepth: Int?

    private static let maximumSide: UInt32 = 16_888

    /// Reads an SPS NAL unit, its two header bytes included; nil when it is truncated or impossible.
    public init?(parsing nalUnit: RawSpan) {
        guard nalUnit.byteCount >= 4, H265NALUnitType(header: nalUnit[0]) == .sequenceParameterSet else { return nil }
        var reader = BitReader(from: 2, skipsEmulationPrevention: true)
        reader.skip(4, nalUnit)
        let subLayers = Int(reader.bits(3, nalUnit))
        guard subLayers <= 6 else { return nil }
        reader.skip(1, nalUnit)

        // profile_tier_level (7.3.3)
        reader.skip(2, nalUnit)
        isHighTier = reader.flag(nalUnit)
        profileIDC = UInt8(reader.bits(5, nalUnit))
        reader.skip(32 + 48, nalUnit)
        levelIDC = UInt8(reader.bits(8, nalUnit))
        let present = reader.bits(subLayers > 0 ? 16 : 0, nalUnit)
        for layer in 0..<subLayers {
            if present >> UInt32(15 - 2 * layer) & 1 == 1 { reader.skip(88, nalUnit) }
            if present >> UInt32(14 - 2 * layer) & 1 == 1 { reader.skip(8, nalUnit) }
        }

        let number = reader.exponentialGolomb(nalUnit)
        guard number <= 15 else { return nil }
        identifier = UInt8(number)
        let chromaFormat = reader.exponentialGolomb(nalUnit)
        guard chromaFormat <= 3 else { return nil }
        hasSeparatePlanes = chromaFormat == 3 && reader.flag(nalUnit)
        let width = reader.exponentialGolomb(nalUnit)
        let height = reader.exponentialGolomb(nalUnit)
        guard (1...Self.maximumSide).contains(width), (1...Self.maximumSide).contains(height) else { return nil }
        var size = VideoResolution(width: Int(width), height: Int(height))
        if reader.flag(nalUnit) {
            let unitX = !hasSeparatePlanes && (chromaFormat == 1 || chromaFormat == 2) ? 2 : 1
            let unitY = !hasSeparatePlanes && chromaFormat == 1 ? 2 : 1
            reader.crop(&size, unitX: unitX, unitY: unitY, nalUnit)
        }
        guard !reader.isExhausted, size.width > 0, size.height > 0 else { return nil }
        resolution = size
        // The resolution holds whatever stands behind it.
        guard reader.exponentialGolomb(nalUnit) <= 8, reader.exponentialGolomb(nalUnit) <= 8 else { return }
        let bits = reader.exponentialGolomb(nalUnit)
        guard bits <= 12, !reader.isExhausted else { return }
        orderCountBits = Int(bits) + 4
        // Where only one set is told it holds for all sub-layers; the last is that of the highest.
        for _ in 0...(reader.flag(nalUnit) ? subLayers : 0) {
            let size = reader.exponentialGolomb(nalUnit)
            let depth = reader.exponentialGolomb(nalUnit)
            _ = reader.exponentialGolomb(nalUnit)
            reorderDepth = depth <= size && depth <= 16 && !reader.isExhausted ? Int(depth) : nil
        }
    }
}
