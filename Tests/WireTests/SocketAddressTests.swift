import Testing
import Wire

@Suite struct SocketAddressTests {
    @Test(arguments: [
        "127.0.0.1", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1:2", "1:2:3:4:5:6:7:8",
        "1::8", "2001:db8:0:1::",
    ])
    func textRoundTrips(_ host: String) throws {
        let address = try #require(SocketAddress(host: host, port: 7))
        #expect(address.host == host)
        #expect(address.port == 7)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01234.1.1.1", "+1.2.3.4", "fe80::1%eth0", ":", ":::", "1::2::3",
        "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::1", "host.example", "1:2:3:4:5:6:7::8:9",
    ])
    func nonAddressesAreRefused(_ host: String) { #expect(SocketAddress(host: host, port: 1) == nil) }

    @Test func mappedAddressIsIPv4() throws {
        let address = try #require(SocketAddress(host: "::ffff:192.0.2.5", port: 9))
        #expect(!address.isIPv6)
        #expect(address.description == "192.0.2.5:9")
    }
}
