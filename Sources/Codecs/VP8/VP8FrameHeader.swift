import Wire

/// The uncompressed beginning of a VP8 frame (RFC 6386, section 9.1).
public struct VP8FrameHeader: Hashable, Sendable {
    public var isKeyframe: Bool
    /// Known for keyframes alone; nil when the bytes end before it or describe an empty picture.
    public var resolution: VideoResolution?

    /// Reads the first bytes of a frame; nil when there are none.
    public init?(parsing frame: RawSpan) {
        guard let first = frame.integer(at: 0, as: UInt8.self) else { return nil }
        isKeyframe = first & 1 == 0
        guard isKeyframe, frame.byteCount >= 10, frame[3] == 0x9D, frame[4] == 0x01, frame[5] == 0x2A else { return }
        // Little-endian, with two bits of upscaling on top of each.
        let width = (Int(frame[7]) << 8 | Int(frame[6])) & 0x3FFF
        let height = (Int(frame[9]) << 8 | Int(frame[8])) & 0x3FFF
        if width > 0, height > 0 { resolution = VideoResolution(width: width, height: height) }
    }
}
