import Codecs
import Foundation
import TestKit
import Testing
import Wire

/// PAY-11: what encoders wrote, and the sizes that ffprobe reads from it.
@Suite struct RecordedSizesTests {
    @Test func sizesAreThoseOfFFprobe() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Vectors/ParameterSets/sizes.txt")
        var count = 0
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let words = line.split(separator: " ")
            try #require(words.count == 4)
            let expected = VideoResolution(width: Int(words[1]) ?? 0, height: Int(words[2]) ?? 0)
            let bytes = [UInt8](hex: String(words[3]))
            let size = bytes.withBytes {
                words[0] == "h264"
                    ? H264SequenceParameterSet(parsing: $0)?.resolution
                    : H265SequenceParameterSet(parsing: $0)?.resolution
            }
            #expect(size == expected, "\(line)")
            count += 1
        }
        #expect(count >= 50)
    }

    /// Impossible ones are refused, whatever they claim.
    @Test func impossibleSetsAreRefused() {
        for golden in Golden.h264 + Golden.h265 {
            var random = SplitMix64(seed: 11)
            for _ in 0..<500 {
                var bytes = golden.bytes
                for _ in 0..<3 {
                    bytes[Int.random(in: 1..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                let sizes = bytes.withBytes {
                    [
                        H264SequenceParameterSet(parsing: $0)?.resolution,
                        H265SequenceParameterSet(parsing: $0)?.resolution,
                    ]
                }
                for case .some(let size) in sizes {
                    #expect((1...16_888).contains(size.width) && (1...33_000).contains(size.height))
                }
            }
        }
    }
}

@Suite struct AudioConfigurationTests {
    /// PAY-43, as ffprobe and the specifications have it.
    @Test(
        arguments: [
            ("1190", 48_000, nil, 2, 1_024, false), ("1210", 44_100, nil, 2, 1_024, false),
            ("1408", 16_000, nil, 1, 1_024, false), ("1194", 48_000, nil, 2, 960, false),
            // 96 kHz by the escape.
            ("1780bb8010", 96_000, nil, 2, 1_024, false),
            // SBR and PS told explicitly, SBR behind the sync word.
            ("2b098800", 24_000, 48_000, 1, 1_024, false), ("eb098800", 24_000, 48_000, 1, 1_024, true),
            ("131056e598", 24_000, 48_000, 2, 1_024, false), ("118856e500", 48_000, nil, 1, 1_024, false),
        ] as [(String, UInt32, UInt32?, Int, Int, Bool)])
    func configurationsAreRead(
        _ hex: String, _ rate: UInt32, _ extended: UInt32?, _ channels: Int, _ samples: Int, _ hasStereo: Bool
    ) throws {
        let bytes = [UInt8](hex: hex)
        let read = try bytes.withBytes { (bytes: RawSpan) throws(AudioSpecificConfig.Failure) in
            try AudioSpecificConfig(parsing: bytes)
        }
        #expect(read.sampleRate == rate)
        #expect(read.extendedSampleRate == extended)
        #expect(read.channels == channels)
        #expect(read.samplesPerFrame == samples)
        #expect(read.hasParametricStereo == hasStereo)
    }

    @Test(
        arguments: [
            ("", .truncated), ("11", .truncated), ("1180", .unsupportedChannels),
            ("f9468c0000", .unsupportedObjectType(42)),
            ("1690", .malformed),
        ] as [(String, AudioSpecificConfig.Failure)])
    func othersAreRefusedWithTheReason(_ hex: String, _ failure: AudioSpecificConfig.Failure) {
        let bytes = [UInt8](hex: hex)
        #expect(throws: failure) {
            try bytes.withBytes { (bytes: RawSpan) throws(AudioSpecificConfig.Failure) in
                _ = try AudioSpecificConfig(parsing: bytes)
            }
        }
    }

    @Test func framesOfOtherAudioAreMeasured() {
        let mp3 = [UInt8](hex: "fffbe264").withBytes { MPEGAudioHeader(parsing: $0) }
        #expect(mp3?.frameSize == 1_045 && mp3?.sampleRate == 44_100 && mp3?.layer == 3)
        let low = [UInt8](hex: "fff344c4").withBytes { MPEGAudioHeader(parsing: $0) }
        #expect(low?.samplesPerFrame == 576 && low?.sampleRate == 24_000)
        #expect([UInt8](hex: "fffb0064").withBytes { MPEGAudioHeader(parsing: $0) } == nil)
        let ac3 = [UInt8](hex: "0b77000014400000").withBytes { AC3Header(parsing: $0) }
        #expect(ac3?.frameSize == 768 && ac3?.samplesPerFrame == 1_536)
        // Every other frame at 44.1 kHz is a word longer.
        let short = [UInt8](hex: "0b7700005440").withBytes { AC3Header(parsing: $0)?.frameSize }
        let long = [UInt8](hex: "0b7700005540").withBytes { AC3Header(parsing: $0)?.frameSize }
        #expect(short == 834 && long == 836)
    }
}
