/// Ticks of one clock as ticks of another: of two RTP clocks, or of one and the server's nanoseconds (PAY-63).
///
/// Convert what was counted from an origin that both clocks share, never what went by since the time converted last: then
/// each result is less than a tick away from the truth, and what is lost by rounding never adds up.
@frozen
public struct ClockScale: Hashable, Sendable {
    /// Of the server's clock.
    public static let nanoseconds: UInt32 = 1_000_000_000
    /// So that products of two rates fit.
    @usableFromInline static let fastestRate: UInt32 = 1 << 31

    @usableFromInline let from: Int64
    @usableFromInline let to: Int64

    /// - Parameters: ticks a second. 0 counts as 1, and what is faster than 2^31 as that; no RTP clock is.
    @inlinable public init(from: UInt32, to: UInt32) {
        self.from = Int64(min(max(from, 1), Self.fastestRate))
        self.to = Int64(min(max(to, 1), Self.fastestRate))
    }

    /// The way back.
    @inlinable public var inverse: ClockScale { ClockScale(from: rate, to: UInt32(truncatingIfNeeded: from)) }

    /// Of the clock that is converted to, in ticks a second.
    @inlinable public var rate: UInt32 { UInt32(truncatingIfNeeded: to) }

    /// Exact but for the fraction of a tick, which is cut off. Results that do not fit into 64 bits wrap.
    @inlinable public func scaled(_ ticks: Int64) -> Int64 {
        let (whole, rest) = ticks.quotientAndRemainder(dividingBy: from)
        return whole &* to &+ rest &* to / from
    }

    /// The nearest number of ticks.
    @inlinable public func nearest(_ ticks: Int64) -> Int64 {
        let (whole, rest) = ticks.quotientAndRemainder(dividingBy: from)
        let half = ticks < 0 ? -(from / 2) : from / 2
        return whole &* to &+ (rest &* to &+ half) / from
    }
}
