import Wire

/// Reads bit fields, most significant bit first, out of bytes that every call lends anew.
///
/// Reading past the end yields zeros and sets ``isExhausted``, so a parser reads a whole header and checks once;
/// its loops must be bounded by checked values.
struct BitReader {
    private(set) var isExhausted = false
    private var offset: Int
    private var bit: UInt8 = 0
    private var zeros = 0
    private let skipsEmulationPrevention: Bool

    /// - Parameter skipsEmulationPrevention: leaves out the 3 in each 00 00 03, as H.264 and H.265 demand.
    init(from offset: Int = 0, skipsEmulationPrevention: Bool = false) {
        self.offset = offset
        self.skipsEmulationPrevention = skipsEmulationPrevention
    }

    /// Bits read and passed over since the beginning of the bytes.
    var bitOffset: Int { offset * 8 + Int(bit) }

    mutating func flag(_ bytes: RawSpan) -> Bool {
        if bit == 0, skipsEmulationPrevention, zeros >= 2, offset < bytes.byteCount, bytes[offset] == 3 {
            offset += 1
            zeros = 0
        }
        guard offset < bytes.byteCount else {
            isExhausted = true
            return false
        }
        let byte = bytes[offset]
        let value = byte >> (7 - bit) & 1 == 1
        bit += 1
        if bit == 8 {
            bit = 0
            offset += 1
            zeros = byte == 0 ? zeros + 1 : 0
        }
        return value
    }

    /// An unsigned field of at most 32 bits.
    mutating func bits(_ count: Int, _ bytes: RawSpan) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<count { value = value << 1 | (flag(bytes) ? 1 : 0) }
        return value
    }

    mutating func skip(_ count: Int, _ bytes: RawSpan) {
        for _ in 0..<count where !isExhausted { _ = flag(bytes) }
    }

    /// An unsigned Exp-Golomb number, or AV1's `uvlc`, which is the same. More than 31 leading zeros count as
    /// reading past the end: no field of any header is that large.
    mutating func exponentialGolomb(_ bytes: RawSpan) -> UInt32 {
        var leadingZeros = 0
        while !flag(bytes) {
            leadingZeros += 1
            guard leadingZeros <= 31, !isExhausted else {
                isExhausted = true
                return 0
            }
        }
        return UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(leadingZeros)) - 1) &+ bits(leadingZeros, bytes)
    }

    /// A signed Exp-Golomb number.
    mutating func signedExponentialGolomb(_ bytes: RawSpan) -> Int64 {
        let value = Int64(exponentialGolomb(bytes))
        return value & 1 == 1 ? (value + 1) / 2 : -(value / 2)
    }

    /// Takes the cropping window of H.264 and H.265: left, right, top, bottom, in units of samples.
    mutating func crop(_ size: inout VideoResolution, unitX: Int, unitY: Int, _ bytes: RawSpan) {
        let left = exponentialGolomb(bytes)
        let right = exponentialGolomb(bytes)
        let top = exponentialGolomb(bytes)
        let bottom = exponentialGolomb(bytes)
        size.width -= (Int(left) + Int(right)) * unitX
        size.height -= (Int(top) + Int(bottom)) * unitY
    }
}
