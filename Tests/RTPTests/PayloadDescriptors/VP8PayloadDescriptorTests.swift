import Codecs
import RTP
import TestKit
import Testing
import Wire

@Suite struct VP8PayloadDescriptorTests {
    private func parse(_ bytes: [UInt8]) throws(WireError) -> VP8PayloadDescriptor {
        try bytes.withBytes { (payload) throws(WireError) in try VP8PayloadDescriptor(parsing: payload) }
    }

    /// Everything present: X, N, S; I with 15 bits, L, T, K; then the first byte of a keyframe.
    private static let full: [UInt8] = [0xB0, 0xF0, 0x92, 0x34, 0x56, 0b1010_0111, 0x00]

    @Test func everyFieldIsReadWithItsPlace() throws {
        let descriptor = try parse(Self.full)
        #expect(descriptor.isNonReference)
        #expect(descriptor.startsFrame && descriptor.startsKeyframe)
        #expect(descriptor.pictureID == 0x1234)
        #expect(descriptor.hasLongPictureID)
        #expect(descriptor.pictureIDOffset == 2)
        #expect(descriptor.temporalLevelZeroIndex == 0x56)
        #expect(descriptor.temporalLevelZeroIndexOffset == 4)
        #expect(descriptor.temporalLayer == 2)
        #expect(descriptor.isLayerSync)
        #expect(descriptor.keyIndex == 7)
        #expect(descriptor.keyIndexOffset == 5)
        #expect(descriptor.size == 6)
    }

    @Test(
        arguments: [
            ("nothing", [0x10, 0x00], 1, nil), ("empty extension", [0x90, 0x00, 0x00], 2, nil),
            ("short id", [0x90, 0x80, 0x7F, 0x00], 3, 0x7F), ("long id", [0x90, 0x80, 0xFF, 0xFF, 0x00], 4, 0x7FFF),
            ("index alone", [0x90, 0x40, 9, 0], 3, nil), ("layer alone", [0x90, 0x20, 0x40, 0], 3, nil),
            ("key index alone", [0x90, 0x10, 0xDF, 0], 3, nil),
        ] as [(String, [UInt8], Int, UInt16?)])
    func optionalPartsMayBeMissing(_ name: String, _ bytes: [UInt8], _ size: Int, _ pictureID: UInt16?) throws {
        let descriptor = try parse(bytes)
        #expect(descriptor.size == size)
        #expect(descriptor.pictureID == pictureID)
        #expect(descriptor.startsKeyframe)
        #expect((descriptor.temporalLayer != nil) == (name == "layer alone"))
        #expect((descriptor.keyIndex == 0x1F) == (name == "key index alone"))
    }

    @Test(
        arguments: [
            ([0x10, 0x01], true, false), ([0x11, 0x00], false, false), ([0x00, 0x00], false, false),
            ([0x10], true, false),
            ([0x10, 0x9C], true, true),
        ] as [([UInt8], Bool, Bool)])
    func keyframesBeginInTheFirstPartition(_ bytes: [UInt8], _ startsFrame: Bool, _ startsKeyframe: Bool) throws {
        let descriptor = try parse(bytes)
        #expect(descriptor.startsFrame == startsFrame)
        #expect(descriptor.startsKeyframe == startsKeyframe)
    }

    @Test func everyTruncationOfTheDescriptorThrows() {
        for length in 0..<6 {
            #expect(throws: WireError.truncated(at: length)) { try parse(Array(Self.full.prefix(length))) }
        }
    }

    @Test func rewrittenNumbersReadBack() throws {
        for (pictureID, index, key) in [(0x0001, 0, 31), (0x7FFF, 255, 0), (0x0080, 7, 9)] as [(UInt16, UInt8, UInt8)] {
            for bytes in [Self.full, [0x90, 0xF0, 0x12, 0x56, 0x47, 0x00], [0x90, 0x00, 0x01], [0x10, 0x01]] {
                let before = try parse(bytes)
                let packet = rewritten(bytes, before, pictureID, index, key)
                #expect(packet.count == bytes.count)
                let after = try parse(packet)
                #expect(
                    after.pictureID
                        == before.pictureID.map { _ in before.hasLongPictureID ? pictureID : pictureID & 0x7F })
                #expect(after.hasLongPictureID == before.hasLongPictureID)
                #expect(after.temporalLevelZeroIndex == before.temporalLevelZeroIndex.map { _ in index })
                #expect(after.keyIndex == before.keyIndex.map { _ in key })
                #expect(after.temporalLayer == before.temporalLayer)
                #expect(after.isLayerSync == before.isLayerSync)
                #expect(packet.last == bytes.last)
            }
        }
    }

    @Test func rewritingOutsideThePacketDoesNothing() throws {
        let descriptor = try parse(Self.full)
        let packet = [UInt8](packetOf: 20) { output in
            output.append(contentsOf: Self.full)
            descriptor.rewrite(
                pictureID: 1, temporalLevelZeroIndex: 1, keyIndex: 1, in: &output, payloadOffset: Self.full.count)
            descriptor.rewrite(pictureID: 1, temporalLevelZeroIndex: 1, keyIndex: 1, in: &output, payloadOffset: -1)
        }
        #expect(packet == Self.full)
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 21)
        for _ in 0..<20_000 {
            let bytes = random.bytes(Int.random(in: 0...9, using: &random))
            guard let descriptor = try? parse(bytes) else { continue }
            #expect(descriptor.size <= bytes.count)
            _ = inspect(bytes, .vp8)
            #expect(rewritten(bytes, descriptor, 1, 2, 3).count == bytes.count)
        }
    }

    private func rewritten(
        _ bytes: [UInt8], _ descriptor: VP8PayloadDescriptor, _ pictureID: UInt16, _ index: UInt8, _ key: UInt8
    ) -> [UInt8] {
        let packet = [UInt8](packetOf: 64) { output in
            output.append(bigEndian: UInt16(0xAAAA))
            output.append(contentsOf: bytes)
            descriptor.rewrite(
                pictureID: pictureID, temporalLevelZeroIndex: index, keyIndex: key, in: &output, payloadOffset: 2)
        }
        #expect(packet.starts(with: [0xAA, 0xAA]))
        return Array(packet.dropFirst(2))
    }
}

extension OutputRawSpan {
    fileprivate mutating func append(contentsOf bytes: [UInt8]) { bytes.withBytes { append(contentsOf: $0) } }
}

extension [UInt8] {
    /// An array of at most `capacity` bytes, written by `body` as a packet is.
    init(packetOf capacity: Int, _ body: (inout OutputRawSpan) -> Void) {
        var batch = PacketBatch(byteCapacity: capacity, packetCapacity: 1)
        _ = batch.append(maximumSize: capacity, body)
        self = batch.withPacket(at: 0) { $0.array }
    }
}
