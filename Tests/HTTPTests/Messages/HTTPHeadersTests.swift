import HTTP
import Testing

@Suite struct HTTPHeadersTests {
    @Test func namesCompareWithoutCase() {
        var headers: HTTPHeaders = ["Content-Type": "a", "Link": "1"]
        headers.add("link", "2")
        #expect(headers["CONTENT-TYPE"] == "a")
        #expect(headers.values("LINK") == ["1", "2"])
        headers["LINK"] = "3"
        #expect(headers.values("Link") == ["3"])
        headers["link"] = nil
        #expect(!headers.contains("Link"))
        #expect(headers.count == 1)
    }

    @Test func listsSpanFields() {
        var headers: HTTPHeaders = ["Connection": " keep-alive ,, Upgrade"]
        headers.add("Connection", "Close")
        #expect(headers.listElements("connection") == ["keep-alive", "Upgrade", "Close"])
        #expect(headers.hasToken("Connection", "close"))
        #expect(!headers.hasToken("Connection", "keep"))
    }
}
