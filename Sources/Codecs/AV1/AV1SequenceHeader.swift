import Wire

/// What forwarding and stream descriptions need of an AV1 sequence header (AV1 specification, 5.5.1).
///
/// Left out: everything after the maximum frame size.
public struct AV1SequenceHeader: Hashable, Sendable {
    public var profile: UInt8
    /// `seq_level_idx` and tier of the first operating point.
    public var levelIndex: UInt8
    public var isHighTier: Bool
    /// The largest size a frame of the sequence may have.
    public var resolution: VideoResolution

    /// Reads what follows the OBU header (and size field) of a sequence header; nil when truncated or reserved.
    public init?(parsing payload: RawSpan) {
        var reader = BitReader()
        profile = UInt8(reader.bits(3, payload))
        guard profile <= 2 else { return nil }
        reader.skip(1, payload)
        levelIndex = 0
        isHighTier = false
        if reader.flag(payload) {
            // reduced_still_picture_header
            levelIndex = UInt8(reader.bits(5, payload))
        } else {
            var delayBits: Int?
            if reader.flag(payload) {
                reader.skip(64, payload)
                if reader.flag(payload) { _ = reader.exponentialGolomb(payload) }
                if reader.flag(payload) {
                    delayBits = Int(reader.bits(5, payload)) + 1
                    reader.skip(32 + 5 + 5, payload)
                }
            }
            let hasDisplayDelay = reader.flag(payload)
            for point in 0...reader.bits(5, payload) {
                reader.skip(12, payload)
                let level = UInt8(reader.bits(5, payload))
                let tier = level > 7 && reader.flag(payload)
                if point == 0 {
                    levelIndex = level
                    isHighTier = tier
                }
                if let delayBits, reader.flag(payload) { reader.skip(2 * delayBits + 1, payload) }
                if hasDisplayDelay, reader.flag(payload) { reader.skip(4, payload) }
            }
        }
        let widthBits = Int(reader.bits(4, payload)) + 1
        let heightBits = Int(reader.bits(4, payload)) + 1
        let width = Int(reader.bits(widthBits, payload)) + 1
        let height = Int(reader.bits(heightBits, payload)) + 1
        guard !reader.isExhausted else { return nil }
        resolution = VideoResolution(width: width, height: height)
    }
}
