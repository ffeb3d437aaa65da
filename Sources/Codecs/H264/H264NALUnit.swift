/// The type of an H.264 NAL unit (H.264, table 7-1) or of an RTP payload structure (RFC 6184, table 1).
public struct H264NALUnitType: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8

    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// - Parameter header: the first byte of a NAL unit.
    @inlinable public init(header: UInt8) { rawValue = header & 0x1F }

    public static let nonIDRSlice = H264NALUnitType(rawValue: 1)
    public static let dataPartitionA = H264NALUnitType(rawValue: 2)
    public static let idrSlice = H264NALUnitType(rawValue: 5)
    public static let supplementalEnhancement = H264NALUnitType(rawValue: 6)
    public static let sequenceParameterSet = H264NALUnitType(rawValue: 7)
    public static let pictureParameterSet = H264NALUnitType(rawValue: 8)
    public static let accessUnitDelimiter = H264NALUnitType(rawValue: 9)
    public static let fillerData = H264NALUnitType(rawValue: 12)
    public static let singleTimeAggregationA = H264NALUnitType(rawValue: 24)
    public static let fragmentationA = H264NALUnitType(rawValue: 28)

    /// A delimiter or filler: nothing that is decoded.
    @inlinable public var isFiller: Bool { self == .accessUnitDelimiter || self == .fillerData }

    /// A coded slice or slice partition: types 1–5.
    @inlinable public var isSlice: Bool { (1...5).contains(rawValue) }

    /// Whether a unit of this type can only stand before the slices of its access unit (H.264, 7.4.1.2.3).
    @inlinable public var precedesSlices: Bool { (6...9).contains(rawValue) || (14...18).contains(rawValue) }
}
