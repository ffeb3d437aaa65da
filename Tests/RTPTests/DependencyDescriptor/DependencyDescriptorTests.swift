import Codecs
import RTP
import TestKit
import Testing
import Wire

/// The dependency descriptor (RTP payload format for AV1, appendix A), built bit by bit.
@Suite struct DependencyDescriptorTests {
    /// Two spatial and two temporal layers, four decode targets, two chains, with sizes. Templates:
    /// 0 key S0, 1 S0T0, 2 S0T1, 3 key S1, 4 S1T0, 5 S1T1.
    private static func structure(offset: Int, into bits: inout BitWriter) {
        bits.write(offset, 6)
        bits.write(3, 5)
        for next in [0, 1, 2, 0, 1, 3] { bits.write(next, 2) }
        // Targets S0T0, S0T1, S1T0, S1T1. 0 not present, 1 discardable, 2 switch, 3 required.
        let indications = [
            [2, 2, 2, 2], [2, 2, 3, 3], [0, 1, 0, 3], [0, 0, 2, 2], [0, 0, 2, 3], [0, 0, 0, 1],
        ]
        for row in indications { for value in row { bits.write(value, 2) } }
        for references in [[], [4], [2], [1], [4, 1], [2, 1]] as [[Int]] {
            for difference in references {
                bits.write(1, 1)
                bits.write(difference - 1, 4)
            }
            bits.write(0, 1)
        }
        // ns(5) of 2 takes two bits; which chain protects which target, ns(2): one bit each.
        bits.write(2, 2)
        for chain in [0, 0, 1, 1] { bits.write(chain, 1) }
        for row in [[0, 0], [4, 3], [2, 1], [1, 1], [1, 1], [3, 2]] { for value in row { bits.write(value, 4) } }
        bits.write(1, 1)
        for side in [319, 179, 639, 359] { bits.write(side, 16) }
    }

    private static func mandatory(start: Bool, end: Bool, template: Int, number: Int) -> BitWriter {
        var bits = BitWriter()
        bits.write(start ? 1 : 0, 1)
        bits.write(end ? 1 : 0, 1)
        bits.write(template, 6)
        bits.write(number, 16)
        return bits
    }

    private static func keyframe(offset: Int = 62, number: Int = 1_000) -> [UInt8] {
        var bits = mandatory(start: true, end: false, template: offset, number: number)
        bits.write(0b10000, 5)
        structure(offset: offset, into: &bits)
        return bits.bytes
    }

    private func frame(_ reading: DependencyDescriptorReader.Reading) throws -> FrameDependency {
        guard case .frame(let frame) = reading else { throw Missing() }
        return frame
    }

    private struct Missing: Error {}

    private func reader() throws -> DependencyDescriptorReader {
        var reader = DependencyDescriptorReader()
        _ = try frame(Self.keyframe().withBytes { reader.read($0) })
        return reader
    }

