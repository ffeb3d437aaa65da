import Testing

/// Requests as clients send them, with what must come out.
struct GoldenRequest: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var method = "GET"
    var path: [String] = []
    var host: String? = "h"
    var body = ""
    var keepsOpen = true

    var testDescription: String { name }

    static let all: [GoldenRequest] = [
        GoldenRequest(name: "shortest", text: "GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        GoldenRequest(name: "empty line first", text: "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        GoldenRequest(name: "no space after colon", text: "GET /a HTTP/1.1\r\nHost:h\r\n\r\n", path: ["a"]),
        GoldenRequest(name: "space around value", text: "GET /a HTTP/1.1\r\nHost: \t h \t\r\n\r\n", path: ["a"]),
        GoldenRequest(
            name: "field name in any case", text: "GET /a HTTP/1.1\r\nhOsT: h\r\nX-Empty:\r\n\r\n", path: ["a"]),
        GoldenRequest(name: "empty host", text: "GET /a HTTP/1.1\r\nHost:\r\n\r\n", path: ["a"], host: ""),
        GoldenRequest(
            name: "IPv6 host", text: "GET /a HTTP/1.1\r\nHost: [2001:db8::1]:8889\r\n\r\n", path: ["a"],
            host: "[2001:db8::1]:8889"),
        GoldenRequest(
            name: "encoded path and query", text: "GET /live%2Fmain/whep?x=1 HTTP/1.1\r\nHost: h\r\n\r\n",
            path: ["live", "main", "whep"]),
        GoldenRequest(
            name: "absolute form overrules Host",
            text: "GET HTTP://Media.example:80/a?b HTTP/1.1\r\nHost: other\r\n\r\n", path: ["a"],
            host: "Media.example:80"),
        GoldenRequest(
            name: "absolute form without path", text: "GET http://m?q HTTP/1.1\r\nHost: m\r\n\r\n", host: "m"),
        GoldenRequest(name: "asterisk form", text: "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", method: "OPTIONS"),
        GoldenRequest(
            name: "Latin-1 value", text: "GET /a HTTP/1.1\r\nHost: h\r\nUser-Agent: caf\u{E9}\r\n\r\n", path: ["a"]),
        GoldenRequest(
            name: "unknown method", text: "BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n", method: "BREW", path: ["pot"]),
        GoldenRequest(name: "higher minor version", text: "GET /a HTTP/1.9\r\nHost: h\r\n\r\n", path: ["a"]),
        GoldenRequest(name: "1.0", text: "GET /a HTTP/1.0\r\n\r\n", path: ["a"], host: nil, keepsOpen: false),
        GoldenRequest(
            name: "1.0 keep-alive", text: "GET /a HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n", path: ["a"]),
        GoldenRequest(
            name: "close in a list", text: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: TE , Close\r\n\r\n", path: ["a"],
            keepsOpen: false),
        GoldenRequest(
            name: "length", text: "POST /a/whip HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nv=0\r\n",
            method: "POST", path: ["a", "whip"], body: "v=0\r\n"),
        GoldenRequest(
            name: "length with zeros", text: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0003\r\n\r\nabc",
            method: "POST", path: ["a"], body: "abc"),
        GoldenRequest(
            name: "zero length", text: "DELETE /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", method: "DELETE",
            path: ["a"]),
        GoldenRequest(
            name: "chunked",
            text:
                "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
            method: "POST", path: ["a"], body: "abc0123456789"),
        GoldenRequest(
            name: "chunk extensions and trailers",
            text: "PATCH /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "2;a=b;c=\"d e\"\r\nxy\r\n1 ;q\r\nz\r\n000;last\r\nX-Sum: 1\r\nY:\r\n\r\n",
            method: "PATCH", path: ["a"], body: "xyz"),
    ]
}
