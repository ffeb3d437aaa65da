import HTTP
import Testing
import Wire

@Suite struct ResponseHelperTests {
    private func text(_ response: HTTPResponse) -> String {
        guard case .bytes(let bytes) = response.body else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func problemsFollowTheirSchema() {
        let response = HTTPResponse.problem(409, detail: "Room \"a\\b\" is live.\n<img>")
        #expect(response.status == 409)
        #expect(response.headers["Content-Type"] == "application/problem+json")
        #expect(response.headers["Cache-Control"] == "no-store")
        #expect(
            text(response) == #"{"type":"about:blank","title":"Conflict","status":409,"#
                + #""detail":"Room \"a\\b\" is live.\n<img>"}"#)
        #expect(!text(.problem(404, title: "No such room")).contains("detail"))
        #expect(
            text(ProblemDetails(status: 410, reason: "replaced").response)
                == #"{"type":"about:blank","title":"Gone","status":410,"reason":"replaced"}"#)
    }

    @Test func redirectsKeepTheMethod() {
        let response = HTTPResponse.redirect307(to: "/x")
        #expect(response.status == 307)
        #expect(response.headers["Location"] == "/x")
    }

    @Test func jsonIsNestedAndSeparated() {
        var json = JSONWriter()
        json.object {
            $0.member("a", 1)
            $0.member("b", nil as String?)
            $0.member("c") { $0.array { list in for n in [1.5, .infinity] { list.value(n) } } }
            $0.member("d") { $0.object { _ in } }
            $0.member("e") {
                $0.array {
                    $0.value(true)
                    $0.object { $0.member("f", false) }
                    $0.value("g")
                }
            }
        }
        #expect(
            String(decoding: json.bytes, as: UTF8.self)
                == #"{"a":1,"b":null,"c":[1.5,null],"d":{},"e":[true,{"f":false},"g"]}"#)
    }

    @Test func jsonStringsAreEscaped() {
        var output: [UInt8] = []
        JSONWriter.appendString("\"\\\u{0}\u{8}\t\n\r\u{1F}\u{7F}/\u{E9}\u{1F3A5}\u{2028}", to: &output)
        #expect(
            String(decoding: output, as: UTF8.self)
                == #""\"\\\u0000\u0008\t\n\r\u001f\u007f/"# + "\u{E9}\u{1F3A5}\u{2028}\"")
    }

    @Test(
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"), (2_147_483_648, "Tue, 19 Jan 2038 03:14:08 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (-1, "Thu, 01 Jan 1970 00:00:00 GMT"), (Int64.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] as [(Int64, String)])
    func datesAreFormatted(_ seconds: Int64, _ text: String) {
        #expect(HTTPDate.format(unixSeconds: seconds) == text)
    }

    @Test func datesFollowTheWallClock() {
        let later = ConnectionHarness.origin.advanced(byMilliseconds: 1_500)
        #expect(HTTPDate.format(later, by: ConnectionHarness.clock) == "Sun, 06 Nov 1994 08:49:38 GMT")
    }

    @Test(arguments: [
        ("application/sdp", true), ("APPLICATION/SDP; charset=utf-8", true), (" application/sdp ;x", true),
        ("application/sdpx", false), ("application/json", false), ("", false), ("application/sdp, a/b", false),
    ])
    func contentTypesMatchWithoutCaseAndParameters(_ value: String, _ matches: Bool) {
        #expect(MediaType.matches(value, "application/sdp") == matches)
    }

    @Test func filesHaveContentTypes() {
        #expect(MediaType.forFile(named: "INDEX.HTML") == "text/html; charset=utf-8")
        #expect(MediaType.forFile(named: "a.b.mjs") == "text/javascript; charset=utf-8")
        #expect(MediaType.forFile(named: "html") == "application/octet-stream")
        #expect(MediaType.forFile(named: ".") == "application/octet-stream")
    }

    @Test(arguments: [
        ("\"a\"", true, true), ("*", true, true), ("\"*\"", true, false), ("W/\"a\"", false, true),
        ("\"b\", \"a\"", true, true), ("\"b\"", false, false), ("", false, false), ("a", false, false),
        ("\"x, \"a\"\"", false, false),
    ])
    func entityTagsAreCompared(_ value: String, _ match: Bool, _ noneMatch: Bool) {
        #expect(EntityTag.matchHolds(value, for: "\"a\"") == match)
        #expect(EntityTag.noneMatchApplies(value, to: "\"a\"") == noneMatch)
    }

    @Test func everyoneMayCallUnlessTold() {
        var headers = HTTPHeaders()
        CORSPolicy().apply(to: &headers, origin: "https://a")
        #expect(headers["Access-Control-Allow-Origin"] == "*")
        #expect(headers["Access-Control-Allow-Credentials"] == nil)
        #expect(headers["Access-Control-Expose-Headers"]?.contains("Location, ETag, Link, Accept-Post") == true)
    }

    @Test func listedOriginsAreEchoed() {
        let policy = CORSPolicy(allowedOrigins: ["https://a.example", "http://*.b.example:8080"])
        var headers = HTTPHeaders()
        policy.apply(to: &headers, origin: "https://a.example")
        #expect(headers["Access-Control-Allow-Origin"] == "https://a.example")
        #expect(headers["Access-Control-Allow-Credentials"] == "true")
        #expect(headers["Vary"] == "Origin")
        headers = HTTPHeaders()
        policy.apply(to: &headers, origin: "https://evil.example")
        #expect(headers["Access-Control-Allow-Origin"] == nil)
        #expect(headers.contains("Access-Control-Expose-Headers"))
        #expect(policy.allows("http://x.y.b.example:8080"))
        #expect(!policy.allows("http://.b.example:8080.evil"))
        #expect(!policy.allows("http://evil/.b.example:8080"))
        #expect(!policy.allows("http://b.example:8080"))
        #expect(!CORSPolicy(allowedOrigins: []).allows("https://a.example"))
        #expect(!policy.allows("null"))
    }
}
