import Codecs
import RTP
import TestKit
import Testing
import Wire

@Suite struct SoundSpanTests {
    private func ticks(
        _ encoding: String, _ payload: [UInt8], _ parameters: [String: String] = [:], rate: UInt32 = 48_000,
        codec: Codec = .otherAudio
    ) -> UInt32 {
        let description = PayloadDescription(
            codec: codec, encodingName: encoding, clockRate: rate, channels: 2
        ) { parameters[$0] }
        return payload.withBytes { SoundSpan(description).ticks(of: $0) }
    }

    /// RFC 3640, section 3.2.1: two bytes of size in bits, then a header of two bytes for each access unit.
    private func aac(_ units: Int) -> [UInt8] {
        [UInt8(units * 16 >> 8), UInt8(units * 16 & 255)] + Array(repeating: 8, count: units * 3)
    }

    private let layout = ["sizelength": "13", "indexlength": "3", "indexdeltalength": "3"]

    @Test func eachAccessUnitOfAACCounts() {
        #expect(ticks("MPEG4-GENERIC", aac(1), layout) == 1_024)
        #expect(ticks("mpeg4-generic", aac(11), layout, rate: 16_000) == 11_264)
        // HE-AAC: two thousand samples in a unit.
        #expect(ticks("MPEG4-GENERIC", aac(3), layout.merging(["constantduration": "2048"]) { $1 }) == 6_144)
        #expect(ticks("MPEG4-GENERIC", aac(3)) == 0, "without a layout nothing is known")
        #expect(ticks("MPEG4-GENERIC", Array(repeating: 1, count: 40), ["constantsize": "10"]) == 4_096)
    }

    @Test func framesOfMPEGAudioAndSamplesCount() {
        // Layer III, 128 kbit/s, 48 kHz: 384 bytes, 24 ms.
        let frame: [UInt8] = [0xFF, 0xFB, 0x94, 0x00] + Array(repeating: 0, count: 380)
        #expect(ticks("MPA", [0, 0, 0, 0] + frame + frame, rate: 90_000) == 4_320)
        #expect(ticks("MPA", [0, 0, 0, 0, 1, 2, 3], rate: 90_000) == 0)
        #expect(ticks("L16", Array(repeating: 0, count: 1_920)) == 480)
        #expect(ticks("L24", Array(repeating: 0, count: 600)) == 100)
        #expect(ticks("AC3", [0, 2, 0x0B, 0x77]) == 3_072)
        #expect(ticks("AC3", [1, 5, 0x0B, 0x77]) == 1_536, "a fragment of one frame")
    }

    @Test func otherFormatsAndDamageSayNothing() {
        #expect(ticks("opus", [0xFC, 1, 2], codec: .opus) == 0)
        #expect(ticks("MP4A-LATM", [1, 2, 3]) == 0)
        for encoding in ["MPEG4-GENERIC", "MPA", "AC3", "EAC3", "L16", "L24", "L8"] {
            var random = SplitMix64(seed: 7)
            for size in 0..<64 {
                let payload = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
                #expect(ticks(encoding, payload, layout) <= 96_000)
            }
        }
    }
}
