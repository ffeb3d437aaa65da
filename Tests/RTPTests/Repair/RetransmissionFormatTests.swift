import RTP
import TestKit
import Testing
import Wire

@Suite struct RetransmissionFormatTests {
    private func unwrap(_ packet: [UInt8]) -> (RetransmissionFormat.Unwrapped, [UInt8])? {
        guard let header = packet.rtpHeader else { return nil }
        var output: [UInt8] = []
        let result = packet.withBytes {
            RetransmissionFormat.unwrap($0, header: header, ssrc: 0x0102_0304, payloadType: 96, into: &output)
        }
        return (result, output)
    }

    /// Marker set, payload type 97, sequence number 0x1234.
    private func repair(_ payload: [UInt8], first: UInt8 = 0x80) -> [UInt8] {
        [first, 0xE1, 0x12, 0x34, 0, 0, 0, 9, 0xCA, 0xFE, 0xBA, 0xBE] + payload
    }

    @Test func theOriginalPacketIsRestored() throws {
        let (result, packet) = try #require(unwrap(repair([0xFF, 0xFE, 0xAA, 0xBB])))
        #expect(result == .packet)
        #expect(packet == [0x80, 0xE0, 0xFF, 0xFE, 0, 0, 0, 9, 1, 2, 3, 4, 0xAA, 0xBB])
    }

    @Test func extensionsStayAndPaddingGoes() throws {
        var bytes = repair([], first: 0xB0)
        bytes += [0xBE, 0xDE, 0, 1, 0x10, 0x31, 0, 0] + [0, 7, 0xAA, 0, 0, 3]
        let (result, packet) = try #require(unwrap(bytes))
        #expect(result == .packet)
        #expect(
            packet
                == [0x90, 0xE0, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4] + [0xBE, 0xDE, 0, 1, 0x10, 0x31, 0, 0] + [0xAA])
    }

    @Test func anEmptyPayloadIsAProbe() throws {
        #expect(try #require(unwrap(repair([]))).0 == .probe)
        #expect(try #require(unwrap(repair([0, 0, 0, 4], first: 0xA0))).0 == .probe)
    }

    @Test func oneByteIsMalformedAndTwoAreAnEmptyOriginal() throws {
        let one = try #require(unwrap(repair([7])))
        #expect(one.0 == .malformed && one.1.isEmpty)
        let two = try #require(unwrap(repair([0, 7])))
        #expect(two.0 == .packet && two.1.count == 12)
        let three = try #require(unwrap(repair([0, 7, 9])))
        #expect(three.1.rtpHeader?.payload.count == 1)
    }

    @Test func whatIsWrappedComesBack() throws {
        var random = SplitMix64(seed: 4588)
        for _ in 0..<300 {
            var original: [UInt8] = random.next() & 1 == 0 ? [0x80] : [0x92]
            original += [UInt8.random(in: 0...127, using: &random) & 0x7F | 0x80] + random.bytes(10)
            if original[0] == 0x92 { original += random.bytes(8) + [0xBE, 0xDE, 0, 1] + random.bytes(4) }
            original += random.bytes(Int.random(in: 0...40, using: &random))
            let header = try #require(original.rtpHeader)
            var wrapped: [UInt8] = []
            original.withBytes {
                RetransmissionFormat.wrap(
                    $0, header: header, ssrc: 77, payloadType: 120, sequenceNumber: 3, into: &wrapped)
            }
            let repair = try #require(wrapped.rtpHeader)
            #expect(repair.ssrc == 77 && repair.sequenceNumber == 3 && repair.payloadType == 120)
            #expect(repair.timestamp == header.timestamp && repair.marker == header.marker)
            #expect(wrapped.count == original.count + RetransmissionFormat.overhead)
            var back: [UInt8] = []
            let result = wrapped.withBytes {
                RetransmissionFormat.unwrap(
                    $0, header: repair, ssrc: header.ssrc, payloadType: header.payloadType, into: &back)
            }
            #expect(result == .packet)
            #expect(back == original)
        }
    }

    @Test func hostileBytesAreNeverTrusted() {
        var random = SplitMix64(seed: 9)
        for _ in 0..<3000 {
            var bytes = random.bytes(Int.random(in: 0...64, using: &random))
            if !bytes.isEmpty { bytes[0] = bytes[0] & 0x3F | 0x80 }
            guard let header = bytes.rtpHeader, let (result, output) = unwrap(bytes) else { continue }
            #expect((result == .packet) == (header.payload.count >= 2))
            if result == .packet { #expect(output.rtpHeader != nil) }
            // A header of another packet.
            var nothing: [UInt8] = []
            _ = bytes.prefix(5).withBytesCopy {
                RetransmissionFormat.unwrap($0, header: header, ssrc: 1, payloadType: 1, into: &nothing)
            }
        }
    }
}

extension ArraySlice where Element == UInt8 {
    fileprivate func withBytesCopy<R>(_ body: (RawSpan) -> R) -> R { Array(self).withBytes(body) }
}
