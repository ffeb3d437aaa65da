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

/// What forwarding, stream descriptions and the order of pictures need of an H.264 SPS (H.264, 7.3.2.1.1).
///
/// Left out: scaling lists and the cycle of `pic_order_cnt_type` 1, which are passed over.
public struct H264SequenceParameterSet: Hashable, Sendable {
    /// How slices tell when their picture is shown: `pic_order_cnt_type` 0, 1 and 2 (8.2.1).
    public enum PictureOrder: Hashable, Sendable {
        /// By a counter of so many bits.
        case counter(bits: Int)
        /// By deviations from a cycle that the SPS sets out.
        case cycle(deviationsAreZero: Bool)
        /// As they are decoded.
        case decodingOrder
    }

    public var identifier: UInt8
    public var profileIDC: UInt8
    public var constraints: UInt8
    public var levelIDC: UInt8
    public var resolution: VideoResolution
    /// 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    public var chromaFormat: UInt8 = 1
    /// Each colour is coded as a monochrome picture.
    public var hasSeparatePlanes = false
    public var frameNumberBits: Int
    public var pictureOrder: PictureOrder
    /// No field is coded on its own.
    public var codesFramesOnly: Bool
    /// nil when there is none, or when it cannot be read.
    public var usability: H264VideoUsability?

    public var profile: H264Profile { H264Profile(profileIDC: profileIDC, constraints: constraints) }

    /// How many frames may precede a frame in decoding order and follow it in output order; nil where the SPS does not
    /// tell (E.2.1, `max_num_reorder_frames`).
    public var reorderDepth: Int? {
        if let told = usability?.reorderDepth { return told }
        // No profile but the Baseline profile is without pictures that refer to later ones.
        if pictureOrder == .decodingOrder || profileIDC == 66 { return 0 }
        let mayBeIntraOnly = [44, 86, 100, 110, 122, 244].contains(profileIDC)
        return mayBeIntraOnly && constraints & 0x10 != 0 ? 0 : nil
    }

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
        let number = reader.exponentialGolomb(nalUnit)
        guard number <= 31 else { return nil }
        identifier = UInt8(number)
        if Self.profilesWithChromaFormat.contains(profileIDC) {
            let format = reader.exponentialGolomb(nalUnit)
            guard format <= 3 else { return nil }
            chromaFormat = UInt8(format)
            hasSeparatePlanes = format == 3 && reader.flag(nalUnit)
            guard reader.exponentialGolomb(nalUnit) <= 6, reader.exponentialGolomb(nalUnit) <= 6 else { return nil }
            reader.skip(1, nalUnit)
            if reader.flag(nalUnit) {
                for list in 0..<(chromaFormat == 3 ? 12 : 8) where reader.flag(nalUnit) {
                    Self.skipScalingList(of: list < 6 ? 16 : 64, &reader, nalUnit)
                }
            }
        }
        let frameNumberBits = reader.exponentialGolomb(nalUnit)
        guard frameNumberBits <= 12 else { return nil }
        self.frameNumberBits = Int(frameNumberBits) + 4
        guard let pictureOrder = Self.readPictureOrder(&reader, nalUnit) else { return nil }
        self.pictureOrder = pictureOrder
        guard reader.exponentialGolomb(nalUnit) <= 16 else { return nil }
        reader.skip(1, nalUnit)

        let columns = reader.exponentialGolomb(nalUnit)
        let rows = reader.exponentialGolomb(nalUnit)
        guard columns < Self.maximumMacroblocks, rows < Self.maximumMacroblocks else { return nil }
        codesFramesOnly = reader.flag(nalUnit)
        reader.skip(codesFramesOnly ? 1 : 2, nalUnit)
        let fields = codesFramesOnly ? 1 : 2
        var size = VideoResolution(width: (Int(columns) + 1) * 16, height: (Int(rows) + 1) * 16 * fields)
        if reader.flag(nalUnit) {
            // Separate colour planes are coded and cropped like monochrome pictures.
            let isMonochrome = chromaFormat == 0 || hasSeparatePlanes
            let unitX = isMonochrome || chromaFormat == 3 ? 1 : 2
            let unitY = (isMonochrome || chromaFormat != 1 ? 1 : 2) * fields
            reader.crop(&size, unitX: unitX, unitY: unitY, nalUnit)
        }
        guard !reader.isExhausted, size.width > 0, size.height > 0 else { return nil }
        resolution = size
        if reader.flag(nalUnit) { usability = H264VideoUsability(&reader, nalUnit) }
    }

    private static func readPictureOrder(_ reader: inout BitReader, _ bytes: RawSpan) -> PictureOrder? {
        switch reader.exponentialGolomb(bytes) {
        case 0:
            let bits = reader.exponentialGolomb(bytes)
            return bits <= 12 ? .counter(bits: Int(bits) + 4) : nil
        case 1:
            let deviationsAreZero = reader.flag(bytes)
            _ = reader.signedExponentialGolomb(bytes)
            _ = reader.signedExponentialGolomb(bytes)
            let cycle = reader.exponentialGolomb(bytes)
            guard cycle <= 255 else { return nil }
            for _ in 0..<cycle { _ = reader.signedExponentialGolomb(bytes) }
            return .cycle(deviationsAreZero: deviationsAreZero)
        case 2: return .decodingOrder
        default: return nil
        }
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
