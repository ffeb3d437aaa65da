import HTTP
import Testing

@Suite struct HTTPQueryTests {
    @Test(arguments: [
        ("", []), ("a", ["a="]), ("a=", ["a="]), ("=a", ["=a"]), ("a=b", ["a=b"]), ("a=b=c", ["a=b=c"]),
        ("a=1&b=2", ["a=1", "b=2"]), ("&&a=1&", ["a=1"]), ("a+b=c+d", ["a b=c d"]), ("a=%2B%26%3D", ["a=+&="]),
        ("a=%", ["a=%"]), ("a=%2", ["a=%2"]), ("a=%zz", ["a=%zz"]), ("a=%41", ["a=A"]), ("a=%C3%A9", ["a=\u{E9}"]),
        ("a=%FF", ["a=\u{FFFD}"]), ("a=%0d%0a", ["a=\r\n"]), ("A=1&a=2", ["A=1", "a=2"]), ("a=%2541", ["a=%41"]),
    ])
    func decodes(_ text: String, _ items: [String]) {
        #expect(HTTPQuery(decoding: text).items.map { "\($0.name)=\($0.value)" } == items)
    }

    @Test func itemsAreBounded() {
        #expect(HTTPQuery(decoding: String(repeating: "a&", count: 5_000)).items.count == HTTPQuery.maximumItems)
    }

    @Test func findsByExactName() {
        let query = HTTPQuery(decoding: "target_id=7&Target_id=8&target_id=9")
        #expect(query["target_id"] == "7")
        #expect(query["TARGET_ID"] == nil)
        #expect(query.values("target_id") == ["7", "9"])
    }
}
