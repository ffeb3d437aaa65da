package import Wire

/// A budget that refills steadily: `burst` at once, `perSecond` in the long run.
package struct TokenBucket: Sendable {
    private var millitokens: UInt64
    private var updatedAt: Instant
    private let burst: UInt32
    private let perSecond: UInt32

    package init(burst: UInt32, perSecond: UInt32, at now: Instant) {
        millitokens = UInt64(burst) * 1000
        updatedAt = now
        self.burst = burst
        self.perSecond = perSecond
    }

    /// Whether a token is there to be taken at `now`.
    package mutating func hasToken(at now: Instant) -> Bool {
        refill(at: now)
        return millitokens >= 1000
    }

    /// Takes a token; `false` when there is none.
    package mutating func take(at now: Instant) -> Bool {
        guard hasToken(at: now) else { return false }
        millitokens -= 1000
        return true
    }

    private mutating func refill(at now: Instant) {
        let elapsed = now.milliseconds(since: updatedAt)
        // Time that would not yield a whole step is left to accumulate.
        guard elapsed > 0 else { return }
        let limit = UInt64(burst) * 1000
        // A minute refills any bucket the server uses; the cap keeps the product small.
        millitokens = min(limit, millitokens + UInt64(min(elapsed, 60_000)) * UInt64(perSecond))
        updatedAt = now
    }
}
