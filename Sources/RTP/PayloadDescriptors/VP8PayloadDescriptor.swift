import Codecs
public import Wire

/// The VP8 payload descriptor (RFC 7741, section 4.2) and where its numbers lie, so that they can be rewritten.
///
///      0 1 2 3 4 5 6 7
///     +-+-+-+-+-+-+-+-+
///     |X|R|N|S|R| PID |
///     |I|L|T|K|  RSV  |  when X
///     |M| PictureID   |  when I, 7 or 15 bits
///     |   TL0PICIDX   |  when L
///     |TID|Y| KEYIDX  |  when T or K
///
/// Offsets count from the start of the payload.
public struct VP8PayloadDescriptor: Hashable, Sendable {
    /// No other frame refers to this one.
    public var isNonReference: Bool
    public var startsPartition: Bool
    public var partitionIndex: UInt8
    public var pictureID: UInt16?
    /// Whether PictureID takes two bytes, 15 bits of them.
    public var hasLongPictureID = false
    public var pictureIDOffset: Int?
    public var temporalLevelZeroIndex: UInt8?
    public var temporalLevelZeroIndexOffset: Int?
    public var temporalLayer: UInt8?
    /// The frame depends on temporal layer 0 alone, so a viewer may begin to receive its layer here.
    public var isLayerSync = false
    public var keyIndex: UInt8?
    /// The byte KEYIDX shares with TID and Y.
    public var keyIndexOffset: Int?
    /// Bytes of the descriptor.
    public var size: Int
    /// Whether this payload begins a keyframe; false also when nothing follows the descriptor.
    public var startsKeyframe = false

    /// Whether this payload begins a frame.
    public var startsFrame: Bool { startsPartition && partitionIndex == 0 }

    /// - Throws: ``WireError/truncated(at:)`` when the descriptor promises bytes that are not there.
    public init(parsing payload: RawSpan) throws(WireError) {
        var reader = ByteReader(payload)
        let first = try reader.read(UInt8.self)
        isNonReference = first & 0x20 != 0
        startsPartition = first & 0x10 != 0
        partitionIndex = first & 0x07
        let flags: UInt8 = first & 0x80 != 0 ? try reader.read() : 0
        if flags & 0x80 != 0 {
            pictureIDOffset = reader.offset
            let short = try reader.read(UInt8.self)
            hasLongPictureID = short & 0x80 != 0
            pictureID =
                hasLongPictureID ? UInt16(short & 0x7F) << 8 | UInt16(try reader.read(UInt8.self)) : UInt16(short)
        }
        if flags & 0x40 != 0 {
            temporalLevelZeroIndexOffset = reader.offset
            temporalLevelZeroIndex = try reader.read()
        }
        if flags & 0x30 != 0 {
            let offset = reader.offset
            let byte = try reader.read(UInt8.self)
            if flags & 0x20 != 0 {
                temporalLayer = byte >> 6
                isLayerSync = byte & 0x20 != 0
            }
            if flags & 0x10 != 0 {
                keyIndexOffset = offset
                keyIndex = byte & 0x1F
            }
        }
        size = reader.offset
        if startsFrame, let frame = payload.integer(at: size, as: UInt8.self) { startsKeyframe = frame & 1 == 0 }
    }

    /// Writes new numbers over those the descriptor has; numbers it lacks stay absent, and each is cut to its field.
    ///
    /// - Parameters:
    ///   - packet: holds a copy of the payload this descriptor was read from.
    ///   - payloadOffset: where that payload begins in `packet`.
    public func rewrite(
        pictureID: UInt16, temporalLevelZeroIndex: UInt8, keyIndex: UInt8, in packet: inout OutputRawSpan,
        payloadOffset: Int
    ) {
        guard payloadOffset >= 0, payloadOffset + size <= packet.byteCount else { return }
        if let offset = pictureIDOffset {
            packet.set(pictureID: pictureID, isLong: hasLongPictureID, at: payloadOffset + offset)
        }
        if let offset = temporalLevelZeroIndexOffset {
            packet.set(bigEndian: temporalLevelZeroIndex, at: payloadOffset + offset)
        }
        if let offset = keyIndexOffset {
            let layer = (temporalLayer ?? 0) << 6 | (isLayerSync ? 0x20 : 0)
            packet.set(bigEndian: layer | keyIndex & 0x1F, at: payloadOffset + offset)
        }
    }
}
