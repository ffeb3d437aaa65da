public import Wire

/// Whether something may happen now.
public enum RateDecision: Hashable, Sendable {
    case admitted
    /// Not before so many seconds, rounded up: the value of a `Retry-After` header.
    case limited(retryAfterSeconds: Int)

    public var isAdmitted: Bool { self == .admitted }
}

/// Token buckets, one per key, in a table that cannot grow beyond its bound.
///
/// Each bucket holds `burst` and refills by `perSecond`. Instead of a level and a time each key has one instant: when its
/// bucket will be full again (the generic cell rate algorithm). Keys whose bucket is full need no entry. When the
/// table is full of others, new keys share one bucket, so a flood of made-up addresses limits itself.
public struct RateLimiter<Key: Hashable & Sendable>: Sendable {
    public static var defaultMaximumKeys: Int { 65_536 }
    private static var sweepIntervalNanoseconds: UInt64 { 1_000_000_000 }

    /// 0 means no limit.
    public private(set) var perSecond: Int
    public private(set) var burst: Int
    public let maximumKeys: Int
    /// How often a key was refused.
    public private(set) var limitedCount: UInt64 = 0

    private var fullAt: [Key: UInt64] = [:]
    private var overflowFullAt: UInt64 = 0
    private var nextSweep: UInt64 = 0

    public init(perSecond: Int, burst: Int, maximumKeys: Int = RateLimiter.defaultMaximumKeys) {
        self.perSecond = max(0, min(perSecond, 1_000_000))
        self.burst = max(1, min(burst, 1_000_000))
        self.maximumKeys = max(1, maximumKeys)
    }

    /// Takes new values, for a reload; buckets keep what they have used.
    public mutating func change(perSecond: Int, burst: Int) {
        self.perSecond = max(0, min(perSecond, 1_000_000))
        self.burst = max(1, min(burst, 1_000_000))
    }

    public var keyCount: Int { fullAt.count }

    /// Takes one from the bucket of `key` when there is one left.
    public mutating func admit(_ key: Key, at now: Instant) -> RateDecision {
        if fullAt[key] == nil, fullAt.count >= maximumKeys { sweep(at: now.nanoseconds) }
        let decision = check(key, at: now)
        guard decision.isAdmitted, perSecond > 0 else { return decision }
        if isOverflow(key) {
            overflowFullAt = next(key, at: now)
        } else {
            fullAt[key] = next(key, at: now)
        }
        return .admitted
    }

    /// Whether the bucket of `key` has one left. Takes nothing; being refused counts as with ``admit(_:at:)``.
    public mutating func check(_ key: Key, at now: Instant) -> RateDecision {
        guard perSecond > 0 else { return .admitted }
        let fullAfter = next(key, at: now) &- now.nanoseconds
        let capacity = interval &* UInt64(burst)
        guard fullAfter > capacity else { return .admitted }
        limitedCount &+= 1
        let wait = fullAfter &- capacity
        return .limited(retryAfterSeconds: max(1, Int(clamping: (wait &+ 999_999_999) / 1_000_000_000)))
    }

    private var interval: UInt64 { 1_000_000_000 / UInt64(max(1, perSecond)) }

    private func isOverflow(_ key: Key) -> Bool { fullAt[key] == nil && fullAt.count >= maximumKeys }

    /// When the bucket of `key` will be full after one more was taken.
    private func next(_ key: Key, at now: Instant) -> UInt64 {
        max(isOverflow(key) ? overflowFullAt : fullAt[key] ?? 0, now.nanoseconds) &+ interval
    }

    /// Forgets keys whose bucket is full again, at most once per interval because it looks at all of them.
    private mutating func sweep(at now: UInt64) {
        guard now >= nextSweep else { return }
        nextSweep = now &+ Self.sweepIntervalNanoseconds
        fullAt = fullAt.filter { $0.value > now }
    }
}

/// An address as limits count it: IPv4 whole, IPv6 by its /64, because one client has that many.
public struct ClientAddress: Hashable, Sendable, CustomStringConvertible {
    public let network: SocketAddress

    public init(_ address: SocketAddress) {
        network =
            address.isIPv6
            ? SocketAddress(ipv6High: address.high, low: 0, port: 0) : SocketAddress(ipv4: address.ipv4, port: 0)
    }

    public var description: String { network.isIPv6 ? "\(network.host)/64" : network.host }
}
