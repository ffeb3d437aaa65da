import HTTP
import Testing
import Wire

/// A request that must be refused, and how.
struct RefusedRequest: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var status = 400
    var testDescription: String { name }

    private static func get(_ name: String, _ fields: String, status: Int = 400) -> RefusedRequest {
        RefusedRequest(name: name, text: "GET / HTTP/1.1\r\nHost: h\r\n\(fields)\r\n\r\n", status: status)
    }
    private static func post(_ name: String, _ fields: String, body: String = "", status: Int = 400) -> RefusedRequest {
        RefusedRequest(name: name, text: "POST / HTTP/1.1\r\nHost: h\r\n\(fields)\r\n\r\n\(body)", status: status)
    }
    private static func line(_ name: String, _ line: String, status: Int = 400) -> RefusedRequest {
        RefusedRequest(name: name, text: "\(line)\r\nHost: h\r\n\r\n", status: status)
    }
    private static func chunks(_ name: String, _ body: String, status: Int = 400) -> RefusedRequest {
        post(name, "Transfer-Encoding: chunked", body: body, status: status)
    }

    static let all: [RefusedRequest] = [
        // Smuggling.
        post("length and coding", "Content-Length: 3\r\nTransfer-Encoding: chunked", body: "0\r\n\r\n"),
        post("coding and length", "Transfer-Encoding: chunked\r\nContent-Length: 3", body: "0\r\n\r\n"),
        post("two lengths that differ", "Content-Length: 3\r\nContent-Length: 4", body: "abc"),
        post("two lengths that agree", "Content-Length: 3\r\nContent-Length: 3", body: "abc"),
        post("a list of lengths", "Content-Length: 3, 3", body: "abc"),
        post("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", body: "0\r\n\r\n"),
        post("chunked twice", "Transfer-Encoding: chunked, chunked", body: "0\r\n\r\n"),
        post("chunked not last", "Transfer-Encoding: chunked, gzip"),
        post("identity", "Transfer-Encoding: identity"),
        post("something like chunked", "Transfer-Encoding: xchunked"),
        post("no coding", "Transfer-Encoding:"),
        post("vertical tab before chunked", "Transfer-Encoding: \u{0B}chunked"),
        post("gzip, chunked", "Transfer-Encoding: gzip, chunked", status: 501),
        RefusedRequest(
            name: "coding in 1.0", text: "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        post("space before colon", "Content-Length : 3", body: "abc"),
        post("tab before colon", "Content-Length\t: 3", body: "abc"),
        get("folded field", "X: a\r\n b"),
        get("field folded by tab", "X: a\r\n\tb"),
        RefusedRequest(name: "first field folded", text: "GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
        // Lengths.
        post("signed length", "Content-Length: +3", body: "abc"),
        post("negative length", "Content-Length: -3"),
        post("hexadecimal length", "Content-Length: 0x3", body: "abc"),
        post("empty length", "Content-Length:"),
        post("length with space", "Content-Length: 1 0"),
        post("length over 64 bits", "Content-Length: 99999999999999999999"),
        post("length over the limit", "Content-Length: 999999999999999999", status: 413),
        post("length one over the limit", "Content-Length: 65537", status: 413),
        // Line endings.
        RefusedRequest(name: "bare line feeds", text: "GET / HTTP/1.1\nHost: h\n\n"),
        get("bare line feed in fields", "X: a\nY: b"),
        get("bare carriage return in value", "X: a\rb"),
        get("carriage returns before the line feed", "X: a\r"),
        RefusedRequest(name: "bare carriage return in request line", text: "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n"),
        RefusedRequest(name: "two empty lines first", text: "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        // Fields.
        get("no colon", "Nothing"),
        get("empty name", ": x"),
        get("space in name", "X Y: z"),
        get("parenthesis in name", "X(: z"),
        get("name above ASCII", "X\u{E9}: z"),
        get("NUL in value", "X: a\0b"),
        get("escape in value", "X: a\u{1B}b"),
        get("DEL in value", "X: a\u{7F}b"),
        get("two hosts", "Host: h"),
        RefusedRequest(name: "no host", text: "GET / HTTP/1.1\r\n\r\n"),
        RefusedRequest(name: "host with path", text: "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n"),
        RefusedRequest(name: "host with user", text: "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"),
        RefusedRequest(name: "host with space", text: "GET / HTTP/1.1\r\nHost: h h\r\n\r\n"),
        RefusedRequest(name: "host list", text: "GET / HTTP/1.1\r\nHost: h, h\r\n\r\n"),
        get("unknown expectation", "Expect: 200-ok", status: 417),
        get("expectation list", "Expect: 100-continue, x", status: 417),
        get("too many fields", (0..<100).map { "X-\($0): y" }.joined(separator: "\r\n"), status: 431),
        get("fields too large", "X: " + String(repeating: "y", count: 16 * 1024), status: 431),
        get(
            "fields too large together",
            (0..<17).map { "X\($0): " + String(repeating: "y", count: 1000) }
                .joined(separator: "\r\n"), status: 431),
        // Request lines.
        line("two spaces", "GET  / HTTP/1.1"),
        line("tab", "GET\t/ HTTP/1.1"),
        line("space at the end", "GET / HTTP/1.1 "),
        line("space first", " GET / HTTP/1.1"),
        line("no version", "GET /"),
        line("no target", "GET HTTP/1.1"),
        line("bad method", "GE:T / HTTP/1.1"),
        line("long method", String(repeating: "M", count: 33) + " / HTTP/1.1"),
        line("version in lower case", "GET / http/1.1"),
        line("version with two digits", "GET / HTTP/1.10"),
        line("version without minor", "GET / HTTP/1"),
        line("HTTP/2 preface", "PRI * HTTP/2.0", status: 505),
        line("version 0.9", "GET / HTTP/0.9", status: 505),
        line("authority form", "CONNECT h:443 HTTP/1.1"),
        line("relative target", "GET a HTTP/1.1"),
        line("foreign scheme", "GET ftp://h/ HTTP/1.1"),
        line("absolute form without host", "GET http:///x HTTP/1.1"),
        line("absolute form with user", "GET http://u@h/x HTTP/1.1"),
        line("fragment", "GET /a#b HTTP/1.1"),
        line("asterisk for GET", "GET * HTTP/1.1"),
        line("dot segments", "GET /a/../b HTTP/1.1"),
        line("encoded dot segments", "GET /a/%2e%2e/b HTTP/1.1"),
        line("encoded line break", "GET /a%0d%0ab HTTP/1.1"),
        line("long target", "GET /" + String(repeating: "a", count: 8 * 1024) + " HTTP/1.1", status: 414),
        line("long query", "GET /?" + String(repeating: "a", count: 8 * 1024) + " HTTP/1.1", status: 414),
        // Chunks.
        chunks("chunk size that is none", "x\r\n"),
        chunks("empty chunk size", "\r\n"),
        chunks("signed chunk size", "+1\r\na\r\n0\r\n\r\n"),
        chunks("prefixed chunk size", "0x1\r\na\r\n0\r\n\r\n"),
        chunks("space before chunk size", " 1\r\na\r\n0\r\n\r\n"),
        chunks("space after chunk size", "1 \r\na\r\n0\r\n\r\n"),
        chunks("chunk size over 60 bits", "1000000000000000\r\n"),
        chunks("chunk longer than its size", "1\r\nab\r\n0\r\n\r\n"),
        chunks("chunk ended by line feed", "1\r\na\n0\r\n\r\n"),
        chunks("chunk size ended by line feed", "1\na\r\n0\r\n\r\n"),
        chunks("carriage return in extension", "1;a\rb\r\na\r\n0\r\n\r\n"),
        chunks("NUL in extension", "1;a\0\r\na\r\n0\r\n\r\n"),
        chunks("long extension", "1;" + String(repeating: "e", count: 300)),
        chunks("malformed trailer", "0\r\nnothing\r\n\r\n"),
        chunks("large trailers", "0\r\n" + String(repeating: "X: yyyyyyyyyyyyyyyyyyyyy\r\n", count: 300), status: 431),
        chunks("chunk over the limit", "10001\r\n", status: 413),
        chunks(
            "chunks over the limit together", "8000\r\n" + String(repeating: "a", count: 0x8000) + "\r\n8001\r\n",
            status: 413),
    ]
}

@Suite struct StrictnessTests {
    @Test(arguments: RefusedRequest.all)
    func refuses(_ refused: RefusedRequest) {
        let harness = ConnectionHarness.answering()
        harness.feed(refused.text + "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(harness.requests.isEmpty)
        #expect(harness.statuses == [refused.status])
        #expect(contains(harness.text, "Content-Type: application/problem+json\r\n"))
        #expect(contains(harness.text, "Connection: close\r\n"))
        #expect(harness.hasFinishedWriting)
        harness.passTime(milliseconds: 2_000)
        #expect(harness.isAborted)
    }

    @Test(arguments: RefusedRequest.all.filter { $0.text.utf8.count < 4_000 })
    func refusesByteByByteAlike(_ refused: RefusedRequest) {
        let whole = ConnectionHarness.answering()
        whole.feed(refused.text)
        let harness = ConnectionHarness.answering()
        harness.feedByteByByte(bytes(refused.text))
        #expect(harness.output == whole.output)
    }

    @Test func limitsAreInclusive() {
        let harness = ConnectionHarness.answering(bodyLimit: 3)
        let fields = (0..<98).map { "X-\($0): y\r\n" }.joined()
        let target = "/?" + String(repeating: "a", count: 8 * 1024 - 2)
        harness.feed("POST \(target) HTTP/1.1\r\nHost: h\r\n\(fields)Content-Length: 3\r\n\r\nabc")
        harness.feed("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        #expect(harness.statuses == [200, 200])
        // "Host: h" and "X: ", each with its line ending, leave this much of 16 KiB.
        let value = String(repeating: "v", count: 16 * 1024 - 9 - 5)
        harness.feed("GET / HTTP/1.1\r\nHost: h\r\nX: \(value)\r\n\r\n")
        #expect(harness.statuses == [200, 200, 200])
        harness.feed("GET / HTTP/1.1\r\nHost: h\r\nX: \(value)v\r\n\r\n")
        #expect(harness.statuses == [200, 200, 200, 431])
    }
}
