import HTTP
import Testing
import Wire

@Suite struct ForwardedFieldsTests {
    private func resolve(peer: String, forwarded: [String], proto: String? = nil) throws -> (String, Bool) {
        var request = HTTPRequest(
            method: .get, target: "/", remoteAddress: try #require(SocketAddress(host: peer, port: 1)))
        for value in forwarded { request.headers.add("X-Forwarded-For", value) }
        request.headers["X-Forwarded-Proto"] = proto
        ForwardedFields.resolve(&request) { $0.isLoopback || $0.ipv4 >> 24 == 10 }
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
