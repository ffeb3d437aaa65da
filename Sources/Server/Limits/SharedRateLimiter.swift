internal import Loop
internal import Synchronization
public import Wire

/// A rate limiter per client address that handlers on any thread may ask.
public final class SharedRateLimiter: Sendable {
    private let limiter: Mutex<RateLimiter<ClientAddress>>

    public init(perSecond: Int, burst: Int) {
        limiter = Mutex(RateLimiter(perSecond: perSecond, burst: burst))
    }

    public func admit(_ address: SocketAddress) -> RateDecision {
        limiter.withLock { $0.admit(ClientAddress(address), at: MonotonicClock.now) }
    }

    /// How often somebody was refused.
    public var limitedCount: UInt64 { limiter.withLock { $0.limitedCount } }
}
