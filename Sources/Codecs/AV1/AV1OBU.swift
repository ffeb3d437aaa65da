import Wire

/// The type of an AV1 open bitstream unit (AV1 specification, 6.2.2).
public struct AV1OBUType: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8

    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let sequenceHeader = AV1OBUType(rawValue: 1)
    public static let temporalDelimiter = AV1OBUType(rawValue: 2)
    public static let frameHeader = AV1OBUType(rawValue: 3)
    public static let tileGroup = AV1OBUType(rawValue: 4)
    public static let metadata = AV1OBUType(rawValue: 5)
    public static let frame = AV1OBUType(rawValue: 6)
    public static let redundantFrameHeader = AV1OBUType(rawValue: 7)
    public static let tileList = AV1OBUType(rawValue: 8)
    public static let padding = AV1OBUType(rawValue: 15)
}

/// The header of one OBU (AV1 specification, 5.3.2 and 5.3.3).
public struct AV1OBUHeader: Hashable, Sendable {
    public var type: AV1OBUType
    public var hasSizeField: Bool
    /// Known when the header has an extension.
    public var temporalLayer: UInt8?
    public var spatialLayer: UInt8?

    /// Bytes of the header, extension included, size field not.
    public var size: Int { temporalLayer == nil ? 1 : 2 }

    /// Reads the header at the start of `obu`; nil when it is truncated or has its forbidden bit set.
    public init?(parsing obu: RawSpan) {
        guard let first = obu.integer(at: 0, as: UInt8.self), first & 0x80 == 0 else { return nil }
        type = AV1OBUType(rawValue: first >> 3 & 0x0F)
        hasSizeField = first & 0x02 != 0
        guard first & 0x04 != 0 else { return }
        guard let second = obu.integer(at: 1, as: UInt8.self) else { return nil }
        temporalLayer = second >> 5
        spatialLayer = second >> 3 & 0x03
    }
}

/// One OBU of a sequence of them, as offsets.
public struct AV1OBU: Hashable, Sendable {
    public var header: AV1OBUHeader
    /// The whole unit, header and size field included.
    public var unit: Range<Int>
    /// What follows header and size field.
    public var payload: Range<Int>

    /// Reads the OBU at `offset`, which ends where its size field says or else with the bytes.
    ///
    /// Walk a temporal unit by reading on at `unit.upperBound`. Nil at the end and at anything malformed.
    public init?(parsing bytes: RawSpan, at offset: Int) {
        guard offset >= 0, offset < bytes.byteCount,
            let header = AV1OBUHeader(parsing: bytes.extracting(offset..<bytes.byteCount))
        else { return nil }
        self.header = header
        var start = offset + header.size
        var end = bytes.byteCount
        if header.hasSizeField {
            guard let size = LEB128(parsing: bytes, at: start), size.value <= UInt64(bytes.byteCount) else {
                return nil
            }
            start += size.size
            end = start + Int(size.value)
        }
        guard start <= end, end <= bytes.byteCount else { return nil }
        unit = offset..<end
        payload = start..<end
    }
}

/// A little-endian number of seven bits a byte (AV1 specification, 4.10.5).
public struct LEB128: Hashable, Sendable {
    public var value: UInt64
    /// Bytes it took: 1–8.
    public var size: Int

    /// Nil when it is truncated, longer than eight bytes or above 2³²−1.
    public init?(parsing bytes: RawSpan, at offset: Int) {
        value = 0
        size = 0
        while size < 8 {
            guard let byte = bytes.integer(at: offset + size, as: UInt8.self) else { return nil }
            value |= UInt64(byte & 0x7F) << UInt64(7 * size)
            size += 1
            if byte & 0x80 == 0 {
                guard value <= UInt64(UInt32.max) else { return nil }
                return
            }
        }
        return nil
    }
}
