import HTTP
import Testing

@Suite struct ResponseSerializerTests {
    private func write(
        _ response: HTTPResponse, method: HTTPMethod = .get, version: HTTPVersion = .http11, persistent: Bool = true
    ) -> (text: String, framing: ResponseSerializer.Framing) {
        var output: [UInt8] = []
        let framing = ResponseSerializer.write(
            response, .init(method: method, version: version, isPersistent: persistent, date: "D"), into: &output)
        return (String(decoding: output, as: UTF8.self), framing)
    }

    @Test func emptyBodiesHaveALength() {
        #expect(write(HTTPResponse(status: 200)).text == "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Length: 0\r\n\r\n")
    }

    @Test(arguments: [204, 304]) func someStatusesNeverHaveABody(_ status: Int) {
        let result = write(HTTPResponse(status: status, body: .bytes([1])))
        #expect(!contains(result.text, "Content-Length"))
        #expect(result.text.hasSuffix("\r\n\r\n"))
        #expect(write(HTTPResponse(status: status, body: .stream(HTTPBodyStream()))).framing == .complete)
    }

    @Test func headKeepsTheLengthAndDropsTheBody() {
        let text = write(.text("hello"), method: .head).text
        #expect(contains(text, "Content-Length: 5\r\n"))
        #expect(text.hasSuffix("\r\n\r\n"))
        #expect(!contains(write(HTTPResponse(status: 200), method: .head).text, "Content-Length"))
    }

    @Test func persistenceIsSaidWhereItIsNotTheDefault() {
        #expect(!contains(write(.text("x")).text, "Connection"))
        #expect(contains(write(.text("x"), persistent: false).text, "Connection: close\r\n"))
        #expect(contains(write(.text("x"), version: .http10).text, "Connection: keep-alive\r\n"))
        #expect(contains(write(.text("x"), version: .http10, persistent: false).text, "Connection: close\r\n"))
    }

    @Test func streamsAreChunkedOrCloseDelimited() {
        let stream = HTTPResponse.Body.stream(HTTPBodyStream())
        #expect(write(HTTPResponse(status: 200, body: stream)).framing == .chunked)
        #expect(write(HTTPResponse(status: 200, body: stream), version: .http10).framing == .closeDelimited)
        #expect(write(HTTPResponse(status: 200, body: stream), method: .head).framing == .complete)
    }

    @Test func valuesCannotStartAnotherField() {
        let text = write(HTTPResponse(status: 200, headers: ["Location": "/a\r\nSet-Cookie: x\n\0y\u{E9}"])).text
        #expect(contains(text, "\r\nLocation: /a  Set-Cookie: x  y\u{E9}\r\n"))
    }

    @Test func fieldsTheConnectionOwnsAndMalformedNamesAreDropped() {
        let text = write(
            HTTPResponse(
                status: 200,
                headers: [
                    "content-length": "9", "Transfer-Encoding": "chunked", "connection": "x", "Date": "now",
                    "Bad Name": "",
                    "": "", "X\r\nY": "z", "Link": "1",
                ])
        ).text
        #expect(text == "HTTP/1.1 200 OK\r\nLink: 1\r\nDate: D\r\nContent-Length: 0\r\n\r\n")
    }

    @Test(arguments: [0, -1, 99, 100, 101, 199, 600, .max]) func impossibleStatusesBecome500(_ status: Int) {
        let text = write(HTTPResponse(status: status, body: .bytes([0x61]))).text
        #expect(text.hasPrefix("HTTP/1.1 500 Internal Server Error\r\n"))
        #expect(text.hasSuffix("\r\n\r\n"))
    }

    @Test func chunksCarryTheirSizeInHexadecimal() {
        var output: [UInt8] = []
        ResponseSerializer.writeChunk([], into: &output)
        #expect(output.isEmpty)
        ResponseSerializer.writeChunk([UInt8](repeating: 0x61, count: 26), into: &output)
        #expect(output == bytes("1a\r\n" + String(repeating: "a", count: 26) + "\r\n"))
    }
}
