import TestKit
import Testing
import Wire

@testable import Server

@Suite struct RateLimiterTests {
    @Test func aBurstPassesThenTheRate() {
        var limiter = RateLimiter<String>(perSecond: 10, burst: 3)
        let start = Instant.seconds(100)
        for _ in 0..<3 { #expect(limiter.admit("a", at: start).isAdmitted) }
        #expect(limiter.admit("a", at: start) == .limited(retryAfterSeconds: 1))
        #expect(!limiter.admit("a", at: start.advanced(byMilliseconds: 99)).isAdmitted)
        #expect(limiter.admit("a", at: start.advanced(byMilliseconds: 100)).isAdmitted)
        #expect(!limiter.admit("a", at: start.advanced(byMilliseconds: 150)).isAdmitted)
        #expect(limiter.limitedCount == 3)
    }

    @Test func keysDoNotDisturbEachOther() {
        var limiter = RateLimiter<String>(perSecond: 1, burst: 1)
        #expect(limiter.admit("a", at: .seconds(1)).isAdmitted)
        #expect(limiter.admit("b", at: .seconds(1)).isAdmitted)
        #expect(!limiter.admit("a", at: .seconds(1)).isAdmitted)
    }

    @Test func aThousandRequestsInASecondAreMostlyRefused() {
        var limiter = RateLimiter<ClientAddress>(perSecond: 50, burst: 200)
        let client = ClientAddress(SocketAddress(ipv4: 1, port: 1))
        var admitted = 0
        for index in 0..<1_000 where limiter.admit(client, at: .milliseconds(UInt64(index))).isAdmitted {
            admitted += 1
        }
        #expect((249...251).contains(admitted))
    }

    @Test func zeroIsNoLimitAndLimitsChange() {
        var limiter = RateLimiter<Int>(perSecond: 0, burst: 1)
        for _ in 0..<100 { #expect(limiter.admit(1, at: .seconds(1)).isAdmitted) }
        #expect(limiter.keyCount == 0)
        limiter.change(perSecond: 1, burst: 1)
        #expect(limiter.admit(1, at: .seconds(1)).isAdmitted)
        #expect(!limiter.admit(1, at: .seconds(1)).isAdmitted)
    }

    @Test func theTableIsBoundedAndAFloodOfKeysSharesOneBucket() {
        var limiter = RateLimiter<Int>(perSecond: 1, burst: 2, maximumKeys: 100)
        var admitted = 0
        for key in 0..<10_000 where limiter.admit(key, at: .seconds(10)).isAdmitted { admitted += 1 }
        #expect(limiter.keyCount == 100)
        #expect(admitted == 102)
        // Known keys keep their own bucket.
        #expect(limiter.admit(5, at: .seconds(10)).isAdmitted)
        // Idle keys make room.
        #expect(limiter.admit(20_000, at: .seconds(20)).isAdmitted)
        #expect(limiter.keyCount == 1)
    }

    @Test func retryAfterIsEnough() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<200 {
            var limiter = RateLimiter<Int>(
                perSecond: Int.random(in: 1...100, using: &random), burst: Int.random(in: 1...10, using: &random))
            var now = Instant.seconds(1)
            for _ in 0..<50 {
                if case .limited(let seconds) = limiter.admit(1, at: now) {
                    #expect(limiter.admit(1, at: now.advanced(bySeconds: UInt64(seconds))).isAdmitted)
                }
                now = now.advanced(byMilliseconds: UInt64.random(in: 0...50, using: &random))
            }
        }
    }

    @Test func hostileTimesAndLimitsNeverTrap() {
        var random = SplitMix64(seed: 4)
        for _ in 0..<2_000 {
            var limiter = RateLimiter<Int>(
                perSecond: Int.random(in: .min ... .max, using: &random),
                burst: Int.random(in: .min ... .max, using: &random),
                maximumKeys: 1)
            for key in 0..<3 {
                _ = limiter.admit(key, at: Instant(nanoseconds: .random(in: 0 ... .max, using: &random)))
            }
        }
    }

    @Test func anIPv6ClientIsItsNetwork() throws {
        let first = try #require(SocketAddress(host: "2001:db8::1", port: 1))
        let second = try #require(SocketAddress(host: "2001:db8::ffff:2", port: 9))
        let other = try #require(SocketAddress(host: "2001:db8:0:1::1", port: 1))
        #expect(ClientAddress(first) == ClientAddress(second))
        #expect(ClientAddress(first) != ClientAddress(other))
        #expect(ClientAddress(first).description == "2001:db8::/64")
        let v4 = ClientAddress(SocketAddress(ipv4: 0xC000_0201, port: 7))
        #expect(v4.description == "192.0.2.1")
        #expect(v4 != ClientAddress(SocketAddress(ipv4: 0xC000_0202, port: 7)))
    }
}
