import Codecs
import RTP
import TestKit
import Testing
import Wire

@Suite struct AV1AggregationHeaderTests {
    @Test func theBitsAreRead() throws {
        let header = try #require([0x68].withBytes { try? AV1AggregationHeader(parsing: $0) })
        #expect(!header.continuesUnit && header.goesOn && header.startsSequence)
        #expect(header.elementCount == 2)
        #expect([0x88].withBytes { try? AV1AggregationHeader(parsing: $0) } == nil)
        #expect([UInt8]().withBytes { try? AV1AggregationHeader(parsing: $0) } == nil)
    }

    @Test(
        arguments: [
            ("sizes everywhere", [0x00, 2, 1, 2, 1, 3], [2..<4, 5..<6], false),
            ("one element", [0x10, 7, 8, 9], [1..<4], false),
            ("two elements", [0x20, 1, 7, 8, 9], [2..<3, 3..<5], false),
            ("three elements, the last empty", [0x30, 1, 7, 1, 8], [2..<3, 4..<5, 5..<5], false),
            ("nothing", [0x00], [], false),
            ("size past the end", [0x00, 2, 1], [], true),
            ("second size missing", [0x30, 1, 7], [2..<3], true),
            ("size without an end", [0x00, 0x80], [], true),
        ] as [(String, [UInt8], [Range<Int>], Bool)])
    func elementsAreWalked(_ name: String, _ bytes: [UInt8], _ expected: [Range<Int>], _ isMalformed: Bool) {
        let walk = walk(bytes)
        #expect(walk?.elements == expected)
        #expect(walk?.isMalformed == isMalformed)
    }

    @Test func hostileBytesNeverTrapAndStayInside() {
        var random = SplitMix64(seed: 23)
        for _ in 0..<20_000 {
            let bytes = random.bytes(Int.random(in: 0...40, using: &random)).map { $0 & 0x10 == 0 ? $0 : $0 & 0x0F }
            _ = inspect(bytes, .av1)
            guard let walk = walk(bytes) else { continue }
            var last = 1
            for element in walk.elements {
                #expect(element.lowerBound >= last && element.upperBound <= bytes.count)
                last = element.upperBound
            }
        }
    }

    private func walk(_ bytes: [UInt8]) -> (elements: [Range<Int>], isMalformed: Bool)? {
        bytes.withBytes { payload in
            guard let header = try? AV1AggregationHeader(parsing: payload) else { return nil }
            var walker = AV1Elements(header)
            var elements: [Range<Int>] = []
            while let element = walker.next(in: payload) { elements.append(element) }
            return (elements, walker.isMalformed)
        }
    }
}
