import HTTP
import TestKit
import Testing
import Wire

@Suite struct RequestParsingTests {
    private func check(_ harness: ConnectionHarness, _ golden: GoldenRequest) throws {
        let request = try #require(harness.requests.first)
        #expect(harness.requests.count == 1)
        #expect(request.method.name == golden.method)
        #expect(request.path.segments == golden.path)
        #expect(request.host == golden.host)
        #expect(request.body == bytes(golden.body))
        #expect(harness.status == 200)
        #expect(harness.closesAfterFlush == !golden.keepsOpen)
        #expect(!harness.hasFinishedWriting)
    }

    @Test(arguments: GoldenRequest.all)
    func readsWhole(_ golden: GoldenRequest) throws {
        let harness = ConnectionHarness.answering()
        harness.feed(golden.text)
        try check(harness, golden)
    }

    @Test(arguments: GoldenRequest.all)
    func readsByteByByte(_ golden: GoldenRequest) throws {
        let whole = ConnectionHarness.answering()
        whole.feed(golden.text)
        let harness = ConnectionHarness.answering()
        harness.feedByteByByte(bytes(golden.text))
        try check(harness, golden)
        #expect(harness.output == whole.output)
    }

    @Test(arguments: GoldenRequest.all)
    func readsInRandomPieces(_ golden: GoldenRequest) throws {
        var random = SplitMix64(seed: 7)
        for _ in 0..<20 {
            let harness = ConnectionHarness.answering()
            var rest = bytes(golden.text)[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...rest.count, using: &random)
                harness.feed(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            try check(harness, golden)
        }
    }

    @Test(arguments: GoldenRequest.all)
    func everyPrefixWaitsForMore(_ golden: GoldenRequest) {
        let text = bytes(golden.text)
        for length in 0..<text.count {
            let harness = ConnectionHarness.answering()
            harness.feed(Array(text.prefix(length)))
            #expect(harness.requests.isEmpty)
            #expect(!harness.isClosing)
        }
    }

    @Test func keepsFieldsInOrderAndMultiplicity() throws {
        let harness = ConnectionHarness.answering()
        harness.feed("GET /?a=1&b=x+y%2B&a=2 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2, 3\r\n\r\n")
        let request = try #require(harness.requests.first)
        #expect(request.headers.values("X-A") == ["1", "2, 3"])
        #expect(request.headers.listElements("X-A") == ["1", "2", "3"])
        #expect(request.query["b"] == "x y+")
        #expect(request.query.values("a") == ["1", "2"])
        #expect(request.target == "/?a=1&b=x+y%2B&a=2")
        #expect(request.remoteAddress == ConnectionHarness.client)
    }

    @Test func bytesThatAreNotUTF8AreReadAsLatin1() throws {
        let harness = ConnectionHarness.answering()
        harness.feed(bytes("GET / HTTP/1.1\r\nHost: h\r\nX: caf") + [0xE9] + bytes("\r\n\r\n"))
        #expect(try #require(harness.requests.first).headers["X"] == "caf\u{E9}")
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 11)
        let goldens = GoldenRequest.all.map { bytes($0.text) }
        for round in 0..<6_000 {
            let harness = ConnectionHarness.answering(bodyLimit: 64)
            var input =
                round % 4 == 0 ? random.bytes(Int.random(in: 0...80, using: &random)) : goldens[round % goldens.count]
            for _ in 0..<Int.random(in: 0...4, using: &random) where !input.isEmpty {
                let index = Int.random(in: 0..<input.count, using: &random)
                switch UInt8.random(in: 0...3, using: &random) {
                case 0: input[index] = UInt8.random(in: 0...255, using: &random)
                case 1: input.remove(at: index)
                case 2: input.insert(bytes("\r\n :,;0fX%/\0").randomElement(using: &random) ?? 0, at: index)
                default: input.insert(contentsOf: input.prefix(index), at: index)
                }
            }
            harness.feed(input)
            for request in harness.requests {
                #expect(request.body.count <= 64)
                #expect(!request.path.segments.contains(".."))
            }
            let again = ConnectionHarness.answering(bodyLimit: 64)
            again.feedByteByByte(input)
            #expect(again.output == harness.output)
            harness.passTime(milliseconds: 100_000)
            #expect(harness.isClosing)
        }
    }
}
