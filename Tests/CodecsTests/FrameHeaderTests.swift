import Codecs
import TestKit
import Testing
import Wire

@Suite struct FrameHeaderTests {
    @Test(arguments: Golden.vp8)
    func vp8KeyframesTellTheirSize(_ golden: Golden) throws {
        let header = try #require(golden.bytes.withBytes { VP8FrameHeader(parsing: $0) })
        #expect(header.isKeyframe)
        #expect(header.resolution == golden.resolution)
        for length in 1..<10 {
            let cut = Array(golden.bytes.prefix(length)).withBytes { VP8FrameHeader(parsing: $0) }
            #expect(cut?.isKeyframe == true)
            #expect(cut?.resolution == nil)
        }
    }

    @Test func vp8InterFramesAndJunkTellNothing() {
        #expect([UInt8]().withBytes { VP8FrameHeader(parsing: $0) } == nil)
        var bytes = Golden.vp8[0].bytes
        bytes[3] = 0
        #expect(bytes.withBytes { VP8FrameHeader(parsing: $0)?.resolution } == nil)
        bytes = Golden.vp8[0].bytes
        bytes[0] |= 1
        let inter = bytes.withBytes { VP8FrameHeader(parsing: $0) }
        #expect(inter?.isKeyframe == false)
        #expect(inter?.resolution == nil)
    }

    @Test func vp8UpscalingIsNotPartOfTheSize() {
        var bytes = Golden.vp8[2].bytes
        bytes[7] |= 0x40
        bytes[9] |= 0x80
        #expect(bytes.withBytes { VP8FrameHeader(parsing: $0)?.resolution } == Golden.vp8[2].resolution)
    }

    @Test(arguments: Golden.vp9)
    func vp9KeyframesTellTheirSize(_ golden: Golden) throws {
        let header = try #require(golden.bytes.withBytes { VP9FrameHeader(parsing: $0) })
        #expect(header.isKeyframe)
        #expect(header.resolution == golden.resolution)
        for length in 0..<9 {
            let cut = Array(golden.bytes.prefix(length)).withBytes { VP9FrameHeader(parsing: $0) }
            #expect(cut?.resolution == nil)
        }
    }

    @Test func vp9InterFramesAndJunkTellNothing() {
        var bytes = Golden.vp9[0].bytes
        // frame_type
        bytes[0] |= 0x04
        #expect(bytes.withBytes { VP9FrameHeader(parsing: $0)?.isKeyframe } == false)
        // show_existing_frame
        bytes[0] = Golden.vp9[0].bytes[0] | 0x08
        #expect(bytes.withBytes { VP9FrameHeader(parsing: $0)?.isKeyframe } == false)
        bytes[0] = 0x40
        #expect(bytes.withBytes { VP9FrameHeader(parsing: $0) } == nil)
        bytes = Golden.vp9[0].bytes
        bytes[1] ^= 0xFF
        #expect(bytes.withBytes { VP9FrameHeader(parsing: $0) } == nil)
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 12)
        for _ in 0..<20_000 {
            var bytes = (Golden.vp8 + Golden.vp9).randomElement(using: &random)?.bytes ?? []
            bytes = Array(bytes.prefix(Int.random(in: 0...20, using: &random)))
            if !bytes.isEmpty { bytes[Int.random(in: 0..<bytes.count, using: &random)] = random.bytes(1)[0] }
            _ = bytes.withBytes { VP8FrameHeader(parsing: $0) }
            _ = bytes.withBytes { VP9FrameHeader(parsing: $0) }
        }
    }
}
