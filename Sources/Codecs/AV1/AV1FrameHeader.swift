import Wire

/// The first bits of an AV1 frame header (AV1 specification, 5.9.2).
public enum AV1FrameHeader {
    /// Whether `unit`, a frame or frame header OBU or the beginning of one, is a keyframe that is shown. Still pictures
    /// with reduced headers are not told apart.
    public static func isKeyframe(_ unit: RawSpan, _ header: AV1OBUHeader) -> Bool {
        var start = header.size
        if header.hasSizeField {
            guard let size = LEB128(parsing: unit, at: start) else { return false }
            start += size.size
        }
        // show_existing_frame is 0, frame_type KEY_FRAME, show_frame 1.
        return unit.integer(at: start, as: UInt8.self).map { $0 & 0xF0 == 0x10 } ?? false
    }
}
