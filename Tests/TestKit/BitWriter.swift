/// Writes bit fields, most significant bit first, for golden vectors that are built field by field.
public struct BitWriter: Sendable {
    public private(set) var bytes: [UInt8] = []
    private var used = 8

    public init() {}

    public mutating func write(_ value: Int, _ count: Int) {
        for bit in stride(from: count - 1, through: 0, by: -1) {
            if used == 8 {
                bytes.append(0)
                used = 0
            }
            bytes[bytes.count - 1] |= UInt8(value >> bit & 1) << UInt8(7 - used)
            used += 1
        }
    }
}
