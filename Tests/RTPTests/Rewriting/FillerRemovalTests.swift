import Codecs
import RTP
import TestKit
import Testing
import Wire

/// PAY-10: browsers get no delimiters and no filler.
@Suite struct FillerRemovalTests {
    @Test(
        arguments: [
            (.h264, [0x65, 1, 2], nil), (.h264, [0x06, 5], nil), (.h264, [0x7C, 0x85, 1], nil),
            (.h264, [0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1], nil),
            (.h264, [0x78, 0, 2, 0x09, 0xF0, 0, 2, 0x67, 1, 0, 1, 0x0C], [0x78, 0, 2, 0x67, 1]),
            (.h264, [0x78, 0, 2, 0x09, 0xF0], [0x0C, 0x80]), (.h264, [0x0C, 0xFF, 0xFF, 0x80], [0x0C, 0x80]),
            (.h264, [0x7C, 0x4C, 0xFF], [0x0C, 0x80]), (.h264, [0x0C], [0x0C]), (.h264, [], nil),
            (.h265, [0x26, 1, 2], nil), (.h265, [0x46, 1, 0x50], [0x4C, 1, 0x80]),
            (.h265, [0x60, 1, 0, 3, 0x46, 1, 0x50, 0, 3, 0x42, 1, 7], [0x60, 1, 0, 3, 0x42, 1, 7]),
            (.h265, [0x62, 1, 0x66, 0xFF], [0x4C, 1, 0x80]),
        ] as [(Codec, [UInt8], [UInt8]?)])
    func payloadsAreWrittenWithout(_ codec: Codec, _ payload: [UInt8], _ expected: [UInt8]?) throws {
        let removal = try #require(FillerRemoval(codec))
        let applies = payload.withBytes { removal.applies(to: $0) }
        #expect(applies == (expected != nil))
        guard let expected else { return }
        let result = written(capacity: payload.count) { output in payload.withBytes { removal.append($0, to: &output) }
        }
        #expect(result == expected)
    }

    @Test func otherCodecsHaveNone() { #expect(FillerRemoval(.vp8) == nil) }

    @Test func hostileBytesNeverTrapAndNeverGrow() {
        var random = SplitMix64(seed: 10)
        for round in 0..<20_000 {
            let codec: Codec = round % 2 == 0 ? .h264 : .h265
            var bytes = random.bytes(Int.random(in: 1...60, using: &random)).map { $0 & 0x10 == 0 ? $0 : $0 & 0x0F }
            if round % 3 == 0 { bytes[0] = codec == .h264 ? 0x78 : 0x60 }
            guard let removal = FillerRemoval(codec), bytes.withBytes({ removal.applies(to: $0) }) else { continue }
            let result = written(capacity: bytes.count) { output in bytes.withBytes { removal.append($0, to: &output) }
            }
            #expect(!result.isEmpty && result.count <= bytes.count)
        }
    }
}
