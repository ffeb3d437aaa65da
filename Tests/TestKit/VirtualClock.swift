public import Wire

/// A clock that stands until it is moved.
public final class VirtualClock {
    public private(set) var now: Instant

    public init(startingAt now: Instant = .seconds(1_000)) { self.now = now }

    /// Moves on to `instant`; an earlier one changes nothing.
    public func advance(to instant: Instant) { now = max(now, instant) }

    public func advance(byMilliseconds milliseconds: UInt64) { now = now.advanced(byMilliseconds: milliseconds) }
}
