public import Codecs
public import Wire

/// The VP9 payload descriptor (RFC 9628, section 4.2).
///
///      0 1 2 3 4 5 6 7
///     +-+-+-+-+-+-+-+-+
///     |I|P|L|F|B|E|V|Z|
///     |M| PICTURE ID  |  when I, 7 or 15 bits
///     | TID |U| SID |D|  when L
///     |   TL0PICIDX   |  when L and not F
///     |   P_DIFF    |N|  when F and P, up to 3
///     |      SS       |  when V
///
/// Offsets count from the start of the payload. Left out: the picture group of the scalability structure is
/// checked and passed over.
public struct VP9PayloadDescriptor: Hashable, Sendable {
    public var isInterPicturePredicted: Bool
    public var isFlexible: Bool
    public var startsFrame: Bool
    public var endsFrame: Bool
    /// Frames of higher spatial layers do not refer to this one.
    public var isNotReferencedByUpperLayers: Bool
    public var pictureID: UInt16?
    /// Whether the picture id takes two bytes, 15 bits of them.
    public var hasLongPictureID = false
    public var pictureIDOffset: Int?
    public var temporalLayer: UInt8?
    public var spatialLayer: UInt8?
    /// A viewer may switch up to this temporal layer here.
    public var isSwitchingPoint = false
    public var dependsOnLowerSpatialLayer = false
    public var temporalLevelZeroIndex: UInt8?
    public var temporalLevelZeroIndexOffset: Int?
    /// How many pictures back this one refers in flexible mode; unused places are 0.
    public var referenceDifferences: (UInt8, UInt8, UInt8) {
        (UInt8(references >> 16 & 0xFF), UInt8(references >> 8 & 0xFF), UInt8(references & 0xFF))
    }
    private var references: UInt32 = 0
    public var hasScalabilityStructure: Bool
    /// Where the scalability structure begins; it is the descriptor's end.
    public var scalabilityStructureOffset: Int?
    /// Where the sizes of the spatial layers lie, four bytes each; nil where they are not told.
    public var layerSizesOffset: Int?
    /// Spatial layers of the scalability structure: 1–8.
    public var spatialLayerCount: UInt8?
    /// Size of the highest spatial layer in the scalability structure, where it tells sizes.
    public var resolution: VideoResolution?
    /// Bytes of the descriptor.
    public var size: Int

    private static let maximumReferences = 3

    /// Whether this payload begins a picture that refers to no other: decoding can begin here.
    public var startsKeyframe: Bool {
        startsFrame && !isInterPicturePredicted && !dependsOnLowerSpatialLayer && spatialLayer ?? 0 == 0
    }

    /// - Throws: ``WireError`` when the descriptor promises bytes that are not there, or more than 3 references.
    public init(parsing payload: RawSpan) throws(WireError) {
        var reader = ByteReader(payload)
        let first = try reader.read(UInt8.self)
        isInterPicturePredicted = first & 0x40 != 0
        let hasLayers = first & 0x20 != 0
        isFlexible = first & 0x10 != 0
        startsFrame = first & 0x08 != 0
        endsFrame = first & 0x04 != 0
        hasScalabilityStructure = first & 0x02 != 0
        isNotReferencedByUpperLayers = first & 0x01 != 0
        size = 0
        if first & 0x80 != 0 {
            pictureIDOffset = reader.offset
            let short = try reader.read(UInt8.self)
            hasLongPictureID = short & 0x80 != 0
            pictureID =
                hasLongPictureID ? UInt16(short & 0x7F) << 8 | UInt16(try reader.read(UInt8.self)) : UInt16(short)
        }
        if hasLayers {
            let byte = try reader.read(UInt8.self)
            temporalLayer = byte >> 5
            isSwitchingPoint = byte & 0x10 != 0
            spatialLayer = byte >> 1 & 0x07
            dependsOnLowerSpatialLayer = byte & 0x01 != 0
            if !isFlexible {
                temporalLevelZeroIndexOffset = reader.offset
                temporalLevelZeroIndex = try reader.read()
            }
        }
        if isFlexible, isInterPicturePredicted {
            var count = 0
            var hasMore = true
            while hasMore {
                guard count < Self.maximumReferences else { throw .malformed("VP9 reference count") }
                let byte = try reader.read(UInt8.self)
                references |= UInt32(byte >> 1) << UInt32(16 - 8 * count)
                hasMore = byte & 0x01 != 0
                count += 1
            }
        }
        if hasScalabilityStructure {
            scalabilityStructureOffset = reader.offset
            try readScalabilityStructure(&reader)
        }
        size = reader.offset
    }

    private mutating func readScalabilityStructure(_ reader: inout ByteReader) throws(WireError) {
        let head = try reader.read(UInt8.self)
        let layers = (head >> 5) + 1
        spatialLayerCount = layers
        if head & 0x10 != 0 {
            layerSizesOffset = reader.offset
            for _ in 0..<layers {
                let width = Int(try reader.read(UInt16.self))
                let height = Int(try reader.read(UInt16.self))
                // A layer that is not sent has the size zero.
                if width > 0, height > 0 { resolution = VideoResolution(width: width, height: height) }
            }
        }
        if head & 0x08 != 0 {
            for _ in 0..<(try reader.read(UInt8.self)) {
                let references = try reader.read(UInt8.self) >> 2 & 0x03
                try reader.skip(Int(references))
            }
        }
    }

    /// The size of a spatial layer in the scalability structure of `payload`; nil where it is not told or the layer is
    /// not sent.
    public func resolution(ofSpatialLayer layer: Int, in payload: RawSpan) -> VideoResolution? {
        guard let offset = layerSizesOffset, layer >= 0, layer < Int(spatialLayerCount ?? 0),
            let width = payload.integer(at: offset + 4 * layer, as: UInt16.self),
            let height = payload.integer(at: offset + 4 * layer + 2, as: UInt16.self), width > 0, height > 0
        else { return nil }
        return VideoResolution(width: Int(width), height: Int(height))
    }

    /// Writes a new picture id, and TL0PICIDX where present, over those the descriptor has, cut to their fields.
    ///
    /// - Parameters:
    ///   - packet: holds a copy of the payload this descriptor was read from.
    ///   - payloadOffset: where that payload begins in `packet`.
    public func rewrite(
        pictureID: UInt16, temporalLevelZeroIndex: UInt8, in packet: inout OutputRawSpan, payloadOffset: Int
    ) {
        guard payloadOffset >= 0, payloadOffset + size <= packet.byteCount else { return }
        if let offset = pictureIDOffset {
            packet.set(pictureID: pictureID, isLong: hasLongPictureID, at: payloadOffset + offset)
        }
        if let offset = temporalLevelZeroIndexOffset {
            packet.set(bigEndian: temporalLevelZeroIndex, at: payloadOffset + offset)
        }
    }
}
