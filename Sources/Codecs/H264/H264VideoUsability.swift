import Wire

/// What the usability information of an H.264 SPS says about time (H.264, E.1.1).
public struct H264VideoUsability: Hashable, Sendable {
    /// Of a frame, two fields; nil where it is not told, or told as nothing.
    public var frameDuration: FrameDuration?
    /// `max_num_reorder_frames`: 0–16.
    public var reorderDepth: Int?

    /// nil when it is truncated or holds what it must not.
    init?(_ reader: inout BitReader, _ bytes: RawSpan) {
        // Sample aspect ratio, the last of whose numbers stands for two more.
        if reader.flag(bytes), reader.bits(8, bytes) == 255 { reader.skip(32, bytes) }
        if reader.flag(bytes) { reader.skip(1, bytes) }
        if reader.flag(bytes) {
            reader.skip(4, bytes)
            if reader.flag(bytes) { reader.skip(24, bytes) }
        }
        if reader.flag(bytes) {
            _ = reader.exponentialGolomb(bytes)
            _ = reader.exponentialGolomb(bytes)
        }
        if reader.flag(bytes) {
            let units = reader.bits(32, bytes)
            let scale = reader.bits(32, bytes)
            reader.skip(1, bytes)
            frameDuration = FrameDuration(units: 2 * UInt64(units), scale: UInt64(scale))
        }
        var hasBuffer = false
        for _ in 0..<2 where reader.flag(bytes) {
            hasBuffer = true
            guard Self.skipBuffer(&reader, bytes) else { return nil }
        }
        if hasBuffer { reader.skip(1, bytes) }
        reader.skip(1, bytes)
        if reader.flag(bytes) {
            reader.skip(1, bytes)
            for _ in 0..<4 { _ = reader.exponentialGolomb(bytes) }
            let depth = reader.exponentialGolomb(bytes)
            let frames = reader.exponentialGolomb(bytes)
            if depth <= 16, depth <= frames, !reader.isExhausted { reorderDepth = Int(depth) }
        }
        guard !reader.isExhausted else { return nil }
    }

    /// Passes over hrd_parameters (E.1.2).
    private static func skipBuffer(_ reader: inout BitReader, _ bytes: RawSpan) -> Bool {
        let count = reader.exponentialGolomb(bytes)
        guard count <= 31 else { return false }
        reader.skip(8, bytes)
        for _ in 0...count {
            _ = reader.exponentialGolomb(bytes)
            _ = reader.exponentialGolomb(bytes)
            reader.skip(1, bytes)
        }
        reader.skip(20, bytes)
        return true
    }
}
