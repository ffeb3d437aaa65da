import Loop
import SDP
import Testing
import Wire

@testable import Loop
@testable import Server

@Suite struct CandidateSourceTests {
    static let any = SocketAddress(ipv4: 0, port: 8189)
    static let anyIPv6 = SocketAddress(ipv6High: 0, low: 0, port: 8189)
    static let local = SocketAddress(ipv4: 0x7F00_0001, port: 5)
    static let elsewhere = SocketAddress(ipv4: 0xC633_6401, port: 5)

    static func interface(_ name: String, _ text: String, isUp: Bool = true) throws -> NetworkInterface {
        let address = try #require(SocketAddress(host: text, port: 0))
        return NetworkInterface(name: name, address: address, isUp: isUp, isLoopback: name == "lo")
    }

    static func interfaces() throws -> [NetworkInterface] {
        try [
            interface("lo", "127.0.0.1"), interface("eth0", "10.0.0.5"), interface("eth0", "fe80::1"),
            interface("eth0", "2001:db8::5"), interface("eth1", "203.0.113.7"),
            interface("eth2", "198.51.100.9", isUp: false),
            interface("docker0", "172.17.0.1"), interface("veth12", "10.9.9.9"), interface("br-1f", "172.18.0.1"),
            interface("eth3", "169.254.1.1"),
        ]
    }

    struct Case: CustomTestStringConvertible, Sendable {
        var name: String
        var sockets: [SocketAddress]
        var change: @Sendable (inout ServerSettings) -> Void
        var expected: [String]
        var testDescription: String { name }
    }

    static let cases = [
        Case(
            name: "automatic", sockets: [any, anyIPv6], change: { _ in },
            expected: ["203.0.113.7", "2001:db8::5", "10.0.0.5"]),
        Case(
            name: "IPv6 first, and public before private", sockets: [any, anyIPv6],
            change: { $0.webrtcPreferIPv6 = true }, expected: ["2001:db8::5", "203.0.113.7", "10.0.0.5"]),
        Case(name: "IPv4 only", sockets: [any], change: { _ in }, expected: ["203.0.113.7", "10.0.0.5"]),
        Case(
            name: "listed interface", sockets: [any], change: { $0.webrtcIPsFromInterfacesList = ["docker0"] },
            expected: ["172.17.0.1"]),
        Case(
            name: "interfaces by the beginning of their names", sockets: [any],
            change: { $0.webrtcIPsFromInterfacesList = ["eth*", "docker0"] },
            expected: ["203.0.113.7", "169.254.1.1", "10.0.0.5", "172.17.0.1"]),
        Case(
            name: "all the usual ones but one", sockets: [any, anyIPv6],
            change: { $0.webrtcIPsFromInterfacesList = ["!eth1"] }, expected: ["2001:db8::5", "10.0.0.5"]),
        Case(
            name: "listed, without one", sockets: [any],
            change: { $0.webrtcIPsFromInterfacesList = ["eth*", "!eth3", "!eth1"] }, expected: ["10.0.0.5"]),
        Case(
            name: "configured address", sockets: [any],
            change: {
                $0.webrtcIPsFromInterfaces = false
                $0.webrtcAdditionalHosts = ["192.0.2.9", "2001:db8::9"]
            }, expected: ["192.0.2.9"]),
        Case(
            name: "configured and automatic, once each", sockets: [any],
            change: { $0.webrtcAdditionalHosts = ["203.0.113.7", "203.0.113.8"] },
            expected: ["203.0.113.7", "203.0.113.8", "10.0.0.5"]),
        Case(
            name: "nothing but loopback", sockets: [any], change: { $0.webrtcIPsFromInterfaces = false },
            expected: ["127.0.0.1"]),
        Case(
            name: "bound to one address", sockets: [SocketAddress(ipv4: 0x0A00_0005, port: 8189)], change: { _ in },
            expected: ["10.0.0.5"]),
    ]

    @Test(arguments: cases)
    func addressesAreChosenAndOrdered(_ example: Case) throws {
        var settings = ServerSettings()
        example.change(&settings)
        let source = CandidateSource(sockets: example.sockets, interfaces: try Self.interfaces(), settings: settings)
        let expected = try example.expected.map { try #require(SocketAddress(host: $0, port: 8189)) }
        #expect(source.all == expected)
        #expect(source.candidates(for: Self.elsewhere, isForwarded: false).count == expected.count)
    }

    /// ICE-35: TCP after UDP, each in the same order, on the port that it is accepted on.
    @Test func addressesOfTCPComeAfterThoseOfUDP() throws {
        let streams = [Self.any.withPort(443), Self.anyIPv6.withPort(443)]
        let source = CandidateSource(
            sockets: [Self.any, Self.anyIPv6], streams: streams, interfaces: try Self.interfaces(),
            settings: ServerSettings())
        let candidates = source.candidates(for: Self.elsewhere, isForwarded: false)
        #expect(candidates.map(\.transport) == [.udp, .udp, .udp, .tcp, .tcp, .tcp])
        #expect(candidates.map(\.port) == [8189, 8189, 8189, 443, 443, 443])
        #expect(candidates.prefix(3).map(\.address) == candidates.suffix(3).map(\.address))
        #expect(candidates.map(\.priority) == candidates.map(\.priority).sorted(by: >))
        #expect(Set(candidates.map(\.foundation)).count == 6)
        #expect(candidates.suffix(3).allSatisfy { $0.tcpType == "passive" })
    }

    @Test func clientsOnThisMachineAreOfferedLoopbackFirst() throws {
        let source = CandidateSource(
            sockets: [Self.any], interfaces: try Self.interfaces(), settings: ServerSettings())
        let own = source.candidates(for: Self.local, isForwarded: false)
        #expect(own.first?.address == "127.0.0.1")
        #expect(own.count == 3)
        // Behind a proxy on this machine the client is somewhere else.
        #expect(source.candidates(for: Self.local, isForwarded: true).allSatisfy { $0.address != "127.0.0.1" })
    }
}
