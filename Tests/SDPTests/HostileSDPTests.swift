import SDP
import TestKit
import Testing

/// SDP-3: no bytes trap, and whatever parses survives being written and read again.
@Suite struct HostileSDPTests {
    private static let words: [[UInt8]] = [
        "\r\n", "\n\n", "a=", "m=", ":", ";", "=", " ", "/", "~", ",", "\0", "\u{FEFF}", "99999999999999999999",
        "65536",
        "128", "-1", "a=rtpmap:", "a=fmtp:96 ", "a=simulcast:send ", "a=rid:", "a=extmap:", "a=candidate:", "a=ssrc:",
        "a=fingerprint:", "a=group:BUNDLE ", "a=mid:", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "typ host", "pt=",
    ].map { Array($0.utf8) }

    @Test(arguments: ["ffmpeg9.0.2-whip", "gst1.22-webrtcbin-sendonly"])
    func mutatedOffersNeverTrap(_ name: String) throws {
        let original = try Vectors.offer(name)
        var random = SplitMix64(seed: 3)
        var parsed = 0
        for _ in 0..<8_000 {
            let text = Self.mutate(original, &random)
            guard let session = try? SessionDescription(parsing: text) else { continue }
            parsed += 1
            if parsed.isMultiple(of: 8) {
                #expect(try SessionDescription(parsing: session.bytes) == session)
            }
        }
        #expect(parsed > 500)
    }

    @Test func shortSoupNeverTraps() {
        var random = SplitMix64(seed: 4)
        for _ in 0..<20_000 {
            var text = Array("v=0\n\(videoLine)\n".utf8)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                text += Self.words.randomElement(using: &random) ?? []
                if Bool.random(using: &random) { text += random.bytes(2) }
            }
            if let session = try? SessionDescription(parsing: text) {
                #expect(session.media.count <= 8)
            }
            _ = try? TrickleFragment(parsing: Array(text.dropFirst(4)))
        }
    }

    @Test func everyTruncationParsesOrThrows() throws {
        let original = try Vectors.offer("ffmpeg9.0.2-whip")
        for length in original.indices {
            _ = try? SessionDescription(parsing: Array(original.prefix(length)))
            _ = try? TrickleFragment(parsing: Array(original.prefix(length)))
        }
    }

    private static func mutate(_ original: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        var text = original
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let index = Int.random(in: 0..<max(1, text.count), using: &random)
            guard index < text.count else { return text }
            switch Int.random(in: 0...4, using: &random) {
            case 0: text[index] = UInt8.random(in: 0...255, using: &random)
            case 1: text.remove(at: index)
            case 2: text.insert(contentsOf: words.randomElement(using: &random) ?? [], at: index)
            case 3: text.removeSubrange(index..<min(text.count, index + Int.random(in: 1...60, using: &random)))
            default:
                let end = min(text.count, index + Int.random(in: 1...200, using: &random))
                text.insert(contentsOf: text[index..<end], at: Int.random(in: 0...text.count, using: &random))
            }
        }
        return text
    }
}
