import Codecs
import RTP
import TestKit
import Testing
import Wire

@Suite struct VP9PayloadDescriptorTests {
    private func parse(_ bytes: [UInt8]) throws(WireError) -> VP9PayloadDescriptor {
        try bytes.withBytes { (payload) throws(WireError) in try VP9PayloadDescriptor(parsing: payload) }
    }

    /// A keyframe's first packet as libwebrtc sends L2T3: I, L, B, V; sizes and a picture group of 4.
    private static let keyframe: [UInt8] =
        [0xAA, 0x92, 0x34, 0b0000_0000, 0x05]
        + [0x38, 0x01, 0x40, 0x00, 0xB4, 0x02, 0x80, 0x01, 0x68]
        + [4, 0x04, 4, 0x48, 1, 2, 0x34, 2, 0x4C, 1, 2, 3]
        + [0x82, 0x49]

    /// Flexible mode: I, P, L, F, B; three references.
    private static let flexible: [UInt8] = [0xF8, 0x05, 0b0101_0011, 0x03, 0x05, 0x08, 0x00]

    @Test func aKeyframeWithScalabilityStructureIsRead() throws {
        let descriptor = try parse(Self.keyframe)
        #expect(descriptor.pictureID == 0x1234)
        #expect(descriptor.hasLongPictureID)
        #expect(descriptor.pictureIDOffset == 1)
        #expect(descriptor.temporalLayer == 0)
        #expect(descriptor.spatialLayer == 0)
        #expect(descriptor.temporalLevelZeroIndex == 5)
        #expect(descriptor.temporalLevelZeroIndexOffset == 4)
        #expect(descriptor.spatialLayerCount == 2)
        #expect(descriptor.resolution == VideoResolution(width: 640, height: 360))
        #expect(descriptor.startsFrame && !descriptor.endsFrame && descriptor.startsKeyframe)
        #expect(descriptor.size == Self.keyframe.count - 2)
    }

    @Test func flexibleModeReferencesAreRead() throws {
        let descriptor = try parse(Self.flexible)
        #expect(descriptor.isFlexible && descriptor.isInterPicturePredicted)
        #expect(descriptor.pictureID == 5)
        #expect(descriptor.temporalLayer == 2)
        #expect(descriptor.isSwitchingPoint)
        #expect(descriptor.spatialLayer == 1)
        #expect(descriptor.dependsOnLowerSpatialLayer)
        #expect(descriptor.temporalLevelZeroIndex == nil)
        #expect(descriptor.referenceDifferences == (1, 2, 4))
        #expect(descriptor.size == 6)
        #expect(!descriptor.startsKeyframe)
    }

    @Test func aFourthReferenceIsRefused() {
        var bytes = Self.flexible
        bytes[5] |= 1
        #expect(throws: WireError.malformed("VP9 reference count")) { try parse(bytes) }
    }

    @Test(
        arguments: [
            ("first of a keyframe", [0x08], true), ("inter picture", [0x48], false),
            ("not the beginning", [0x04], false),
            ("upper spatial layer of a keyframe", [0x28, 0x03, 0], false),
            ("independent upper layer", [0x28, 0x02, 0], false),
            ("lowest layer", [0x28, 0x00, 0], true),
        ] as [(String, [UInt8], Bool)])
    func keyframesBeginWithTheLowestLayerOfAnUnpredictedPicture(
        _ name: String, _ bytes: [UInt8], _ expected: Bool
    ) throws {
        #expect(try parse(bytes).startsKeyframe == expected)
    }

    @Test(arguments: [keyframe, flexible])
    func everyTruncationOfTheDescriptorThrows(_ bytes: [UInt8]) throws {
        for length in 0..<(try parse(bytes).size) {
            #expect(throws: WireError.self) { try parse(Array(bytes.prefix(length))) }
        }
    }

    @Test func aPictureGroupThatReachesPastTheEndIsRefused() {
        #expect(throws: WireError.self) { try parse([0x02, 0x08, 255, 0x0C, 1, 2, 3]) }
        #expect(throws: WireError.self) { try parse([0x02, 0xF0, 1, 2, 3, 4]) }
    }

    @Test(arguments: [keyframe, flexible, [0x88, 0x7F, 0], [0x08, 0]])
    func rewrittenNumbersReadBack(_ bytes: [UInt8]) throws {
        let before = try parse(bytes)
        for (pictureID, index) in [(0, 0), (0x7FFF, 255), (0x4081, 9)] as [(UInt16, UInt8)] {
            let packet = [UInt8](packetOf: 64) { output in
                bytes.withBytes { output.append(contentsOf: $0) }
                before.rewrite(pictureID: pictureID, temporalLevelZeroIndex: index, in: &output, payloadOffset: 0)
                before.rewrite(pictureID: 1, temporalLevelZeroIndex: 1, in: &output, payloadOffset: bytes.count)
            }
            var expected = before
            expected.pictureID = before.pictureID.map { _ in before.hasLongPictureID ? pictureID : pictureID & 0x7F }
            expected.temporalLevelZeroIndex = before.temporalLevelZeroIndex.map { _ in index }
            #expect(try parse(packet) == expected)
            #expect(packet[before.size...] == bytes[before.size...])
        }
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 22)
        for _ in 0..<20_000 {
            var bytes = random.bytes(Int.random(in: 0...30, using: &random))
            if Bool.random(using: &random), !bytes.isEmpty { bytes[0] |= 0x02 }
            _ = inspect(bytes, .vp9)
            if let descriptor = try? parse(bytes) { #expect(descriptor.size <= bytes.count) }
        }
    }
}
