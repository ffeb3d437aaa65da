import Codecs
import RTP
import TestKit
import Testing
import Wire

@Suite struct ParameterSetsTests {
    private static let sps: [UInt8] = [0x67, 0x42, 0xC0, 0x1F, 0x8C, 0x68]
    private static let otherSPS: [UInt8] = [0x67, 0x42, 0xC0, 0x1F, 0x8D, 0x68]
    private static let secondSPS: [UInt8] = [0x67, 0x42, 0xC0, 0x1F, 0x4C, 0x68]
    private static let pps: [UInt8] = [0x68, 0xCE, 0x3C, 0x80]

    private static func stapA(_ units: [UInt8]...) -> [UInt8] { aggregation([0x78], units) }

    private static func aggregation(_ header: [UInt8], _ units: [[UInt8]]) -> [UInt8] {
        units.reduce(into: header) { payload, unit in
            payload.append(bigEndian: UInt16(unit.count))
            payload += unit
        }
    }

    @Test func setsGoOutInTheirOrderWhateverTheyCameIn() {
        let sets = ParameterSets(codec: .h264, announced: [Self.pps, [0x65, 1], [], Self.sps])
        #expect(sets.payload == Self.stapA(Self.sps, Self.pps))
    }

    @Test func aSetTakesThePlaceOfTheOneWithItsNumber() {
        var sets = ParameterSets(codec: .h264, announced: [])
        #expect(sets.payload == nil)
        Self.sps.withBytes { sets.note($0) }
        #expect(sets.payload == nil, "a PPS is missing")
        Self.stapA(Self.otherSPS, Self.pps).withBytes { sets.note($0) }
        #expect(sets.payload == Self.stapA(Self.otherSPS, Self.pps))
        Self.secondSPS.withBytes { sets.note($0) }
        #expect(sets.payload == Self.stapA(Self.otherSPS, Self.secondSPS, Self.pps))
    }

    @Test func h265SetsAreAggregatedToo() {
        let vps: [UInt8] = [0x40, 1, 0x0C, 0x01]
        let sps: [UInt8] =
            [0x42, 1, 0x01] + Array(repeating: 0x21, count: 12) + [0xA0, 0x03, 0xC0]
        let pps: [UInt8] = [0x44, 1, 0xC1, 0x72]
        let sets = ParameterSets(codec: .h265, announced: [pps, sps, vps])
        #expect(sets.payload == Self.aggregation([0x60, 1], [vps, sps, pps]))
    }

    @Test func setsThatDoNotFitAPacketAreNotSent() {
        var sets = ParameterSets(codec: .h264, announced: [Self.sps, Self.pps])
        (Self.pps.dropLast() + Array(repeating: 0x55, count: 1_090)).withBytes { sets.note($0) }
        #expect(sets.payload == nil)
    }

    @Test func otherCodecsHaveNone() {
        var sets = ParameterSets(codec: .vp8, announced: [Self.sps])
        Self.sps.withBytes { sets.note($0) }
        #expect(sets.payload == nil)
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 65)
        for codec in [Codec.h264, .h265] {
            var sets = ParameterSets(codec: codec, announced: [])
            for _ in 0..<20_000 {
                var bytes = random.bytes(Int.random(in: 0...60, using: &random))
                if !bytes.isEmpty, codec == .h264 { bytes[0] = [0x67, 0x68, 0x78].randomElement(using: &random) ?? 0 }
                if !bytes.isEmpty, codec == .h265 {
                    bytes[0] = [0x40, 0x42, 0x44, 0x60].randomElement(using: &random) ?? 0
                }
                bytes.withBytes { sets.note($0) }
                #expect((sets.payload?.count ?? 0) <= ParameterSets.maximumPayloadSize)
            }
        }
    }
}
