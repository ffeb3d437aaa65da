import Loop
import Synchronization
import Testing
import Wire

@testable import Server

/// A resolver that answers when it is told to.
private final class HandResolver: Sendable {
    private let waiting = Mutex<[(name: String, finish: @Sendable ([SocketAddress]) -> Void)]>([])

    func ask(_ name: String, _ finish: @escaping @Sendable ([SocketAddress]) -> Void) {
        waiting.withLock { $0.append((name, finish)) }
    }

    /// Answers all questions; the names that were asked for.
    func answer(_ addresses: [SocketAddress]) -> [String] {
        let asked = waiting.withLock { list in
            defer { list = [] }
            return list
        }
        for question in asked { question.finish(addresses) }
        return asked.map(\.name).sorted()
    }
}

@Suite struct HostNamesTests {
    private let one = SocketAddress(ipv4: 0xC000_0201, port: 0)
    private let two = SocketAddress(ipv4: 0xC000_0202, port: 0)

    @Test func namesAreLookedUpAgainWhenTheyAreDueAndNotBefore() {
        let resolver = HandResolver()
        let names = HostNames(["media.example", "192.0.2.9"], logger: .none) { resolver.ask($0, $1) }
        names.refresh(at: .seconds(1))
        names.refresh(at: .seconds(2))
        #expect(resolver.answer([one]) == ["media.example"])
        #expect(names.addresses == ["media.example": [one]])
        names.refresh(at: .seconds(HostNames.lifetimeSeconds))
        #expect(resolver.answer([two]).isEmpty)
        names.refresh(at: .seconds(1 + HostNames.lifetimeSeconds))
        #expect(names.addresses == ["media.example": [one]])
        #expect(resolver.answer([two]) == ["media.example"])
        #expect(names.addresses == ["media.example": [two]])
    }

    @Test func aNameThatCannotBeLookedUpKeepsItsAddressAndIsTriedAgainSoon() {
        let resolver = HandResolver()
        let test = TestLog()
        let names = HostNames(["media.example"], logger: test.logger) { resolver.ask($0, $1) }
        names.refresh(at: .seconds(1))
        _ = resolver.answer([])
        #expect(test.text.contains("media.example"))
        names.refresh(at: .seconds(1 + HostNames.retrySeconds))
        #expect(resolver.answer([one]) == ["media.example"])
        names.refresh(at: .seconds(200))
        _ = resolver.answer([])
        #expect(names.addresses == ["media.example": [one]])
    }

    @Test func changesAreToldOnce() {
        let resolver = HandResolver()
        let told = Mutex<[HostNames.Addresses]>([])
        let names = HostNames(["a.example"], logger: .none) { resolver.ask($0, $1) }
        names.observe { all in told.withLock { $0.append(all) } }
        for second in [1, 100, 200] as [UInt64] {
            names.refresh(at: .seconds(second))
            _ = resolver.answer(second == 200 ? [two] : [one])
        }
        #expect(told.withLock { $0 } == [["a.example": [one]], ["a.example": [two]]])
    }

    @Test func aReloadKeepsWhatIsKnownAndForgetsWhatIsGone() {
        let resolver = HandResolver()
        let names = HostNames(["a.example", "b.example"], logger: .none) { resolver.ask($0, $1) }
        names.refresh(at: .seconds(1))
        #expect(resolver.answer([one]) == ["a.example", "b.example"])
        names.use(["b.example", "c.example"])
        #expect(names.addresses == ["b.example": [one], "c.example": []])
        names.refresh(at: .seconds(2))
        #expect(resolver.answer([two]) == ["c.example"])
    }

    @Test func theSystemKnowsLocalhost() async {
        let names = HostNames(["localhost"], logger: .none)
        await names.start()
        let addresses = names.addresses["localhost"] ?? []
        #expect(addresses.contains { $0.isLoopback })
    }

    @Test func namesBecomeCandidatesOfTheirFamily() {
        var settings = ServerSettings()
        settings.webrtcIPsFromInterfaces = false
        settings.webrtcAdditionalHosts = ["media.example", "192.0.2.9", "unknown.example"]
        let six = SocketAddress(ipv6High: 0x2001_0DB8 << 32, low: 1, port: 0)
        let source = CandidateSource(
            sockets: [SocketAddress(ipv4: 0, port: 8189)], interfaces: [], settings: settings,
            hosts: ["media.example": [one, six, one], "unknown.example": []])
        #expect(source.all == [one.withPort(8189), SocketAddress(ipv4: 0xC000_0209, port: 8189)])
    }
}
