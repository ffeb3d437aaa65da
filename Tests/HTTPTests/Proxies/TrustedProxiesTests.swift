import HTTP
import Testing
import Wire

@Suite struct TrustedProxiesTests {
    @Test(arguments: [
        ("192.0.2.0/24", "192.0.2.255", true), ("192.0.2.0/24", "192.0.3.0", false), ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false), ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "::1", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::1", false),
        ("2001:db8::/96", "2001:db8::ffff:1", true), ("2001:db8::/96", "2001:db8::1:0:0", false),
        ("::1", "::1", true), ("::/0", "2001:db8::1", true), ("::ffff:192.0.2.0/120", "192.0.2.7", true),
    ])
    func rangesHoldTheirAddresses(_ range: String, _ address: String, _ holds: Bool) throws {
        let range = try #require(AddressRange(range))
        #expect(range.contains(try #require(SocketAddress(host: address, port: 9))) == holds)
    }

    @Test(arguments: [
        "", "/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/", "::/129", "name", "1.2.3.4/8/8", "::ffff:1.2.3.4/90",
    ])
    func otherTextsAreNoRanges(_ text: String) {
        #expect(AddressRange(text) == nil)
    }

    private func resolve(peer: String, forwarded: [String], proto: String? = nil) throws -> (String, Bool) {
        let proxies = TrustedProxies(try ["10.0.0.0/8", "::1"].map { try #require(AddressRange($0)) })
        var request = HTTPRequest(
            method: .get, target: "/", remoteAddress: try #require(SocketAddress(host: peer, port: 1)))
        for value in forwarded { request.headers.add("X-Forwarded-For", value) }
        request.headers["X-Forwarded-Proto"] = proto
        proxies.resolve(&request)
        return (request.remoteAddress.host, request.isSecure)
    }

    @Test(arguments: [
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"), ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"), ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"), ("10.0.0.1", ["1.1.1.1, junk"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, junk, 10.0.0.2"], "10.0.0.2"), ("::1", ["[2001:db8::1]:80"], "2001:db8::1"),
        ("::1", ["2001:db8::1"], "2001:db8::1"), ("::1", ["[2001:db8::1]"], "2001:db8::1"),
        ("::1", ["192.0.2.1:4242"], "192.0.2.1"), ("::1", ["192.0.2.1:99999"], "::1"), ("::1", ["[192.0.2.1:1"], "::1"),
    ])
    func theRightmostUntrustedHopIsTheClient(_ peer: String, _ forwarded: [String], _ client: String) throws {
        #expect(try resolve(peer: peer, forwarded: forwarded).0 == client)
    }

    @Test func onlyTrustedProxiesMayCallARequestSecure() throws {
        #expect(try resolve(peer: "10.0.0.1", forwarded: [], proto: "HTTPS").1)
        #expect(try !resolve(peer: "10.0.0.1", forwarded: [], proto: "http").1)
        #expect(try !resolve(peer: "203.0.113.5", forwarded: [], proto: "https").1)
    }
}
