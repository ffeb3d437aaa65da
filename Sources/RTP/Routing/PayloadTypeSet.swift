/// Payload types as 128 bits.
public struct PayloadTypeSet: Hashable, Sendable, ExpressibleByArrayLiteral {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    public init() {}

    public init(arrayLiteral elements: UInt8...) {
        for element in elements { insert(element) }
    }

    public init(_ elements: some Sequence<UInt8>) {
        for element in elements { insert(element) }
    }

    /// Adds a payload type; values above 127 do not exist and are ignored.
    public mutating func insert(_ payloadType: UInt8) {
        let bit: UInt64 = 1 << UInt64(payloadType & 63)
        if payloadType < 64 { low |= bit } else if payloadType < 128 { high |= bit }
    }

    public func contains(_ payloadType: UInt8) -> Bool {
        let bit: UInt64 = 1 << UInt64(payloadType & 63)
        return payloadType < 64 ? low & bit != 0 : payloadType < 128 && high & bit != 0
    }
}
