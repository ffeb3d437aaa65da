import Wire

/// The beginning of a VP9 uncompressed header (VP9 bitstream specification, 6.2), as far as the size of a keyframe.
public struct VP9FrameHeader: Hashable, Sendable {
    public var profile: UInt8
    public var isKeyframe: Bool
    /// Known for keyframes alone; nil when the bytes end before it.
    public var resolution: VideoResolution?

    /// Reads the first bytes of a frame; nil when they are not a VP9 frame's.
    public init?(parsing frame: RawSpan) {
        var reader = BitReader()
        guard reader.bits(2, frame) == 2 else { return nil }
        let low = reader.bits(1, frame)
        profile = UInt8(reader.bits(1, frame) << 1 | low)
        if profile == 3, reader.flag(frame) { return nil }
        let showsExistingFrame = reader.flag(frame)
        isKeyframe = !showsExistingFrame && !reader.flag(frame)
        guard !reader.isExhausted else { return nil }
        guard isKeyframe else { return }
        // show_frame and error_resilient_mode
        reader.skip(2, frame)
        guard reader.bits(24, frame) == 0x49_8342 else {
            if reader.isExhausted { return }
            return nil
        }
        let hasSubsampling = profile & 1 == 1
        if profile >= 2 { reader.skip(1, frame) }
        let isRGB = reader.bits(3, frame) == 7
        // RGB has no range bit, and profiles 1 and 3 end the colour description with a reserved bit.
        if !isRGB { reader.skip(hasSubsampling ? 4 : 1, frame) } else if hasSubsampling { reader.skip(1, frame) }
        let width = Int(reader.bits(16, frame)) + 1
        let height = Int(reader.bits(16, frame)) + 1
        if !reader.isExhausted { resolution = VideoResolution(width: width, height: height) }
    }
}
