import Testing
import Wire

@testable import Server

@Suite struct SettingUnitTests {
    @Test(
        arguments: [
            ("10s", 10_000), ("1m30s", 90_000), ("500ms", 500), ("1h", 3_600_000), ("1.5s", 1_500), ("0", 0),
            ("1d", 86_400_000),
            ("0.25m", 15_000), ("1h1m1s1ms", 3_661_001),
        ] as [(String, Int)])
    func durationsAreRead(_ text: String, _ milliseconds: Int) {
        #expect(Duration(settingText: text) == .milliseconds(milliseconds))
    }

    @Test(arguments: [
        "", "10", "s", "1x", "1s1", "-1s", "+1s", "1 s", "1.s", ".5s", "1.1234567890s", "9999999999999h",
        "9223372036854775807ns1ns", "1sec",
    ])
    func badDurationsAreRefused(_ text: String) { #expect(Duration(settingText: text) == nil) }

    @Test(arguments: ["10s", "1m30s", "500ms", "2h", "1us", "1s1ns", "0s"])
    func durationsAreWrittenAsTheyAreRead(_ text: String) {
        #expect(Duration(settingText: text)?.settingText == text)
    }

    @Test(arguments: [("50M", 50 << 20), ("1K", 1_024), ("0", 0), ("7", 7), ("2G", 2 << 30), ("3mb", 3 << 20)])
    func sizesAreRead(_ text: String, _ bytes: Int) { #expect(ByteCount(settingText: text)?.bytes == bytes) }

    @Test(arguments: ["", "M", "1X", "-1", "1.5M", "99999999999999T", "99999999999999999999"])
    func badSizesAreRefused(_ text: String) { #expect(ByteCount(settingText: text) == nil) }

    @Test func sizesHaveBounds() throws {
        let type = SettingType<ByteCount>.size(ByteCount(1_024)...ByteCount(1 << 20))
        func read(_ text: String) throws -> ByteCount {
            try type.read(SettingNode(content: .scalar(text), origin: SettingOrigin(source: "t")))
        }
        #expect(try type.write(read("1024")) == "1K")
        #expect(try read("1M").bytes == 1 << 20)
        #expect(throws: SettingFault.self) { try read("1023") }
        #expect(throws: SettingFault.self) { try read("1025K") }
        #expect(throws: SettingFault.self) { try read("lots") }
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.1.2.3", true), ("10.0.0.0/8", "11.0.0.1", false), ("0.0.0.0/0", "1.2.3.4", true),
        ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false), ("fd00::/8", "fd12::1", true),
        ("fd00::/8", "fe00::1", false), ("2001:db8::/96", "2001:db8::1:2", true),
        ("2001:db8::/96", "2001:db8::1:0:0", false),
        ("::/0", "2001:db8::1", true), ("::/0", "1.2.3.4", false), ("10.0.0.0/8", "::1", false), ("::1", "::1", true),
    ])
    func rangesContain(_ range: String, _ address: String, _ expected: Bool) throws {
        let range = try #require(AddressRange(range))
        let address = try #require(SocketAddress(host: address, port: 1))
        #expect(range.contains(address) == expected)
    }

    @Test(
        arguments: [
            ("", []), ("TQ==", [0x4D]), ("TQ", [0x4D]), ("TWE=", [0x4D, 0x61]), ("TWFu", [0x4D, 0x61, 0x6E]),
            ("+/+/", [0xFB, 0xFF, 0xBF]),
        ] as [(String, [UInt8])])
    func base64IsDecoded(_ text: String, _ bytes: [UInt8]) { #expect(Base64.decode(text.utf8) == bytes) }

    @Test(arguments: ["T", "T=Q=", "TQ=", "TQ===", "T Q=", "TWFuT", "-_-_", "TQ==TQ=="])
    func badBase64IsRefused(_ text: String) { #expect(Base64.decode(text.utf8) == nil) }

    @Test(arguments: [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("ab", "ba", 1), ("a", "a", 0)])
    func editDistance(_ first: String, _ second: String, _ expected: Int) {
        #expect(NearestKey.distance(Array(first.utf8), Array(second.utf8)) == expected)
    }

    @Test func longKeysHaveNoNeighbours() {
        #expect(NearestKey.of(String(repeating: "a", count: 65), among: ["a"]) == nil)
        #expect(NearestKey.of("", among: ["ab"]) == nil)
    }
}
