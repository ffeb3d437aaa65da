import RTP
import TestKit
import Testing
import Wire

/// Extensions that the server writes itself into some packets: playout delay and capture time (RTP-79, RTP-80).
@Suite struct InsertedExtensionTests {
    /// A publisher's packet with its own playout delay (id 5) and capture time (id 6), and a viewer's ids.
    private static let publisher = HeaderExtensionMap([(.playoutDelay, 5), (.absCaptureTime, 6), (.audioLevel, 7)])

    private static func packet() -> [UInt8] {
        .written(capacity: 100) { output in
            RTPHeader.append(
                payloadType: 96, marker: false, sequenceNumber: 1, timestamp: 2, ssrc: 3, hasExtension: true,
                to: &output)
            let writer = HeaderExtensionWriter(twoByte: false, to: &output)
            writer.append(id: 5, uint24: 0x00A0_0B, to: &output)
            writer.append(id: 6, UInt64(77), to: &output)
            writer.append(id: 7, UInt8(9), to: &output)
            writer.finish(&output)
        }
    }

    /// The extensions of what a viewer gets, by id.
    private static func forwarded(
        _ map: HeaderExtensionMap, _ insertions: HeaderExtensionInsertions, replaces: Bool
    ) throws -> [UInt8: [UInt8]] {
        let packet = packet()
        let forwarding = HeaderExtensionForwarding(viewer: map, mid: [], replacesPlayoutDelay: replaces)
        let written: [UInt8] = try packet.withBytes { bytes in
            let header = try RTPHeader(parsing: bytes)
            let index = HeaderExtensionIndex(header, in: bytes, map: publisher)
            let size = forwarding.maximumSize(index, insertions)
            return .written(capacity: 12 + size) { output in
                RTPHeader.append(
                    payloadType: 96, marker: false, sequenceNumber: 1, timestamp: 2, ssrc: 3, hasExtension: size > 0,
                    to: &output)
                if size > 0 { _ = forwarding.append(index, insertions, from: bytes, to: &output) }
            }
        }
        return try written.withBytes { bytes in
            let header = try RTPHeader(parsing: bytes)
            var elements = HeaderExtensionIterator(header)
            var found: [UInt8: [UInt8]] = [:]
            while let element = elements.next(in: bytes) { found[element.id] = bytes.extracting(element.value).array }
            #expect(!elements.isMalformed)
            return found
        }
    }

    @Test(arguments: [UInt8(1), 40])
    func whatIsInsertedStandsUnderTheViewersIds(_ offset: UInt8) throws {
        let map = HeaderExtensionMap([
            (.playoutDelay, offset + 1), (.absCaptureTime, offset + 2), (.audioLevel, offset + 3),
        ])
        let delay = try #require(PlayoutDelay(leastMilliseconds: 100, mostMilliseconds: 400))
        let all = try Self.forwarded(
            map, HeaderExtensionInsertions(playoutDelay: delay.bits, captureTime: 0x0102_0304_0506_0708), replaces: true
        )
        #expect(all[offset + 1] == [0x00, 0xA0, 0x28])
        #expect(all[offset + 2] == [1, 2, 3, 4, 5, 6, 7, 8] + Array(repeating: 0, count: 8))
        #expect(all[offset + 3] == [9])
        let none = try Self.forwarded(map, .none, replaces: true)
        #expect(Array(none.keys) == [offset + 3])
    }

    @Test func withoutTheServersTheViewerGetsThePublishersDelayAndNeverItsCaptureTime() throws {
        let map = HeaderExtensionMap([(.playoutDelay, 1), (.absCaptureTime, 2)])
        #expect(try Self.forwarded(map, .none, replaces: false) == [1: [0x00, 0xA0, 0x0B]])
        // What the viewer did not negotiate is not sent.
        let insertions = HeaderExtensionInsertions(playoutDelay: 1, captureTime: 1)
        #expect(try Self.forwarded(HeaderExtensionMap(), insertions, replaces: true).isEmpty)
    }

    @Test(arguments: [(0, 0, 0), (100, 400, 0x00A028), (40_950, 40_950, 0xFFFFFF), (105, 119, 0x00A00B)])
    func delaysAreTwelveBitsOfTenMillisecondsEach(_ least: Int, _ most: Int, _ bits: UInt32) {
        #expect(PlayoutDelay(leastMilliseconds: least, mostMilliseconds: most)?.bits == bits)
    }

    @Test(arguments: [(-1, 0), (10, 0), (0, 40_960), (50_000, 60_000)])
    func delaysOutOfRangeAreNone(_ least: Int, _ most: Int) {
        #expect(PlayoutDelay(leastMilliseconds: least, mostMilliseconds: most) == nil)
    }

    @Test func theClockOffsetOfALongCaptureTimeIsRead() throws {
        let packet: [UInt8] = .written(capacity: 60) { output in
            RTPHeader.append(
                payloadType: 96, marker: false, sequenceNumber: 1, timestamp: 2, ssrc: 3, hasExtension: true,
                to: &output)
            let writer = HeaderExtensionWriter(twoByte: false, to: &output)
            writer.append(id: 6, UInt128(5) << 64 | UInt128(UInt64(bitPattern: -3)), to: &output)
            writer.finish(&output)
        }
        try packet.withBytes { bytes in
            let index = HeaderExtensionIndex(try RTPHeader(parsing: bytes), in: bytes, map: Self.publisher)
            #expect(index.absCaptureTime(in: bytes) == 5)
            #expect(index.absCaptureClockOffset(in: bytes) == -3)
        }
    }
}
