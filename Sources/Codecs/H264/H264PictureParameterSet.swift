import Wire

/// What slice headers need of an H.264 PPS (H.264, 7.3.2.2).
///
/// Left out: quantization and everything after `redundant_pic_cnt_present_flag`.
public struct H264PictureParameterSet: Hashable, Sendable {
    public var identifier: UInt8
    public var sequenceParameterSet: UInt8
    /// Slices of frames tell the order of both fields.
    public var tellsFieldOrder: Bool
    /// Entries of the two reference lists where a slice does not say otherwise.
    public var referenceCounts: (Int, Int) { (Int(firstReferenceCount), Int(secondReferenceCount)) }
    private var firstReferenceCount: UInt8
    private var secondReferenceCount: UInt8
    public var weightsPredictions: Bool
    /// 0–2; 1 is the one with tables.
    public var weightedBiprediction: UInt8
    public var mayHaveRedundantPictures: Bool

    /// Reads a PPS NAL unit, header byte included; nil when it is truncated or holds what it must not.
    public init?(parsing nalUnit: RawSpan) {
        guard let header = nalUnit.integer(at: 0, as: UInt8.self),
            H264NALUnitType(header: header) == .pictureParameterSet
        else { return nil }
        var reader = BitReader(from: 1, skipsEmulationPrevention: true)
        let number = reader.exponentialGolomb(nalUnit)
        let sequence = reader.exponentialGolomb(nalUnit)
        guard number <= 255, sequence <= 31 else { return nil }
        identifier = UInt8(number)
        sequenceParameterSet = UInt8(sequence)
        reader.skip(1, nalUnit)
        tellsFieldOrder = reader.flag(nalUnit)
        let groups = reader.exponentialGolomb(nalUnit)
        guard groups <= 7 else { return nil }
        if groups > 0 { guard Self.skipSliceGroups(Int(groups) + 1, &reader, nalUnit) else { return nil } }
        let first = reader.exponentialGolomb(nalUnit)
        let second = reader.exponentialGolomb(nalUnit)
        guard first <= 31, second <= 31 else { return nil }
        firstReferenceCount = UInt8(first) + 1
        secondReferenceCount = UInt8(second) + 1
        weightsPredictions = reader.flag(nalUnit)
        weightedBiprediction = UInt8(reader.bits(2, nalUnit))
        for _ in 0..<3 { _ = reader.signedExponentialGolomb(nalUnit) }
        reader.skip(2, nalUnit)
        mayHaveRedundantPictures = reader.flag(nalUnit)
        guard !reader.isExhausted, weightedBiprediction <= 2 else { return nil }
    }

    private static func skipSliceGroups(_ count: Int, _ reader: inout BitReader, _ bytes: RawSpan) -> Bool {
        switch reader.exponentialGolomb(bytes) {
        case 0:
            for _ in 0..<count { _ = reader.exponentialGolomb(bytes) }
        case 1: break
        case 2:
            for _ in 0..<2 * (count - 1) { _ = reader.exponentialGolomb(bytes) }
        case 3, 4, 5:
            reader.skip(1, bytes)
            _ = reader.exponentialGolomb(bytes)
        case 6:
            let units = reader.exponentialGolomb(bytes)
            let bits = count > 4 ? 3 : count > 2 ? 2 : 1
            guard Int(units) < bytes.byteCount * 8 else { return false }
            reader.skip((Int(units) + 1) * bits, bytes)
        default: return false
        }
        return !reader.isExhausted
    }
}
