import ICE
import TestKit
import Testing
import Wire

@Suite struct IntegrityFailureLimiterTests {
    private let attacker = SocketAddress(ipv4: 0xC000_0205, port: 1)

    @Test func failuresUpToTheBurstAreForgiven() {
        var limiter = IntegrityFailureLimiter(seed: 1)
        for _ in 0..<IntegrityFailureLimiter.burst {
            let isAllowed = limiter.allows(attacker, at: .seconds(0))
            #expect(isAllowed)
            limiter.failed(attacker, at: .seconds(0))
        }
        let isAllowed = limiter.allows(attacker, at: .seconds(0))
        #expect(!isAllowed)
    }

    @Test func theBudgetRefillsWithTime() {
        var limiter = exhausted(by: attacker)
        let early = limiter.allows(attacker, at: .milliseconds(199))
        let late = limiter.allows(attacker, at: .milliseconds(200))
        #expect(!early)
        #expect(late)
        var checks = 0
        for millisecond in 200..<10_200 as Range<UInt64> where limiter.allows(attacker, at: .milliseconds(millisecond))
        {
            limiter.failed(attacker, at: .milliseconds(millisecond))
            checks += 1
        }
        #expect(checks == 50)
    }

    @Test func portsOfOneHostShareABudgetAndHostsDoNot() {
        var limiter = exhausted(by: attacker)
        let otherPort = limiter.allows(attacker.withPort(9), at: .seconds(0))
        let otherHost = limiter.allows(SocketAddress(ipv4: 0xC000_0206, port: 1), at: .seconds(0))
        #expect(!otherPort)
        #expect(otherHost)
    }

    @Test func addressesOfOneIPv6NetworkShareABudget() {
        var limiter = exhausted(by: SocketAddress(ipv6High: 7, low: 1, port: 1))
        let neighbour = limiter.allows(SocketAddress(ipv6High: 7, low: 99, port: 1), at: .seconds(0))
        let stranger = limiter.allows(SocketAddress(ipv6High: 8, low: 1, port: 1), at: .seconds(0))
        let sameNumber = limiter.allows(SocketAddress(ipv4: 7, port: 1), at: .seconds(0))
        #expect(!neighbour)
        #expect(stranger && sameNumber)
    }

    @Test func manySourcesDoNotGrowTheTableNorForgetARecentOne() {
        var limiter = exhausted(by: attacker)
        var random = SplitMix64(seed: 5)
        for _ in 0..<100_000 {
            limiter.failed(SocketAddress(ipv4: UInt32.random(in: 1...0xFFFF, using: &random), port: 1), at: .seconds(0))
        }
        // The flood pushed the first source out, which forgives it at most one burst.
        for _ in 0..<IntegrityFailureLimiter.burst { limiter.failed(attacker, at: .seconds(0)) }
        let isAllowed = limiter.allows(attacker, at: .seconds(0))
        #expect(!isAllowed)
    }

    private func exhausted(by address: SocketAddress) -> IntegrityFailureLimiter {
        var limiter = IntegrityFailureLimiter(seed: 1)
        for _ in 0..<IntegrityFailureLimiter.burst { limiter.failed(address, at: .seconds(0)) }
        return limiter
    }
}
