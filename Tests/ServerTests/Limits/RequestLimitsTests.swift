import Synchronization
import Testing
import Wire

@testable import Server

@Suite struct RequestLimitsTests {
    private let client = SocketAddress(ipv4: 1, port: 1)
    private let other = SocketAddress(ipv4: 2, port: 1)

    private func limits(_ change: (inout ServerSettings) -> Void = { _ in }) -> RequestLimits {
        var settings = ServerSettings()
        change(&settings)
        return RequestLimits(settings) { .seconds(100) }
    }

    @Test func addressesAndTokensAreCountedApart() {
        let limits = limits {
            $0.httpRequestBurst = 2
            $0.httpTokenRequestBurst = 3
        }
        #expect(limits.admit(from: client) == nil && limits.admit(from: client) == nil)
        #expect(limits.admit(from: client) == .address(retryAfterSeconds: 1))
        #expect(limits.admit(from: other) == nil)
        for _ in 0..<3 { #expect(limits.admit(tokenDigest: [1]) == nil) }
        #expect(limits.admit(tokenDigest: [1]) == .token(retryAfterSeconds: 1))
        #expect(limits.admit(tokenDigest: [2]) == nil)
        #expect(limits.limitedCount == 2)
    }

    @Test func afterWrongTokensNoneIsLookedAt() {
        let now = Mutex(Instant.seconds(100))
        var settings = ServerSettings()
        settings.httpFailedAuthorizationBurst = 2
        let limits = RequestLimits(settings) { now.withLock { $0 } }
        for _ in 0..<2 {
            #expect(limits.mayTryToken(from: client) == nil)
            limits.tokenWasWrong(from: client)
        }
        #expect(limits.mayTryToken(from: client) == .failedAuthorization(retryAfterSeconds: 1))
        #expect(limits.mayTryToken(from: other) == nil)
        now.withLock { $0 = .seconds(101) }
        #expect(limits.mayTryToken(from: client) == nil)
    }

    @Test func zeroIsNoLimitAndAReloadCounts() {
        let limits = limits {
            $0.httpRequestsPerSecond = 0
            $0.httpTokenRequestsPerSecond = 0
            $0.httpFailedAuthorizationBurst = 0
        }
        for _ in 0..<5_000 {
            #expect(limits.admit(from: client) == nil && limits.admit(tokenDigest: [1]) == nil)
            limits.tokenWasWrong(from: client)
        }
        #expect(limits.mayTryToken(from: client) == nil)
        var strict = ServerSettings()
        strict.httpRequestBurst = 1
        limits.change(strict)
        #expect(limits.admit(from: client) == nil && limits.admit(from: client) != nil)
    }
}
