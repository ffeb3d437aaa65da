import Wire

/// The profiles the stream formats tell apart (RFC 6184, table 5).
public enum H264Profile: Hashable, Sendable {
    case constrainedBaseline
    case baseline
    case main
    case extended
    case constrainedHigh
    case high
    case high10
    case high422
    case high444Predictive
    case other(UInt8)

    /// - Parameters:
    ///   - profileIDC: the `profile_idc` byte.
    ///   - constraints: the byte of `constraint_set` flags after it, set 0 in the highest bit.
    public init(profileIDC: UInt8, constraints: UInt8) {
        let set0 = constraints & 0x80 != 0
        let set1 = constraints & 0x40 != 0
        let set4And5 = constraints & 0x0C == 0x0C
        switch profileIDC {
        case 66: self = set1 ? .constrainedBaseline : .baseline
        case 77: self = set0 ? .constrainedBaseline : .main
        case 88: self = set0 && set1 ? .constrainedBaseline : .extended
        case 100: self = set4And5 ? .constrainedHigh : .high
        case 110: self = .high10
        case 122: self = .high422
        case 244: self = .high444Predictive
        default: self = .other(profileIDC)
        }
    }
}

/// What forwarding and stream descriptions need of an H.264 SPS (H.264, 7.3.2.1.1).
///
/// Left out: everything after the cropping rectangle (VUI), and scaling lists are passed over.
public struct H264SequenceParameterSet: Hashable, Sendable {
    public var profileIDC: UInt8
    public var constraints: UInt8
    public var levelIDC: UInt8
    public var resolution: VideoResolution

    public var profile: H264Profile { H264Profile(profileIDC: profileIDC, constraints: constraints) }

    /// Sixteen thousand luma samples a side: beyond level 6.2.
    private static let maximumMacroblocks: UInt32 = 1024
    private static let profilesWithChromaFormat: [UInt8] = [
        100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135,
    ]

    /// Reads an SPS NAL unit, header byte included; nil when it is truncated or describes an impossible picture.
    public init?(parsing nalUnit: RawSpan) {
        guard nalUnit.byteCount >= 4, H264NALUnitType(header: nalUnit[0]) == .sequenceParameterSet else { return nil }
        profileIDC = nalUnit[1]
        constraints = nalUnit[2]
        levelIDC = nalUnit[3]

        var reader = BitReader(from: 4, skipsEmulationPrevention: true)
        guard reader.exponentialGolomb(nalUnit) <= 31 else { return nil }
        var chromaFormat: UInt32 = 1
        var isMonochrome = false
        if Self.profilesWithChromaFormat.contains(profileIDC) {
            chromaFormat = reader.exponentialGolomb(nalUnit)
            guard chromaFormat <= 3 else { return nil }
            // Separate colour planes are coded and cropped like monochrome pictures.
            isMonochrome = chromaFormat == 0 || (chromaFormat == 3 && reader.flag(nalUnit))
            guard reader.exponentialGolomb(nalUnit) <= 6, reader.exponentialGolomb(nalUnit) <= 6 else { return nil }
            reader.skip(1, nalUnit)
            if reader.flag(nalUnit) {
                for list in 0..<(chromaFormat == 3 ? 12 : 8) where reader.flag(nalUnit) {
                    Self.skipScalingList(of: list < 6 ? 16 : 64, &reader, nalUnit)
                }
            }
        }
        guard reader.exponentialGolomb(nalUnit) <= 12 else { return nil }
        switch reader.exponentialGolomb(nalUnit) {
        case 0:
            guard reader.exponentialGolomb(nalUnit) <= 12 else { return nil }
        case 1:
            reader.skip(1, nalUnit)
            _ = reader.signedExponentialGolomb(nalUnit)
            _ = reader.signedExponentialGolomb(nalUnit)
            let cycle = reader.exponentialGolomb(nalUnit)
            guard cycle <= 255 else { return nil }
            for _ in 0..<cycle { _ = reader.signedExponentialGolomb(nalUnit) }
        case 2: break
        default: return nil
        }
        guard reader.exponentialGolomb(nalUnit) <= 16 else { return nil }
        reader.skip(1, nalUnit)

        let columns = reader.exponentialGolomb(nalUnit)
        let rows = reader.exponentialGolomb(nalUnit)
        guard columns < Self.maximumMacroblocks, rows < Self.maximumMacroblocks else { return nil }
        let codesFramesOnly = reader.flag(nalUnit)
        reader.skip(codesFramesOnly ? 1 : 2, nalUnit)
        let fields = codesFramesOnly ? 1 : 2
        var size = VideoResolution(width: (Int(columns) + 1) * 16, height: (Int(rows) + 1) * 16 * fields)
        if reader.flag(nalUnit) {
            let unitX = isMonochrome || chromaFormat == 3 ? 1 : 2
            let unitY = (isMonochrome || chromaFormat != 1 ? 1 : 2) * fields
            reader.crop(&size, unitX: unitX, unitY: unitY, nalUnit)
        }
        guard !reader.isExhausted, size.width > 0, size.height > 0 else { return nil }
        resolution = size
    }

    private static func skipScalingList(of size: Int, _ reader: inout BitReader, _ bytes: RawSpan) {
        var last: Int64 = 8
        var next: Int64 = 8
        for _ in 0..<size where !reader.isExhausted {
            if next != 0 { next = (last + reader.signedExponentialGolomb(bytes)) & 0xFF }
            if next != 0 { last = next }
        }
    }
}
