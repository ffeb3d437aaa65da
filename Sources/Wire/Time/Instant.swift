/// A point on the server's monotonic clock, in nanoseconds.
///
/// Protocol code receives instants; it never reads a clock. Tests build them from literals.
@frozen
public struct Instant: Hashable, Comparable, Sendable {
    public var nanoseconds: UInt64

    @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    @inlinable public static func milliseconds(_ value: UInt64) -> Instant {
        Instant(nanoseconds: value &* 1_000_000)
    }
    @inlinable public static func seconds(_ value: UInt64) -> Instant {
        Instant(nanoseconds: value &* 1_000_000_000)
    }

    @inlinable public static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.nanoseconds < rhs.nanoseconds }

    @inlinable public func advanced(byNanoseconds value: UInt64) -> Instant {
        Instant(nanoseconds: nanoseconds &+ value)
    }
    @inlinable public func advanced(byMilliseconds value: UInt64) -> Instant {
        Instant(nanoseconds: nanoseconds &+ value &* 1_000_000)
    }
    @inlinable public func advanced(bySeconds value: UInt64) -> Instant {
        Instant(nanoseconds: nanoseconds &+ value &* 1_000_000_000)
    }

    /// Nanoseconds from `earlier` to this instant; negative when `earlier` is in fact later.
    @inlinable public func nanoseconds(since earlier: Instant) -> Int64 {
        Int64(bitPattern: nanoseconds &- earlier.nanoseconds)
    }
    /// Whole milliseconds from `earlier` to this instant, rounded towards zero.
    @inlinable public func milliseconds(since earlier: Instant) -> Int64 {
        nanoseconds(since: earlier) / 1_000_000
    }
}

/// A wall-clock reading beside the monotonic instant it was taken at, so that pure code can label
/// instants with wall-clock time (RTCP sender reports) without asking a clock.
@frozen
public struct WallClock: Hashable, Sendable {
    /// NTP time as 32.32 fixed point, seconds since 1900 (RFC 3550, section 4).
    public var ntp: UInt64
    public var instant: Instant

    @inlinable public init(ntp: UInt64, instant: Instant) {
        self.ntp = ntp
        self.instant = instant
    }

    /// The NTP time of `other`, extrapolated from this reading.
    @inlinable public func ntp(at other: Instant) -> UInt64 {
        let nanoseconds = other.nanoseconds(since: instant)
        let seconds = nanoseconds / 1_000_000_000
        let rest = nanoseconds % 1_000_000_000
        let fraction = (rest << 32) / 1_000_000_000
        return ntp &+ UInt64(bitPattern: seconds << 32) &+ UInt64(bitPattern: fraction)
    }
}
