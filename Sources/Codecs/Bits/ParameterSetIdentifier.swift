import Wire

/// The number by which slices refer to a parameter set. One with the number of an earlier one takes its place.
public enum ParameterSetIdentifier {
    /// Of an H.264 SPS or PPS NAL unit (H.264, 7.3.2.1.1 and 7.3.2.2); nil for others and truncated ones.
    public static func h264(_ nalUnit: RawSpan) -> UInt32? {
        guard let header = nalUnit.integer(at: 0, as: UInt8.self) else { return nil }
        var reader: BitReader
        switch H264NALUnitType(header: header) {
        // After profile, constraints and level.
        case .sequenceParameterSet: reader = BitReader(from: 4, skipsEmulationPrevention: true)
        case .pictureParameterSet: reader = BitReader(from: 1, skipsEmulationPrevention: true)
        default: return nil
        }
        let number = reader.exponentialGolomb(nalUnit)
        return reader.isExhausted ? nil : number
    }

    /// Of an H.265 VPS, SPS or PPS NAL unit (H.265, 7.3.2.1–7.3.2.3); nil for others and truncated ones.
    public static func h265(_ nalUnit: RawSpan) -> UInt32? {
        guard let header = nalUnit.integer(at: 0, as: UInt8.self) else { return nil }
        var reader = BitReader(from: 2, skipsEmulationPrevention: true)
        let number: UInt32
        switch H265NALUnitType(header: header) {
        case .videoParameterSet: number = reader.bits(4, nalUnit)
        case .sequenceParameterSet:
            reader.skip(4, nalUnit)
            let subLayers = Int(reader.bits(3, nalUnit))
            reader.skip(1 + 88 + 8, nalUnit)
            let present = reader.bits(subLayers > 0 ? 16 : 0, nalUnit)
            for layer in 0..<subLayers {
                if present >> UInt32(15 - 2 * layer) & 1 == 1 { reader.skip(88, nalUnit) }
                if present >> UInt32(14 - 2 * layer) & 1 == 1 { reader.skip(8, nalUnit) }
            }
            number = reader.exponentialGolomb(nalUnit)
        case .pictureParameterSet: number = reader.exponentialGolomb(nalUnit)
        default: return nil
        }
        return reader.isExhausted ? nil : number
    }
}
