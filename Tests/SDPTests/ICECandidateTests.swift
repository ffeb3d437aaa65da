import SDP
import Testing
import Wire

@Suite struct ICECandidateTests {
    @Test func priorityFollowsTheFormula() {
        #expect(ICECandidate.priority(type: .host, localPreference: 65_535) == 2_130_706_431)
        #expect(ICECandidate.priority(type: .host, localPreference: 65_535, component: 2) == 2_130_706_430)
        #expect(ICECandidate.priority(type: .serverReflexive, localPreference: 0) == 100 << 24 | 255)
        #expect(ICECandidate.priority(type: .relay, localPreference: 1, component: 256) == 1 << 8)
    }

    @Test func hostCandidatesFallInPriorityAndShareFoundationsByAddress() {
        let one = SocketAddress(ipv4: 0xC000_0201, port: 8189)
        let six = SocketAddress(ipv6High: 0x2001_0DB8_0000_0000, low: 1, port: 8189)
        let candidates = ICECandidate.hostCandidates(for: [one, six, one.withPort(9000)])
        #expect(candidates.map(\.foundation) == ["1", "2", "1"])
        #expect(candidates.map(\.priority) == [2_130_706_431, 2_130_706_175, 2_130_705_919])
        #expect(candidates.map(\.component) == [1, 1, 1])
        #expect(candidates[1].text == "candidate:2 1 udp 2130706175 2001:db8::1 8189 typ host")
    }

    /// SDP-E3, WHIP-24.
    @Test(arguments: [
        ("1 1 udp 2130706431 192.0.2.1 5000 typ host", "192.0.2.1:5000"),
        ("candidate:1 1 UDP 1 192.0.2.1 5000 typ host generation 0 network-id 1 network-cost 10", "192.0.2.1:5000"),
        ("1 1 udp 1 2001:db8::1 5000 typ srflx raddr 0.0.0.0 rport 0", "[2001:db8::1]:5000"),
        ("1 1 udp 1 203.0.113.1 5000 typ relay raddr 0.0.0.0 rport 9", "203.0.113.1:5000"),
        ("1 1 tcp 1 192.0.2.1 9 typ host tcptype active", nil),
        ("1 1 udp 1 fe80::1%eth0 5000 typ host", nil),
        ("1 1 udp 1 4ec1b0b4-7c7f-4b4f-a6c7-0f0a0a0a0a0a.local 5000 typ host", nil),
        ("1 1 udp 1 example.com 5000 typ host", nil),
        ("1 1 udp 1 127.0.0.1 5000 typ host", nil),
        ("1 1 udp 1 0.0.0.0 5000 typ host", nil),
        ("1 1 udp 1 224.0.0.1 5000 typ host", nil),
        ("1 1 udp 1 192.0.2.1 0 typ host", nil),
        ("1 2 udp 1 192.0.2.1 5000 typ host", nil),
        ("1 1 ssltcp 1 192.0.2.1 5000 typ host", nil),
    ])
    func onlyReachableCandidatesAreUsable(_ text: String, _ usable: String?) throws {
        let candidate = try #require(ICECandidate(text))
        #expect(candidate.usableAddress(allowingLoopback: false)?.description == usable)
        #expect(ICECandidate(candidate.text) == candidate)
    }

    @Test func loopbackIsUsableWhereAllowed() throws {
        let candidate = try #require(ICECandidate("1 1 udp 1 127.0.0.1 5000 typ host"))
        #expect(candidate.usableAddress(allowingLoopback: true)?.port == 5000)
    }

    @Test func tailsAreKept() throws {
        let candidate = try #require(ICECandidate("a 1 tcp 5 h.local 9 typ host tcptype passive ufrag abcd x"))
        #expect(candidate.tcpType == "passive")
        #expect(candidate.extensions == "ufrag abcd x")
        #expect(candidate.type == .host && candidate.transport == .tcp)
    }

    @Test(arguments: [
        "", "1", "1 1 udp 1 192.0.2.1 5000", "1 1 udp 1 192.0.2.1 5000 type host", "1 1 udp 1 192.0.2.1 65536 typ host",
        "1 1 udp 4294967296 192.0.2.1 1 typ host", "1 0 udp 1 192.0.2.1 1 typ host", "1 257 udp 1 192.0.2.1 1 typ host",
        "1 1 udp -1 192.0.2.1 1 typ host", "1 1 udp 1 192.0.2.1 1 typ", "1 1 udp 1 1.1.1.1 1 typ host\r\na=x",
    ])
    func otherTextIsNoCandidate(_ text: String) {
        #expect(ICECandidate(text) == nil)
    }
}
