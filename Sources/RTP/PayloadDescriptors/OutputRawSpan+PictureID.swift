internal import Wire

extension OutputRawSpan {
    /// Writes a PictureID of VP8 or VP9 in the form it has there: 15 bits after a set bit, or 7 bits.
    mutating func set(pictureID: UInt16, isLong: Bool, at offset: Int) {
        if isLong {
            set(bigEndian: pictureID | 0x8000, at: offset)
        } else {
            set(bigEndian: UInt8(truncatingIfNeeded: pictureID & 0x7F), at: offset)
        }
    }
}