    @Test func aKeyframeBringsTheStructure() throws {
        var reader = DependencyDescriptorReader()
        let key = try frame(Self.keyframe().withBytes { reader.read($0) })
        #expect(key.startsFrame && !key.endsFrame && key.hasStructure)
        #expect(key.frameNumber == 1_000)
        #expect(key.references == FrameReferences())
        for (spatial, temporal) in [(0, 0), (0, 1), (1, 0), (1, 1), (7, 7)] as [(UInt8, UInt8)] {
            #expect(key.indication(spatial: spatial, temporal: temporal) == .switching)
        }
        let structure = try #require(reader.structure)
        #expect(structure.templateIDOffset == 62)
        #expect(structure.decodeTargetCount == 4)
        #expect(structure.templates.map(\.spatialLayer) == [0, 0, 0, 1, 1, 1])
        #expect(structure.templates.map(\.temporalLayer) == [0, 0, 1, 0, 0, 1])
        #expect(structure.chainCount == 2)
        #expect(
            structure.resolutions == [
                VideoResolution(width: 320, height: 180), VideoResolution(width: 640, height: 360),
            ])
        #expect(reader.activeTargets == 0b1111)
    }

    /// Three bytes are enough for a frame that is like its template; ids wrap at 64.
    @Test func templatesExplainTheFramesAfterIt() throws {
        var reader = try reader()
        let bits = Self.mandatory(start: true, end: true, template: (62 + 4) & 63, number: 65_535)
        #expect(bits.bytes.count == 3)
        let upper = try frame(bits.bytes.withBytes { reader.read($0) })
        #expect(upper.spatialLayer == 1 && upper.temporalLayer == 0)
        #expect(upper.startsFrame && upper.endsFrame && !upper.hasStructure)
        #expect(upper.references.near == 0b1001)
        #expect(upper.indication(spatial: 0, temporal: 1) == .notPresent)
        #expect(upper.indication(spatial: 1, temporal: 0) == .switching)
        #expect(upper.indication(spatial: 1, temporal: 1) == .required)
        #expect(upper.indication(spatial: LayerLimits.all, temporal: LayerLimits.all) == .required)
        let top = Self.mandatory(start: true, end: true, template: (62 + 5) & 63, number: 0).bytes
        #expect(try frame(top.withBytes { reader.read($0) }).indication(spatial: 7, temporal: 7) == .discardable)
    }

    private enum LayerLimits { static let all: UInt8 = 7 }

    @Test func aFrameMayDifferFromItsTemplate() throws {
        var reader = try reader()
        var bits = Self.mandatory(start: true, end: true, template: 63, number: 7)
        // Active decode targets, own indications, own references, own chains.
        bits.write(0b01111, 5)
        bits.write(0b0011, 4)
        for value in [2, 0, 1, 3] { bits.write(value, 2) }
        for (size, difference) in [(1, 16), (2, 64), (3, 4_096)] {
            bits.write(size, 2)
            bits.write(difference - 1, 4 * size)
        }
        bits.write(0, 2)
        for chain in [200, 3] { bits.write(chain, 8) }
        let own = try frame(bits.bytes.withBytes { reader.read($0) })
        #expect(own.indication(spatial: 0, temporal: 0) == .switching)
        #expect(own.indication(spatial: 0, temporal: 1) == .notPresent)
        #expect(own.indication(spatial: 1, temporal: 0) == .discardable)
        #expect(own.indication(spatial: 1, temporal: 1) == .required)
        #expect(own.references.near == 0x8000_0000_0000_8000)
        #expect(own.references.hasFar)
        #expect(reader.activeTargets == 0b0011)
    }

    /// RTP-115: another structure came with a packet that is lost; its templates have other ids.
    @Test func templatesOfAnUnseenStructureAreToldApart() throws {
        var reader = try reader()
        let unknown = Self.mandatory(start: true, end: true, template: 10, number: 33).bytes
        #expect(unknown.withBytes { reader.read($0) } == .unknownStructure(frameNumber: 33))
        var fresh = DependencyDescriptorReader()
        #expect(unknown.withBytes { fresh.read($0) } == .unknownStructure(frameNumber: 33))
        #expect(fresh.withoutStructure == 1)
        _ = try frame(Self.keyframe(offset: 10, number: 34).withBytes { reader.read($0) })
        #expect(try frame(unknown.withBytes { reader.read($0) }).frameNumber == 33)
    }

    @Test func everyTruncationIsMalformedAndChangesNothing() throws {
        let key = Self.keyframe(offset: 5)
        var reader = try reader()
        let before = reader.structure
        for length in 4..<key.count {
            #expect(Array(key.prefix(length)).withBytes { reader.read($0) } == .malformed)
        }
        for length in 0..<3 { #expect(Array(key.prefix(length)).withBytes { reader.read($0) } == .malformed) }
        #expect(reader.structure == before)
        #expect(reader.activeTargets == 0b1111)
    }

    @Test func hostileBytesNeverTrap() throws {
        var random = SplitMix64(seed: 1)
        var reader = try reader()
        var structures = 0
        for round in 0..<20_000 {
            var bytes = Self.keyframe(offset: round & 63)
            if round % 2 == 0 {
                bytes = (0..<Int.random(in: 0..<80, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
            } else {
                for _ in 0..<4 {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                }
            }
            if case .frame(let frame) = bytes.withBytes({ reader.read($0) }) {
                if frame.hasStructure { structures += 1 }
                #expect(frame.spatialLayer < 4 && frame.temporalLayer < 8)
            }
        }
        #expect(structures > 100)
    }
}
