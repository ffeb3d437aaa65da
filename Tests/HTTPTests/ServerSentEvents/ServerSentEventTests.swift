import HTTP
import TestKit
import Testing

@Suite struct ServerSentEventTests {
    private func text(_ event: ServerSentEvent) -> String { String(decoding: event.encoded, as: UTF8.self) }

    @Test func writesOneLinePerField() {
        let event = ServerSentEvent(event: "room", id: "9-1", data: "{\"a\":1}", retryMilliseconds: 2_000)
        #expect(text(event) == "retry: 2000\nevent: room\nid: 9-1\ndata: {\"a\":1}\n\n")
        #expect(text(ServerSentEvent(data: "")) == "data: \n\n")
    }

    @Test(arguments: [
        ("a\nb", "data: a\ndata: b\n\n"), ("a\r\nb", "data: a\ndata: b\n\n"), ("a\rb", "data: a\ndata: b\n\n"),
        ("a\n\rb", "data: a\ndata: \ndata: b\n\n"), ("a\n", "data: a\ndata: \n\n"),
        ("\r\n\r\n", "data: \ndata: \ndata: \n\n"),
        ("\u{1F3A5} \u{E9}", "data: \u{1F3A5} \u{E9}\n\n"),
    ])
    func linesOfDataStayLines(_ data: String, _ expected: String) {
        #expect(bytes(text(ServerSentEvent(data: data))) == bytes(expected))
    }

    @Test func namesAndIdsStayOnTheirLine() {
        let event = ServerSentEvent(event: "a\r\ndata: x", id: "1\n2\u{0}3", data: "d")
        #expect(text(event) == "event: a  data: x\nid: 1 23\ndata: d\n\n")
        #expect(ServerSentEvent.comment("a\nb") == bytes(":a b\n\n"))
        #expect(ServerSentEvent.comment() == bytes(":\n\n"))
        #expect(ServerSentEvent.retry(milliseconds: -5) == bytes("retry: 0\n\n"))
    }

    /// Reads a stream as the WHATWG algorithm does, over bytes.
    private func dispatched(_ input: [UInt8]) -> [(event: String, data: String)] {
        var result: [(String, String)] = []
        var event = ""
        var data: [String] = []
        for line in input.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast() {
            guard !line.contains(0x0D) else { return [] }
            if line.isEmpty {
                if !data.isEmpty { result.append((event, data.joined(separator: "\n"))) }
                event = ""
                data = []
                continue
            }
            let colon = line.firstIndex(of: 0x3A) ?? line.endIndex
            var value = line[colon...].dropFirst()
            if value.first == 0x20 { value = value.dropFirst() }
            switch String(decoding: line[..<colon], as: UTF8.self) {
            case "event": event = String(decoding: value, as: UTF8.self)
            case "data": data.append(String(decoding: value, as: UTF8.self))
            default: break
            }
        }
        return result
    }

    @Test func aClientReadsBackWhatWasMeant() throws {
        var random = SplitMix64(seed: 5)
        let alphabet = ["a", ":", " ", "\n", "\r", "\u{E9}", "data: ", "\u{0}"]
        for _ in 0..<2_000 {
            let data = (0..<8).map { _ in alphabet.randomElement(using: &random) ?? "" }.joined()
            let events = dispatched(ServerSentEvent(event: "e", id: "1", data: data).encoded)
            let lineFeeds = bytes(data).split(separator: 0x0A, omittingEmptySubsequences: false)
                .map { $0.last == 0x0D ? $0.dropLast() : $0 }.joined(separator: [0x0A]).map { $0 == 0x0D ? 0x0A : $0 }
            let event = try #require(events.first)
            #expect(events.count == 1)
            #expect(event.event == "e")
            // A carriage return at the very end ends a line too.
            let expected = bytes(data).last == 0x0D ? lineFeeds + [0x0A] : lineFeeds
            #expect(bytes(event.data) == expected)
        }
    }
}
