/// The type of an H.265 NAL unit (H.265, table 7-1) or of an RTP payload structure (RFC 7798, section 4.4).
public struct H265NALUnitType: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8

    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// - Parameter header: the first of the two header bytes of a NAL unit.
    @inlinable public init(header: UInt8) { rawValue = header >> 1 & 0x3F }

    public static let videoParameterSet = H265NALUnitType(rawValue: 32)
    public static let sequenceParameterSet = H265NALUnitType(rawValue: 33)
    public static let pictureParameterSet = H265NALUnitType(rawValue: 34)
    public static let accessUnitDelimiter = H265NALUnitType(rawValue: 35)
    public static let endOfSequence = H265NALUnitType(rawValue: 36)
    public static let endOfBitstream = H265NALUnitType(rawValue: 37)
    public static let fillerData = H265NALUnitType(rawValue: 38)
    public static let prefixSupplementalEnhancement = H265NALUnitType(rawValue: 39)
    public static let aggregation = H265NALUnitType(rawValue: 48)
    public static let fragmentation = H265NALUnitType(rawValue: 49)

    /// The end of a sequence or of the bitstream, which is a header and nothing else: the next picture begins anew.
    @inlinable public var endsSequence: Bool { self == .endOfSequence || self == .endOfBitstream }

    /// A delimiter or filler: nothing that is decoded.
    @inlinable public var isFiller: Bool { self == .accessUnitDelimiter || self == .fillerData }

    /// A coded slice segment: types 0–31.
    @inlinable public var isSlice: Bool { rawValue < 32 }

    /// A slice of a picture at which decoding can begin: BLA, IDR, CRA and the two reserved types.
    @inlinable public var isRandomAccess: Bool { (16...23).contains(rawValue) }

    /// A slice of an IDR picture: types 19 and 20.
    @inlinable public var isIDR: Bool { rawValue == 19 || rawValue == 20 }

    /// A slice of a picture with which another stream begins (BLA): types 16–18.
    @inlinable public var isBrokenLink: Bool { (16...18).contains(rawValue) }

    /// A slice of a random access picture that RASL pictures may follow: CRA, and BLA with leading pictures.
    @inlinable public var mayHaveSkippedLeading: Bool { rawValue == 16 || rawValue == 21 }

    /// A slice of a picture that is shown before the random access picture that it follows: RASL, which refers to what came
    /// before that picture, and RADL, which does not.
    @inlinable public var isSkippedLeading: Bool { rawValue == 8 || rawValue == 9 }
    @inlinable public var isDecodableLeading: Bool { rawValue == 6 || rawValue == 7 }

    /// A parameter set of any of the three kinds.
    @inlinable public var isParameterSet: Bool { (32...34).contains(rawValue) }

    /// A slice no picture of the same temporal sub-layer refers to.
    @inlinable public var isSubLayerNonReference: Bool { rawValue < 16 && rawValue & 1 == 0 }

    /// Whether a unit of this type can only stand before the slices of its access unit (H.265, 7.4.2.4.4).
    @inlinable public var precedesSlices: Bool {
        (32...35).contains(rawValue) || rawValue == 39 || (41...44).contains(rawValue)
    }
}
