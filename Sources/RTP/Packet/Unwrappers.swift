/// Extends 16-bit RTP sequence numbers to 64 bits.
///
/// A number is taken as the one nearest to the highest seen so far, so reordering across a wrap is understood
/// and a jump of 32768 or more cannot be told from one backwards. The first number keeps its value plus 65536,
/// which leaves room for packets before it.
@frozen
public struct SequenceUnwrapper: Hashable, Sendable {
    /// The highest extended number seen; nil before the first.
    public private(set) var highest: Int64?

    @inlinable public init() {}

    /// Extends `sequenceNumber` and remembers it when it is the highest.
    public mutating func unwrap(_ sequenceNumber: UInt16) -> Int64 {
        let extended = extend(sequenceNumber)
        if extended > highest ?? Int64.min { highest = extended }
        return extended
    }

    /// Extends `sequenceNumber` without remembering it.
    public func extend(_ sequenceNumber: UInt16) -> Int64 {
        guard let highest else { return 65_536 + Int64(sequenceNumber) }
        let difference = Int16(bitPattern: sequenceNumber &- UInt16(truncatingIfNeeded: highest))
        return highest &+ Int64(difference)
    }
}

/// Extends 32-bit RTP timestamps to 64 bits, by the same rule as ``SequenceUnwrapper``.
@frozen
public struct TimestampUnwrapper: Hashable, Sendable {
    /// The highest extended timestamp seen; nil before the first.
    public private(set) var highest: Int64?

    @inlinable public init() {}

    /// Whether `timestamp` is the highest one seen; `false` before the first.
    func isHighest(_ timestamp: UInt32) -> Bool {
        guard let highest else { return false }
        return UInt32(truncatingIfNeeded: highest) == timestamp
    }

    /// Extends `timestamp` and remembers it when it is the highest.
    public mutating func unwrap(_ timestamp: UInt32) -> Int64 {
        let extended = extend(timestamp)
        if extended > highest ?? Int64.min { highest = extended }
        return extended
    }

    /// Extends `timestamp` without remembering it.
    public func extend(_ timestamp: UInt32) -> Int64 {
        guard let highest else { return 0x1_0000_0000 + Int64(timestamp) }
        let difference = Int32(bitPattern: timestamp &- UInt32(truncatingIfNeeded: highest))
        return highest &+ Int64(difference)
    }
}
