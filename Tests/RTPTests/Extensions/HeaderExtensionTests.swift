import RTP
import TestKit
import Testing
import Wire

/// An extension block and the elements that must be found in it.
struct GoldenBlock: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var profile: UInt16 = 0xBEDE
    var content: [UInt8]
    var elements: [[UInt8]]
    var isMalformed = false

    static let all = [
        GoldenBlock(testDescription: "one byte", content: [0x10, 7], elements: [[1, 7]]),
        GoldenBlock(
            testDescription: "padding between", content: [0x10, 7, 0, 0, 0x21, 8, 9], elements: [[1, 7], [2, 8, 9]]),
        GoldenBlock(testDescription: "id 15 stops", content: [0x10, 7, 0xF0, 1, 0x20, 8], elements: [[1, 7]]),
        GoldenBlock(
            testDescription: "id 0 with a length stops", content: [0x10, 7, 0x01, 1, 0x20, 8], elements: [[1, 7]]),
        GoldenBlock(
            testDescription: "sixteen bytes", content: [0xEF] + Array(1...16), elements: [[14] + Array(1...16)]),
        GoldenBlock(
            testDescription: "past the end", content: [0x10, 7, 0x25, 1], elements: [[1, 7]], isMalformed: true),
        GoldenBlock(
            testDescription: "two-byte form", profile: 0x1000, content: [1, 1, 7, 0, 200, 2, 8, 9],
            elements: [[1, 7], [200, 8, 9]]),
        GoldenBlock(
            testDescription: "two-byte form with application bits and an empty value", profile: 0x100F,
            content: [15, 0, 3, 1, 9], elements: [[15], [3, 9]]),
        GoldenBlock(
            testDescription: "two-byte form past the end", profile: 0x1000, content: [1, 1, 7, 2, 9, 0, 0, 0],
            elements: [[1, 7]], isMalformed: true),
        GoldenBlock(
            testDescription: "two-byte form ends after the id", profile: 0x1000, content: [1, 1, 7, 2],
            elements: [[1, 7]], isMalformed: true),
        GoldenBlock(testDescription: "another profile", profile: 0x2000, content: [0x10, 7], elements: []),
    ]
}

@Suite struct HeaderExtensionTests {
    @Test(arguments: GoldenBlock.all)
    func findsTheElements(_ golden: GoldenBlock) throws {
        let bytes = packet(profile: golden.profile, extensions: golden.content)
        let header = try #require(bytes.rtpHeader)
        bytes.withBytes { span in
            var iterator = HeaderExtensionIterator(header)
            var found: [[UInt8]] = []
            while let element = iterator.next(in: span) { found.append([element.id] + span.array(element.value)) }
            #expect(found == golden.elements)
            #expect(iterator.isMalformed == golden.isMalformed)
        }
    }

