internal import Loop
internal import Synchronization
internal import Wire

/// How often clients may create, change and end sessions, and try tokens (WHIP-40). Asked from any thread.
final class RequestLimits: Sendable {
    /// How fast a client that sent too many wrong tokens may try further ones.
    private static let failuresPerSecond = 1

    /// Which bound a request met, and when to come back.
    enum Refusal: Hashable, Sendable {
        case address(retryAfterSeconds: Int)
        case token(retryAfterSeconds: Int)
        case failedAuthorization(retryAfterSeconds: Int)
    }

    private struct State {
        var addresses: RateLimiter<ClientAddress>
        var tokens: RateLimiter<[UInt8]>
        var failures: RateLimiter<ClientAddress>
    }

    private let state: Mutex<State>
    private let now: @Sendable () -> Instant

    init(_ settings: ServerSettings, now: @escaping @Sendable () -> Instant = { MonotonicClock.now }) {
        self.now = now
        state = Mutex(
            State(
                addresses: RateLimiter(perSecond: settings.httpRequestsPerSecond, burst: settings.httpRequestBurst),
                tokens: RateLimiter(
                    perSecond: settings.httpTokenRequestsPerSecond, burst: settings.httpTokenRequestBurst),
                failures: RateLimiter(
                    perSecond: Self.failuresPerSecond(settings), burst: settings.httpFailedAuthorizationBurst)))
    }

    /// Takes new values, for a reload; what clients have used stays used.
    func change(_ settings: ServerSettings) {
        state.withLock {
            $0.addresses.change(perSecond: settings.httpRequestsPerSecond, burst: settings.httpRequestBurst)
            $0.tokens.change(perSecond: settings.httpTokenRequestsPerSecond, burst: settings.httpTokenRequestBurst)
            $0.failures.change(
                perSecond: Self.failuresPerSecond(settings), burst: settings.httpFailedAuthorizationBurst)
        }
    }

    private static func failuresPerSecond(_ settings: ServerSettings) -> Int {
        settings.httpFailedAuthorizationBurst == 0 ? 0 : failuresPerSecond
    }

    /// Counts a request against its address.
    func admit(from address: SocketAddress) -> Refusal? {
        switch state.withLock({ $0.addresses.admit(ClientAddress(address), at: now()) }) {
        case .admitted: nil
        case .limited(let seconds): .address(retryAfterSeconds: seconds)
        }
    }

    /// Counts a request against its token, which must be known to be right: wrong ones are not to fill the table.
    func admit(tokenDigest: [UInt8]) -> Refusal? {
        switch state.withLock({ $0.tokens.admit(tokenDigest, at: now()) }) {
        case .admitted: nil
        case .limited(let seconds): .token(retryAfterSeconds: seconds)
        }
    }

    /// Whether a token from this address may be looked at, counting nothing: after too many wrong ones not even the
    /// right one is, or guessing would not be slowed down.
    func mayTryToken(from address: SocketAddress) -> Refusal? {
        switch state.withLock({ $0.failures.check(ClientAddress(address), at: now()) }) {
        case .admitted: nil
        case .limited(let seconds): .failedAuthorization(retryAfterSeconds: seconds)
        }
    }

    /// Counts a wrong token.
    func tokenWasWrong(from address: SocketAddress) {
        state.withLock { _ = $0.failures.admit(ClientAddress(address), at: now()) }
    }

    /// How often somebody was refused.
    var limitedCount: UInt64 {
        state.withLock { $0.addresses.limitedCount &+ $0.tokens.limitedCount &+ $0.failures.limitedCount }
    }
}
