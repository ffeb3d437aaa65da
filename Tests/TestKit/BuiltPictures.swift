/// H.264 NAL units as encoders write them that cannot be run here: a few bytes of each, field by field.
public struct BuiltPictures: Sendable {
    public enum Order: Sendable {
        case counter
        case cycle
        case decodingOrder
    }

    /// One slice.
    public struct Slice: Sendable {
        public var isIDR = false
        public var isReference = true
        /// 0 P, 1 B, 2 I.
        public var type = 0
        public var frameNumber = 0
        public var count = 0
        /// Of a field: whether it is the bottom one.
        public var bottom: Bool?
        public var bottomDifference = 0
        public var forgetsReferences = false
        public var firstMacroblock = 0

        public init(_ count: Int, type: Int = 0) {
            self.count = count
            self.type = type
        }

        public static var idr: Slice {
            var slice = Slice(0, type: 2)
            slice.isIDR = true
            return slice
        }
    }

    public var order = Order.counter
    public var profile = 100
    public var countBits = 8
    public var codesFramesOnly = true
    public var tellsFieldOrder = false
    public var weightsPredictions = false
    /// nil without usability information.
    public var reorderDepth: Int?

    public init() {}

    public var sequenceParameterSet: [UInt8] {
        var bits = BitWriter()
        for byte in [0x67, profile, 0, 40] { bits.write(byte, 8) }
        bits.unsigned(0)
        if profile == 100 {
            for value in [1, 0, 0] { bits.unsigned(value) }
            bits.write(0, 2)
        }
        bits.unsigned(4)
        switch order {
        case .counter:
            bits.unsigned(0)
            bits.unsigned(countBits - 4)
        case .cycle:
            bits.unsigned(1)
            bits.write(0, 1)
            for _ in 0..<2 { bits.signed(0) }
            bits.unsigned(1)
            bits.signed(2)
        case .decodingOrder: bits.unsigned(2)
        }
        bits.unsigned(4)
        bits.write(0, 1)
        bits.unsigned(119)
        bits.unsigned(33)
        bits.write(codesFramesOnly ? 1 : 0, 1)
        if !codesFramesOnly { bits.write(0, 1) }
        bits.write(1, 1)
        bits.write(0, 1)
        bits.write(reorderDepth == nil ? 0 : 1, 1)
        if let reorderDepth {
            // Nothing but the last part, as some hardware writes it.
            bits.write(0, 8)
            bits.write(0b11, 2)
            for value in [0, 0, 10, 10, reorderDepth, 16] { bits.unsigned(value) }
        }
        bits.write(1, 1)
        return bits.escaped
    }

    public var pictureParameterSet: [UInt8] {
        var bits = BitWriter()
        bits.write(0x68, 8)
        for _ in 0..<2 { bits.unsigned(0) }
        bits.write(1, 1)
        bits.write(tellsFieldOrder ? 1 : 0, 1)
        for _ in 0..<3 { bits.unsigned(0) }
        bits.write(weightsPredictions ? 1 : 0, 1)
        bits.write(weightsPredictions ? 1 : 0, 2)
        for _ in 0..<3 { bits.signed(0) }
        bits.write(0, 3)
        bits.write(1, 1)
        return bits.escaped
    }

    public func slice(_ slice: Slice) -> [UInt8] {
        var bits = BitWriter()
        bits.write((slice.isReference ? 0x60 : 0) | (slice.isIDR ? 5 : 1), 8)
        bits.unsigned(slice.firstMacroblock)
        bits.unsigned(slice.type)
        bits.unsigned(0)
        bits.write(slice.frameNumber & 0xFF, 8)
        if !codesFramesOnly {
            bits.write(slice.bottom == nil ? 0 : 1, 1)
            if let bottom = slice.bottom { bits.write(bottom ? 1 : 0, 1) }
        }
        if slice.isIDR { bits.unsigned(1) }
        switch order {
        case .counter:
            bits.write(slice.count & ((1 << countBits) - 1), countBits)
            if tellsFieldOrder, slice.bottom == nil { bits.signed(slice.bottomDifference) }
        case .cycle:
            bits.signed(0)
            if tellsFieldOrder, slice.bottom == nil { bits.signed(0) }
        case .decodingOrder: break
        }
        if slice.type == 1 { bits.write(1, 1) }
        if slice.type < 2 {
            // One entry in each list, and a change of the first.
            bits.write(1, 1)
            for _ in 0...slice.type { bits.unsigned(0) }
            bits.write(1, 1)
            for value in [0, 3, 3] { bits.unsigned(value) }
            if slice.type == 1 { bits.write(0, 1) }
            if weightsPredictions {
                for value in [5, 5] { bits.unsigned(value) }
                for _ in 0...slice.type {
                    bits.write(1, 1)
                    for _ in 0..<2 { bits.signed(-3) }
                    bits.write(1, 1)
                    for _ in 0..<4 { bits.signed(7) }
                }
            }
        }
        if slice.isReference {
            if slice.isIDR {
                bits.write(0, 2)
            } else {
                bits.write(slice.forgetsReferences ? 1 : 0, 1)
                if slice.forgetsReferences { for value in [1, 2, 5, 0] { bits.unsigned(value) } }
            }
        }
        for _ in 0..<4 { bits.write(0xA5, 8) }
        return bits.escaped
    }
}

extension BitWriter {
    /// An Exp-Golomb number.
    public mutating func unsigned(_ value: Int) {
        let size = Int.bitWidth - (value + 1).leadingZeroBitCount
        write(0, size - 1)
        write(value + 1, size)
    }

    public mutating func signed(_ value: Int) { unsigned(value > 0 ? 2 * value - 1 : -2 * value) }

    /// The bytes with emulation prevention (H.264, 7.4.1).
    public var escaped: [UInt8] {
        var output: [UInt8] = []
        var zeros = 0
        for byte in bytes {
            if zeros >= 2, byte <= 3 {
                output.append(3)
                zeros = 0
            }
            output.append(byte)
            zeros = byte == 0 ? zeros + 1 : 0
        }
        return output
    }
}