    @Test func shorterDatagramThanTheHeaderSaysIsHarmless() throws {
        let bytes = packet(profile: 0xBEDE, extensions: [0x10, 7, 0x21, 8, 9])
        let header = try #require(bytes.rtpHeader)
        for length in 0..<bytes.count {
            Array(bytes.prefix(length)).withBytes { span in
                var iterator = HeaderExtensionIterator(header)
                while let element = iterator.next(in: span) { #expect(element.value.upperBound <= length) }
            }
        }
    }

    @Test func everyKindIsFoundByItsURI() {
        for kind in HeaderExtension.allCases { #expect(HeaderExtension(uri: kind.uri) == kind) }
        #expect(HeaderExtension(uri: "urn:ietf:params:rtp-hdrext:framemarking") == .frameMarking)
        #expect(HeaderExtension(uri: "urn:3gpp:none") == nil)
    }

    @Test func mapFindsBothWaysAndMovesIds() {
        var map = HeaderExtensionMap([(.mid, 4), (.transportWideCC, 3), (.dependencyDescriptor, 200)])
        #expect(map[.mid] == 4)
        #expect(map.kind(of: 4) == .mid)
        #expect(map.kind(of: 200) == .dependencyDescriptor)
        #expect(map.kind(of: 5) == nil)
        #expect(map.kind(of: 0) == nil)
        map[.rid] = 4
        #expect(map.kind(of: 4) == .rid)
        #expect(map[.mid] == nil)
        map[.rid] = 16
        #expect(map.kind(of: 4) == nil)
        #expect(map.kind(of: 16) == .rid)
        map[.rid] = nil
        #expect(map[.rid] == nil)
        #expect(map == HeaderExtensionMap([(.dependencyDescriptor, 200), (.transportWideCC, 3)]))
        #expect(HeaderExtensionMap().isEmpty)
    }

    @Test func indexReadsTheValues() throws {
        let map = HeaderExtensionMap([
            (.audioLevel, 1), (.absSendTime, 2), (.transportWideCC, 3), (.absCaptureTime, 4),
        ])
        let bytes = packet(
            profile: 0xBEDE,
            extensions: [0x10, 0x85, 0x22, 1, 2, 3, 0x31, 0xAB, 0xCD, 0x47, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 1])
        let header = try #require(bytes.rtpHeader)
        bytes.withBytes { span in
            let index = HeaderExtensionIndex(header, in: span, map: map)
            #expect(index.audioLevel(in: span)?.level == 5)
            #expect(index.audioLevel(in: span)?.isVoice == true)
            #expect(index.absSendTime(in: span) == 0x010203)
            #expect(index.transportSequenceNumber(in: span) == 0xABCD)
            #expect(index.absCaptureTime(in: span) == 0x1_0000_0002)
            #expect(index[.mid] == nil)
        }
    }

    @Test func forwardingTranslatesIdsAndStripsOneHopExtensions() throws {
        let publisher = HeaderExtensionMap([(.mid, 1), (.transportWideCC, 2), (.audioLevel, 3), (.videoOrientation, 4)])
        let viewer = HeaderExtensionMap([
            (.transportWideCC, 5), (.absSendTime, 6), (.mid, 9), (.audioLevel, 10), (.playoutDelay, 11),
        ])
        let bytes = packet(profile: 0xBEDE, extensions: [0x10, 0x30, 0x21, 0, 9, 0x30, 0x55, 0x40, 1])
        let header = try #require(bytes.rtpHeader)
        let forwarding = HeaderExtensionForwarding(viewer: viewer, mid: Array("video".utf8))
        bytes.withBytes { span in
            let index = HeaderExtensionIndex(header, in: span, map: publisher)
            let size = forwarding.maximumSize(index)
            var slots = PacketSlots()
            let output = written(capacity: RTPHeader.minimumSize + size) {
                RTPHeader.append(
                    payloadType: 96, marker: false, sequenceNumber: 1, timestamp: 2, ssrc: 3, hasExtension: true,
                    to: &$0)
                slots = forwarding.append(index, from: span, to: &$0)
            }
            let expected: [UInt8] =
                [0xBE, 0xDE, 0, 4, 0x51, 0, 0, 0x62, 0, 0, 0, 0x94] + Array("video".utf8) + [0xA0, 0x55, 0]
            #expect(Array(output.dropFirst(12)) == expected)
            #expect(slots.transportSequenceNumber == 17)
            #expect(slots.absSendTime == 20)
        }
    }

    @Test func largeValuesNeedTheTwoByteForm() throws {
        let value = [UInt8](1...20)
        let bytes = packet(profile: 0x1000, extensions: [200, 20] + value)
        let header = try #require(bytes.rtpHeader)
        let forwarding = HeaderExtensionForwarding(
            viewer: HeaderExtensionMap([(.dependencyDescriptor, 12), (.transportWideCC, 1)]), mid: [])
        bytes.withBytes { span in
            let index = HeaderExtensionIndex(header, in: span, map: HeaderExtensionMap([(.dependencyDescriptor, 200)]))
            let output = written(capacity: 12 + forwarding.maximumSize(index)) {
                RTPHeader.append(
                    payloadType: 96, marker: false, sequenceNumber: 1, timestamp: 2, ssrc: 3, hasExtension: true,
                    to: &$0)
                _ = forwarding.append(index, from: span, to: &$0)
            }
            #expect(Array(output[12..<22]) == [0x10, 0, 0, 7, 1, 2, 0, 0, 12, 20])
            #expect(Array(output[22..<42]) == value)
        }
    }

    @Test func nothingToWriteIsSizeZero() {
        let forwarding = HeaderExtensionForwarding(viewer: HeaderExtensionMap([(.audioLevel, 1)]), mid: [])
        #expect(forwarding.maximumSize(HeaderExtensionIndex()) == 0)
    }

    @Test func writerRefusesWhatDoesNotFit() {
        let bytes = written(capacity: 12) {
            let writer = HeaderExtensionWriter(twoByte: false, to: &$0)
            #expect(writer.append(id: 15, UInt8(1), to: &$0) == false)
            #expect(writer.append(id: 0, UInt8(1), to: &$0) == false)
            #expect(writer.append(id: 14, UInt32(1), to: &$0) == true)
            #expect(writer.append(id: 2, UInt32(1), to: &$0) == false)
            writer.finish(&$0)
        }
        #expect(bytes == [0xBE, 0xDE, 0, 2, 0xE3, 0, 0, 0, 1, 0, 0, 0])
    }
}
