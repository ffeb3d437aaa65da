import Codecs
import Conversion
import TestKit
import Testing
import Wire

@Suite struct AudioSpecificConfigBytesTests {
    /// What was read is written so that it reads the same.
    @Test(
        arguments: [
            ([0x11, 0x90], [0x11, 0x90]), ([0x12, 0x10], [0x12, 0x10]), ([0x14, 0x08], [0x14, 0x08]),
            // 960 samples; a rate that has no index.
            ([0x11, 0x94], [0x11, 0x94]), ([0x17, 0x80, 0x5D, 0xC0, 0x10], nil),
            // HE-AAC by a sync word, which is written explicitly; HE-AAC v2.
            ([0x13, 0x10, 0x56, 0xE5, 0x98], nil), ([0xEB, 0x09, 0x88, 0x00], nil),
        ] as [([UInt8], [UInt8]?)])
    func areReadAgain(_ bytes: [UInt8], _ expected: [UInt8]?) throws {
        let read = try bytes.withBytes { try AudioSpecificConfig(parsing: $0) }
        let written = read.bytes
        if let expected { #expect(written == expected) }
        var again = try written.withBytes { try AudioSpecificConfig(parsing: $0) }
        // An extension behind a sync word is not counted.
        again.bitCount = read.bitCount
        #expect(again == read)
    }
}
