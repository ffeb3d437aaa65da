import RTP
import TestKit
import Testing
import Wire

/// Bytes as they appear on the wire, and what they must mean.
struct GoldenHeader: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var bytes: [UInt8]
    var payload: Range<Int>
    var padding = 0

    static let all = [
        GoldenHeader(testDescription: "no options", bytes: fixedHeader(0x80) + [1, 2, 3], payload: 12..<15),
        GoldenHeader(testDescription: "empty payload", bytes: fixedHeader(0x80), payload: 12..<12),
        GoldenHeader(testDescription: "one CSRC", bytes: fixedHeader(0x81) + [0, 0, 0, 7, 1], payload: 16..<17),
        GoldenHeader(
            testDescription: "fifteen CSRCs", bytes: fixedHeader(0x8F) + Array(repeating: 0, count: 60),
            payload: 72..<72),
        GoldenHeader(
            testDescription: "extension of one word", bytes: fixedHeader(0x90) + [0xBE, 0xDE, 0, 1, 0x10, 0, 0, 0],
            payload: 20..<20),
        GoldenHeader(
            testDescription: "extension of no words", bytes: fixedHeader(0x90) + [0xBE, 0xDE, 0, 0, 9],
            payload: 16..<17),
        GoldenHeader(
            testDescription: "padding of two bytes", bytes: fixedHeader(0xA0) + [9, 0, 2], payload: 12..<13, padding: 2),
        GoldenHeader(
            testDescription: "padding only", bytes: fixedHeader(0xA0) + [0, 0, 3], payload: 12..<12, padding: 3),
    ]
}

@Suite struct RTPHeaderTests {
    @Test(arguments: GoldenHeader.all)
    func parsesGolden(_ golden: GoldenHeader) throws {
        let header = try golden.bytes.withBytes { span throws(WireError) in try RTPHeader(parsing: span) }
        #expect(header.sequenceNumber == 0x1234)
        #expect(header.timestamp == 9)
        #expect(header.ssrc == 0xCAFE_BABE)
        #expect(header.payloadType == 102)
        #expect(header.marker)
        #expect(header.payload == golden.payload)
        #expect(header.headerSize == golden.payload.lowerBound)
        #expect(header.paddingCount == golden.padding)
        #expect(header.isPaddingOnly == (golden.padding > 0 && golden.payload.isEmpty))
    }

    @Test(arguments: GoldenHeader.all)
    func everyTruncationOfTheHeaderThrows(_ golden: GoldenHeader) {
        for length in 0..<golden.payload.lowerBound {
            #expect(Array(golden.bytes.prefix(length)).rtpHeader == nil)
        }
    }

    @Test(arguments: [
        fixedHeader(0x40), fixedHeader(0xC0),
        fixedHeader(0xA0), fixedHeader(0xA0) + [0], fixedHeader(0xA0) + [1, 2, 4], fixedHeader(0xA0) + [0, 255],
        fixedHeader(0x90) + [0xBE, 0xDE, 0, 2, 1, 2, 3, 4], fixedHeader(0x90) + [0xBE, 0xDE, 0xFF, 0xFF],
        fixedHeader(0xB0) + [0xBE, 0xDE, 0, 1, 0x10, 0, 0, 1],
    ])
    func refusesWhatItCannotBe(_ bytes: [UInt8]) { #expect(bytes.rtpHeader == nil) }

    @Test func extensionBlockIsWithoutItsHeader() throws {
        let header = try #require(packet(profile: 0xBEDE, extensions: [0x10, 7]).rtpHeader)
        #expect(header.extensionProfile == 0xBEDE)
        #expect(header.extensionBlock == 16..<20)
        #expect(header.payload == 20..<22)
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<20_000 {
            var bytes = random.bytes(Int.random(in: 0...80, using: &random))
            if !bytes.isEmpty, Bool.random(using: &random) { bytes[0] = bytes[0] & 0x3F | 0x80 }
            guard let header = bytes.rtpHeader else { continue }
            #expect(header.payload.upperBound + header.paddingCount == bytes.count)
            #expect(header.extensionBlock.upperBound <= header.payload.lowerBound)
            bytes.withBytes { span in
                var elements = HeaderExtensionIterator(header)
                while let element = elements.next(in: span) {
                    #expect(element.value.upperBound <= header.extensionBlock.upperBound)
                }
            }
        }
    }

    @Test func writtenHeaderIsReadBack() throws {
        let bytes = written {
            RTPHeader.append(
                payloadType: 96, marker: true, sequenceNumber: 65_535, timestamp: .max, ssrc: 7, hasExtension: false,
                to: &$0)
        }
        let header = try #require(bytes.rtpHeader)
        #expect(header.payloadType == 96)
        #expect(header.marker)
        #expect(header.sequenceNumber == 65_535)
        #expect(header.timestamp == .max)
        #expect(header.ssrc == 7)
        #expect(header.payload == 12..<12)
    }
}
