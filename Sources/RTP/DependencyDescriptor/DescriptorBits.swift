import Wire

/// Reads the bit fields of a dependency descriptor, most significant bit first, out of bytes that every call lends anew.
///
/// Reading past the end yields zeros and sets ``isExhausted``, so a parser checks once at the end; its loops must be
/// bounded by checked values.
struct DescriptorBits {
    private(set) var isExhausted = false
    private var position = 0

    /// An unsigned field of at most 32 bits.
    mutating func bits(_ count: Int, _ bytes: RawSpan) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<count {
            let index = position >> 3
            guard index < bytes.byteCount else {
                isExhausted = true
                return 0
            }
            value = value << 1 | UInt32(bytes[index] >> UInt8(7 - position & 7) & 1)
            position += 1
        }
        return value
    }

    mutating func flag(_ bytes: RawSpan) -> Bool { bits(1, bytes) == 1 }

    /// A number below `limit` in as few bits as it takes, `ns(n)` of the AV1 specification; `limit` is at least 1.
    mutating func nonSymmetric(below limit: UInt32, _ bytes: RawSpan) -> UInt32 {
        let width = UInt32.bitWidth - limit.leadingZeroBitCount
        let short = (UInt32(1) << UInt32(width)) &- limit
        let value = bits(width - 1, bytes)
        return value < short ? value : (value << 1) &- short &+ bits(1, bytes)
    }
}
