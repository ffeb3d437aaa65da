import Codecs
import TestKit
import Testing
import Wire

@Suite struct AV1Tests {
    @Test(arguments: Golden.av1)
    func sequenceHeadersTellTheirSize(_ golden: Golden) throws {
        let units = units(of: golden.bytes)
        #expect(units.first?.header.type == .temporalDelimiter)
        let sequence = try #require(units.first { $0.header.type == .sequenceHeader })
        let header = golden.bytes.withBytes { AV1SequenceHeader(parsing: $0.extracting(sequence.payload)) }
        #expect(header?.resolution == golden.resolution)
        #expect(header?.profile == (golden.name.contains("444") ? 1 : 0))
        for length in 0..<5 {
            let end = min(sequence.payload.lowerBound + length, sequence.payload.upperBound - 4)
            let range = sequence.payload.lowerBound..<end
            #expect(golden.bytes.withBytes { AV1SequenceHeader(parsing: $0.extracting(range)) } == nil)
        }
    }

    @Test func unitsWithoutASizeReachToTheEnd() {
        let bytes: [UInt8] = [0x12, 0x00, 0x30, 1, 2, 3]
        let units = units(of: bytes)
        #expect(units.map(\.header.type) == [.temporalDelimiter, .frame])
        #expect(units.map(\.unit) == [0..<2, 2..<6])
        #expect(units.map(\.payload) == [2..<2, 3..<6])
    }

    @Test func theExtensionTellsTheLayers() throws {
        let header = try #require([0x36, 0b0101_0000, 0].withBytes { AV1OBUHeader(parsing: $0) })
        #expect(header.temporalLayer == 2)
        #expect(header.spatialLayer == 2)
        #expect(header.size == 2)
        #expect([0x36].withBytes { AV1OBUHeader(parsing: $0) } == nil)
    }

    @Test(
        arguments: [
            [0x80, 0x00], [0x12], [0x12, 0x80], [0x12, 0x05, 1, 2],
            [0x32, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            [0x32, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        ] as [[UInt8]])
    func malformedUnitsAreRefused(_ bytes: [UInt8]) {
        #expect(bytes.withBytes { AV1OBU(parsing: $0, at: 0) } == nil)
    }

    @Test(
        arguments: [
            ([0x00], 0, 1), ([0x7F], 127, 1), ([0x80, 0x01], 128, 2), ([0xE5, 0x8E, 0x26], 624_485, 3),
            ([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 0, 8),
            ([0xFF, 0xFF, 0xFF, 0xFF, 0x0F], 4_294_967_295, 5),
        ] as [([UInt8], UInt64, Int)])
    func numbersOfSevenBitsAByteAreRead(_ bytes: [UInt8], _ value: UInt64, _ size: Int) {
        let number = bytes.withBytes { LEB128(parsing: $0, at: 0) }
        #expect(number?.value == value)
        #expect(number?.size == size)
    }

    @Test(
        arguments: [[], [0x80], [UInt8](repeating: 0x80, count: 8) + [0], [0xFF, 0xFF, 0xFF, 0xFF, 0x10]] as [[UInt8]])
    func otherNumbersAreRefused(_ bytes: [UInt8]) {
        #expect(bytes.withBytes { LEB128(parsing: $0, at: 0) } == nil)
    }

    @Test func hostileBytesNeverTrapAndAlwaysAdvance() {
        var random = SplitMix64(seed: 13)
        for _ in 0..<20_000 {
            var bytes = Golden.av1.randomElement(using: &random)?.bytes ?? []
            for _ in 0..<3 { bytes[Int.random(in: 0..<bytes.count, using: &random)] = random.bytes(1)[0] }
            var last = 0
            for unit in units(of: bytes) {
                #expect(unit.unit.lowerBound == last && unit.unit.upperBound > last)
                #expect(unit.payload.upperBound <= bytes.count)
                last = unit.unit.upperBound
                _ = bytes.withBytes { AV1SequenceHeader(parsing: $0.extracting(unit.payload)) }
            }
        }
    }

    private func units(of bytes: [UInt8]) -> [AV1OBU] {
        bytes.withBytes { span in
            var units: [AV1OBU] = []
            while let unit = AV1OBU(parsing: span, at: units.last?.unit.upperBound ?? 0) { units.append(unit) }
            return units
        }
    }
}
