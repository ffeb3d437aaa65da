import SDP
import Testing

/// SDP-2: one below, at, and one above each limit.
@Suite struct SDPLimitsTests {
    private func expect(
        _ kind: SDPError.Kind = .limitExceeded, atMost limit: Int, _ text: (Int) -> String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(refusal(text(limit - 1)) == nil, sourceLocation: sourceLocation)
        #expect(refusal(text(limit)) == nil, sourceLocation: sourceLocation)
        #expect(refusal(text(limit + 1))?.kind == kind, sourceLocation: sourceLocation)
    }

    private func repeated(_ count: Int, _ line: (Int) -> String) -> String {
        (0..<count).map { line($0) + "\n" }.joined()
    }

    @Test func bytes() {
        let filler = String(repeating: "x=" + String(repeating: "y", count: 1021) + "\n", count: 63)
        expect(.tooLarge, atMost: 64 * 1024) { size in
            let head = "v=0\n" + filler
            return head + "x=" + String(repeating: "z", count: size - head.utf8.count - 2)
        }
    }

    @Test func lines() {
        expect(atMost: 2000) { count in "v=0\n" + String(repeating: "\n", count: count - 2) + "x=y" }
    }

    @Test func lineBytes() {
        expect(atMost: 4096) { size in "v=0\ns=" + String(repeating: "n", count: size - 2) }
    }

    @Test func mediaSections() {
        expect(atMost: 64) { count in "v=0\n" + repeated(count) { _ in "m=audio 9 RTP/AVP 0" } }
    }

    @Test func attributesOfASection() {
        expect(atMost: 256) { count in "v=0\n\(videoLine)\n" + repeated(count) { "a=x\($0)" } }
        expect(atMost: 256) { count in "v=0\n" + repeated(count) { "a=x\($0)" } + "\(videoLine)\na=y\n" }
    }

    @Test func payloadTypesAndFormats() {
        expect(atMost: 64) { count in
            "v=0\nm=video 9 RTP/AVP " + (0..<count).map { String($0) }.joined(separator: " ")
        }
        expect(atMost: 64) { count in
            "v=0\nm=application 9 UDP/X " + (0..<count).map { "f\($0)" }.joined(separator: " ")
        }
    }

    @Test func extensionMappings() {
        expect(atMost: 32) { count in "v=0\n\(videoLine)\n" + repeated(count) { "a=extmap:\($0 + 1) urn:x\($0)" } }
        expect(atMost: 32) { count in "v=0\n" + repeated(count) { "a=extmap:\($0 + 1) urn:x\($0)" } }
    }

    @Test func restrictionIdentifiers() {
        expect(atMost: 16) { count in "v=0\n\(videoLine)\n" + repeated(count) { "a=rid:r\($0) send" } }
        expect(atMost: 16) { count in
            "v=0\n\(videoLine)\na=simulcast:send " + (0..<count).map { "r\($0)" }.joined(separator: ";")
        }
        expect(atMost: 16) { count in
            "v=0\n\(videoLine)\na=simulcast:recv " + (0..<count).map { "r\($0)" }.joined(separator: ",")
        }
    }

    @Test func formatParametersBeyondTheLimitAreLeftOut() {
        let text = (0..<1000).map { "p\($0)=1" }.joined(separator: ";")
        #expect(FormatParameters(text).parameters.count == FormatParameters.maximumCount)
    }
}
