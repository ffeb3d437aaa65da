import Codecs
import RTP
import TestKit
import Testing
import Wire

func inspect(_ payload: [UInt8], _ codec: Codec) -> PayloadSummary {
    payload.withBytes { PayloadInspector.inspect($0, codec: codec) }
}

@Suite struct PayloadInspectorTests {
    @Test(arguments: RecordedStream.all)
    func keyframesOfRealSendersAreFound(_ stream: RecordedStream) {
        var keyframes: [Int] = []
        var last = -1
        for (picture, payload) in stream.packets {
            let summary = inspect(payload, stream.codec)
            if picture != last { #expect(summary.startsFrame, "picture \(picture)") }
            last = picture
            if summary.isKeyframeStart, keyframes.last != picture { keyframes.append(picture) }
            if summary.isKeyframeStart, [.vp8, .vp9].contains(stream.codec) || payload.count > 100 {
                #expect(summary.resolution == VideoResolution(width: 320, height: 240))
            }
        }
        // x265 through FFmpeg has open groups: with one B picture each, its keyframes come one picture earlier.
        #expect(keyframes == (stream.name == "h265 (FFmpeg)" ? [0, 3, 7] : [0, 4, 8]))
    }

    @Test(arguments: Codec.allCases)
    func anEmptyPayloadIsUnknown(_ codec: Codec) {
        #expect(inspect([], codec) == .unknown)
    }

    @Test(arguments: [Codec.opus, .pcmu, .pcma, .g722])
    func everyAudioPacketIsAPlaceToBegin(_ codec: Codec) {
        let summary = inspect([0x78, 1, 2], codec)
        #expect(summary.startsFrame && summary.isKeyframeStart)
    }

    // MARK: H.264

    private static let sps: [UInt8] = [
        0x67, 0x42, 0xC0, 0x1E, 0xD9, 0x00, 0xA0, 0x47, 0xFE, 0x88,
    ]

    @Test(
        arguments: [
            ("IDR slice", [0x65, 0x88], true, true), ("later IDR slice", [0x65, 0x48], false, false),
            ("slice", [0x41, 0x9A], true, false), ("later slice", [0x41, 0x1A], false, false),
            ("SPS", sps, true, true), ("PPS", [0x68, 0xCE], true, false), ("SEI", [0x06, 5], true, false),
            ("delimiter", [0x09, 0x10], true, false), ("filler", [0x0C, 0xFF], false, false),
            ("FU-A start of IDR", [0x7C, 0x85, 0x88], true, true),
            ("FU-A middle of IDR", [0x7C, 0x05, 0x88], false, false),
            ("FU-A start and end", [0x7C, 0xC5, 0x88], true, true),
            ("FU-A start of slice", [0x5C, 0x81, 0x9A], true, false),
            ("FU-A start of a later slice", [0x7C, 0x85, 0x48], false, false),
            ("FU-A start of nothing", [0x7C, 0x85], false, false),
            ("STAP-A of SPS and PPS", [0x78, 0, 10] + sps + [0, 2, 0x68, 0xCE], true, true),
            ("STAP-A of SEI and slice", [0x58, 0, 2, 0x06, 5, 0, 2, 0x41, 0x9A], true, false),
            ("STAP-A with zero sizes and padding", [0x78, 0, 0, 0, 2, 0x65, 0x88, 0, 0, 0], true, true),
            ("STAP-A past the end", [0x78, 0, 200, 0x65, 0x88], false, false),
            ("STAP-B", [0x79, 0, 0, 0, 2, 0x65, 0x88], false, false), ("FU-B", [0x7D, 0x85, 0, 0, 0x88], false, false),
            ("FU-A cut", [0x7C], false, false), ("FU-A of FU-A", [0x7C, 0x9C, 0x88], false, false),
            ("type 0", [0x60, 0x88], false, false), ("type 31", [0x7F, 0x88], false, false),
        ] as [(String, [UInt8], Bool, Bool)])
    func h264PayloadsAreToldApart(_ name: String, _ payload: [UInt8], _ startsFrame: Bool, _ isKeyframeStart: Bool) {
        let summary = inspect(payload, .h264)
        #expect(summary.startsFrame == startsFrame)
        #expect(summary.isKeyframeStart == isKeyframeStart)
        #expect(summary.hasParameterSets == (name.contains("SPS") || name.contains("PPS")))
    }

    @Test func h264UnreferencedSlicesAreDiscardable() {
        #expect(inspect([0x01, 0x9A], .h264).isDiscardable)
        #expect(!inspect([0x41, 0x9A], .h264).isDiscardable)
        #expect(inspect([0x1C, 0x01, 0x9A], .h264).isDiscardable)
        #expect(!inspect([0x06, 0x05], .h264).isDiscardable)
        #expect(inspect([0x18, 0, 2, 0x06, 5, 0, 2, 0x01, 0x9A], .h264).isDiscardable)
        #expect(!inspect([0x78, 0, 2, 0x01, 0x9A, 0, 2, 0x41, 0x9A], .h264).isDiscardable)
    }

    // MARK: H.265

    @Test(
        arguments: [
            ("IDR", [0x26, 0x01, 0x80], true, true), ("CRA", [0x2A, 0x01, 0x80], true, true),
            ("later IDR segment", [0x26, 0x01, 0x40], false, false), ("TRAIL_R", [0x02, 0x01, 0x80], true, false),
            ("VPS", [0x40, 0x01, 0x0C], true, true), ("SPS", [0x42, 0x01, 0x01], true, true),
            ("PPS", [0x44, 0x01, 0xC0], true, false), ("delimiter", [0x46, 0x01, 0x50], true, false),
            ("suffix SEI", [0x50, 0x01, 0x05], false, false),
            ("FU start of IDR", [0x62, 0x01, 0x93, 0x80], true, true),
            ("FU middle", [0x62, 0x01, 0x13, 0x80], false, false),
            ("FU start of TRAIL", [0x62, 0x01, 0x81, 0x80], true, false),
            ("AP of VPS and PPS", [0x60, 0x01, 0, 3, 0x40, 0x01, 0x0C, 0, 3, 0x44, 0x01, 0xC0], true, true),
            ("AP of two slices", [0x60, 0x01, 0, 3, 0x02, 0x01, 0x80, 0, 3, 0x02, 0x01, 0x40], true, false),
            ("AP past the end", [0x60, 0x01, 0, 9, 0x26, 0x01, 0x80], false, false),
            ("PACI", [0x64, 0x01, 0x80, 0x80], false, false), ("no temporal id", [0x26, 0x00, 0x80], false, false),
            ("cut", [0x26, 0x01], false, false), ("FU of an aggregate", [0x62, 0x01, 0xB0, 0x80], false, false),
        ] as [(String, [UInt8], Bool, Bool)])
    func h265PayloadsAreToldApart(_ name: String, _ payload: [UInt8], _ startsFrame: Bool, _ isKeyframeStart: Bool) {
        let summary = inspect(payload, .h265)
        #expect(summary.startsFrame == startsFrame)
        #expect(summary.isKeyframeStart == isKeyframeStart)
        #expect(summary.hasParameterSets == name.contains("PS"))
    }

    @Test func h265LayersAndUnreferencedSlicesAreTold() {
        let summary = inspect([0x00, 0x03, 0x80], .h265)
        #expect(summary.temporalLayer == 2)
        #expect(summary.spatialLayer == 0)
        #expect(summary.isDiscardable)
        #expect(!inspect([0x02, 0x03, 0x80], .h265).isDiscardable)
        #expect(inspect([0x62, 0x03, 0x00, 0x80], .h265).isDiscardable)
        #expect(inspect([0x60, 0x01, 0, 3, 0x00, 0x01, 0x80, 0, 3, 0x50, 0x01, 0x80], .h265).isDiscardable)
    }

    // MARK: VP8, VP9, AV1

    @Test func vp8KeyframesTellTheirSize() {
        let frame: [UInt8] = [0x50, 0x42, 0x00, 0x9D, 0x01, 0x2A, 0x40, 0x01, 0xF0, 0x00]
        let summary = inspect([0x90, 0xE0, 0x80, 0x01, 0x05, 0x20] + frame, .vp8)
        #expect(summary.isKeyframeStart && summary.startsFrame && summary.isSwitchingPoint)
        #expect(summary.temporalLayer == 0)
        #expect(summary.resolution == VideoResolution(width: 320, height: 240))
        #expect(inspect([0xB0, 0x20, 0x80, 0x01], .vp8).isDiscardable)
    }

    @Test func vp9FramesTellWhereTheDescriptorDoesNot() {
        // FFmpeg's descriptor: B alone, for keyframes and others.
        #expect(inspect([0x08, 0x82, 0x49, 0x83, 0x42], .vp9).isKeyframeStart)
        #expect(!inspect([0x08, 0x86, 0x00, 0x40, 0x92], .vp9).isKeyframeStart)
        // With a picture id the P bit is to be trusted.
        #expect(inspect([0x88, 0x01, 0x86, 0x00, 0x40], .vp9).isKeyframeStart)
    }

    @Test(
        arguments: [
            ("sequence header and frame", [0x28, 0x04, 0x08, 0, 0, 0, 0x30, 1], true, true, true),
            ("frame", [0x10, 0x30, 1], true, false, false),
            ("frame with its size cut off", [0x50, 0x32, 0x7F, 1], true, false, false),
            ("continuation", [0x90, 0x30, 1], false, false, false),
            ("continuation, then frame", [0xA0, 0x01, 9, 0x30], true, false, false),
            ("tile group", [0x10, 0x20, 1], false, false, false),
            ("sequence in the middle", [0x98, 0x08], false, false, false),
            ("forbidden bit", [0x10, 0x80], false, false, false),
            ("size past the end", [0x08, 9, 0x08], false, false, false),
        ] as [(String, [UInt8], Bool, Bool, Bool)])
    func av1PayloadsAreToldApart(
        _ name: String, _ payload: [UInt8], _ startsFrame: Bool, _ isKeyframeStart: Bool, _ hasParameterSets: Bool
    ) {
        let summary = inspect(payload, .av1)
        #expect(summary.startsFrame == startsFrame)
        #expect(summary.isKeyframeStart == isKeyframeStart)
        #expect(summary.hasParameterSets == hasParameterSets)
    }

    @Test func av1SequenceHeadersTellTheSizeAndLayersAreTold() {
        // libaom's sequence header for 1920 × 1080, then a frame of temporal layer 1, spatial layer 0.
        let sequence: [UInt8] = [0x08, 0x00, 0x00, 0x00, 0x42, 0xAB, 0xBF, 0xC3, 0x73, 0x2B, 0xE4, 0x01]
        let summary = inspect([0x28, UInt8(sequence.count)] + sequence + [0x34, 0x20, 1], .av1)
        #expect(summary.temporalLayer == 1)
        #expect(summary.spatialLayer == 0)
        #expect(summary.isKeyframeStart)
        #expect(summary.resolution == VideoResolution(width: 1920, height: 1080))
    }

    @Test(arguments: Codec.allCases)
    func truncatedAndHostilePayloadsNeverTrap(_ codec: Codec) {
        for stream in RecordedStream.all where stream.codec == codec {
            for (_, payload) in stream.packets.prefix(4) {
                for length in 0..<payload.count { _ = inspect(Array(payload.prefix(length)), codec) }
            }
        }
        var random = SplitMix64(seed: 24)
        let recorded = RecordedStream.all.filter { $0.codec == codec }.flatMap(\.packets).map(\.payload)
        for round in 0..<5_000 {
            var bytes = random.bytes(Int.random(in: 0...40, using: &random))
            if !round.isMultiple(of: 3), let real = recorded.randomElement(using: &random) { bytes = real }
            for _ in 0..<3 where !bytes.isEmpty {
                bytes[Int.random(in: 0..<min(24, bytes.count), using: &random)] = random.bytes(1)[0]
            }
            _ = inspect(bytes, codec)
        }
    }
}
