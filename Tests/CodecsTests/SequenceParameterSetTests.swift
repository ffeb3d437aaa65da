import Codecs
import TestKit
import Testing
import Wire

@Suite struct SequenceParameterSetTests {
    @Test(arguments: Golden.h264)
    func h264SizeIsTheEncodersSize(_ golden: Golden) throws {
        let sps = try #require(golden.bytes.withBytes { H264SequenceParameterSet(parsing: $0) })
        #expect(sps.resolution == golden.resolution)
        let profiles: [(String, H264Profile)] = [
            ("baseline", .constrainedBaseline), ("main", .main), ("high422", .high422), ("high444", .high444Predictive),
            ("high10", .high10), ("high", .high),
        ]
        #expect(profiles.first { golden.name.contains(" \($0.0)") }?.1 == sps.profile)
    }

    @Test(arguments: Golden.h265)
    func h265SizeIsTheEncodersSize(_ golden: Golden) throws {
        let sps = try #require(golden.bytes.withBytes { H265SequenceParameterSet(parsing: $0) })
        #expect(sps.resolution == golden.resolution)
        #expect(sps.isHighTier == golden.name.contains("high-tier"))
        #expect(sps.profileIDC == (golden.name == "yuv420p" ? 1 : sps.profileIDC))
        if sps.isHighTier { #expect(sps.levelIDC == 153) }
    }

    @Test(
        arguments: [
            (66, 0x00, .baseline), (66, 0x40, .constrainedBaseline), (66, 0xC0, .constrainedBaseline),
            (66, 0xE0, .constrainedBaseline), (77, 0x80, .constrainedBaseline), (77, 0x00, .main), (77, 0x40, .main),
            (88, 0xC0, .constrainedBaseline), (88, 0x00, .extended), (100, 0x00, .high), (100, 0x0C, .constrainedHigh),
            (100, 0x04, .high), (110, 0x10, .high10), (122, 0, .high422), (244, 0, .high444Predictive),
            (118, 0, .other(118)),
        ] as [(UInt8, UInt8, H264Profile)])
    func h264ProfilesAreToldApart(_ profileIDC: UInt8, _ constraints: UInt8, _ profile: H264Profile) {
        #expect(H264Profile(profileIDC: profileIDC, constraints: constraints) == profile)
    }

    /// What stands behind the conformance window is missing, a counter of 17 bits, or samples of 17 bits.
    @Test(arguments: [[0x05], [0x05, 0x8E, 0xFF, 0xFF], [0x04, 0x2B, 0xFF, 0xFF]] as [[UInt8]])
    func theSizeHoldsWhateverStandsBehindIt(_ end: [UInt8]) throws {
        let golden = Golden.h265[0]
        let whole = try #require(golden.bytes.withBytes { H265SequenceParameterSet(parsing: $0) })
        #expect(whole.orderCountBits == 8)
        let bytes = Array(golden.bytes.prefix(21)) + end
        let sps = try #require(bytes.withBytes { H265SequenceParameterSet(parsing: $0) })
        #expect(sps.resolution == golden.resolution)
        #expect(sps.orderCountBits == nil && sps.reorderDepth == nil)
    }

    @Test func truncationsNeverTrap() {
        for golden in Golden.h264 {
            for length in 0..<golden.bytes.count {
                let size = Array(golden.bytes.prefix(length)).withBytes { H264SequenceParameterSet(parsing: $0) }
                if length < 6 { #expect(size == nil) }
            }
        }
        for golden in Golden.h265 {
            for length in 0..<golden.bytes.count {
                let size = Array(golden.bytes.prefix(length)).withBytes { H265SequenceParameterSet(parsing: $0) }
                if length < 20 { #expect(size == nil) }
            }
        }
    }

    @Test func otherNALUnitsAreNoParameterSets() {
        var bytes = Golden.h264[0].bytes
        bytes[0] = 0x68
        #expect(bytes.withBytes { H264SequenceParameterSet(parsing: $0) } == nil)
        bytes = Golden.h265[0].bytes
        bytes[0] = 0x44
        #expect(bytes.withBytes { H265SequenceParameterSet(parsing: $0) } == nil)
    }

    @Test func aPictureOfImpossibleSizeIsRefused() {
        // Baseline, all counts 0, then width in macroblocks: ue(1024), one more than allowed.
        var bits = BitWriter([0x67, 66, 0xC0, 30])
        for value in [0, 0, 0, 0, 0] as [UInt32] { bits.exponentialGolomb(value) }
        bits.append(0, count: 1)
        bits.exponentialGolomb(1024)
        bits.exponentialGolomb(10)
        bits.append(0xFFFF, count: 16)
        #expect(bits.bytes.withBytes { H264SequenceParameterSet(parsing: $0) } == nil)
    }

    @Test func croppingMoreThanThePictureIsRefused() {
        var bits = BitWriter([0x67, 66, 0xC0, 30])
        for value in [0, 0, 0, 0, 0] as [UInt32] { bits.exponentialGolomb(value) }
        bits.append(0, count: 1)
        bits.exponentialGolomb(0)
        bits.exponentialGolomb(0)
        bits.append(0b111, count: 3)
        for value in [4, 4, 0, 0] as [UInt32] { bits.exponentialGolomb(value) }
        bits.append(0xFFFF, count: 16)
        #expect(bits.bytes.withBytes { H264SequenceParameterSet(parsing: $0) } == nil)
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 11)
        for _ in 0..<20_000 {
            var bytes = (Golden.h264 + Golden.h265).randomElement(using: &random)?.bytes ?? []
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: 1..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let avc = bytes.withBytes { H264SequenceParameterSet(parsing: $0)?.resolution }
            let hevc = bytes.withBytes { H265SequenceParameterSet(parsing: $0)?.resolution }
            for size in [avc, hevc].compactMap({ $0 }) {
                #expect((1...32_768).contains(size.width) && (1...32_768).contains(size.height))
            }
        }
    }
}

/// Writes bit fields, most significant bit first.
struct BitWriter {
    private(set) var bytes: [UInt8]
    private var free = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func append(_ value: UInt32, count: Int) {
        for bit in stride(from: count - 1, through: 0, by: -1) {
            if free == 0 {
                bytes.append(0)
                free = 8
            }
            free -= 1
            if value >> UInt32(bit) & 1 == 1 { bytes[bytes.count - 1] |= 1 << UInt8(free) }
        }
    }

    mutating func exponentialGolomb(_ value: UInt32) {
        let size = 32 - (value + 1).leadingZeroBitCount
        append(0, count: size - 1)
        append(value + 1, count: size)
    }
}
