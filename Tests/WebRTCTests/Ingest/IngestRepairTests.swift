import RTP
import TestKit
import Testing
import Wire

@testable import WebRTC

/// Lost packets of publishers: asked for, and taken in either form in which they come again.
@Suite struct IngestRepairTests {
    /// Video with payload type 96 and retransmissions with 97; packets without MID and RID go by payload type.
    private func harness(_ extra: [String] = []) throws -> IngestHarness {
        var offer = OfferText()
        offer.sections = [
            OfferText.audio + ["a=rtcp-fb:111 nack", "a=extmap:1 \(IngestHarness.midURI)"],
            videoSection(
                [(96, "VP8/90000", nil), (97, "rtx/90000", "apt=96")], direction: "sendonly",
                extra: ["a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=extmap:1 \(IngestHarness.midURI)"] + extra),
        ]
        return try IngestHarness(offer)
    }

    private func video(_ number: UInt16) -> IngestHarness.Packet { .init(sequenceNumber: number) }

    private func retransmission(of number: UInt16, _ sequenceNumber: UInt16, payload: [UInt8] = [0x10, 1, 2, 3])
        -> IngestHarness.Packet
    {
        .init(
            payloadType: 97, ssrc: 1_001, sequenceNumber: sequenceNumber,
            payload: [UInt8(number >> 8), UInt8(number & 0xFF)] + payload)
    }

    private func requests(_ harness: IngestHarness) -> [[UInt16]] {
        harness.sent.compactMap { _, compound in
            var numbers: [UInt16] = []
            compound.withBytes { bytes in
                var iterator = RTCPIterator()
                while let packet = try? iterator.next(in: bytes) {
                    guard case .negativeAcknowledgement(let sender, let media, let list) = packet else { continue }
                    #expect(sender == IngestHarness.localSSRC && media == 1_000)
                    list.forEach(in: bytes) { numbers.append($0) }
                }
            }
            return numbers.isEmpty ? nil : numbers
        }
    }

    @Test func lostVideoIsAskedForAndLostAudioIsNot() throws {
        let harness = try harness()
        for number: UInt16 in [1, 2, 5] {
            harness.send(video(number))
            harness.send(.init(payloadType: 111, ssrc: 2_000, sequenceNumber: number))
        }
        harness.run(milliseconds: 9)
        #expect(requests(harness).isEmpty)
        harness.run(milliseconds: 1)
        #expect(requests(harness) == [[3, 4]])
        harness.run(milliseconds: 3_000)
        #expect(requests(harness).count == 10)
        #expect(harness.engine.repairs.abandoned == 2)
    }

    @Test func retransmissionsComeOutAsTheOriginals() throws {
        let harness = try harness()
        for number: UInt16 in [65_534, 0] { harness.send(video(number)) }
        harness.run(milliseconds: 10)
        let found = try #require(harness.send(retransmission(of: 65_535, 700)))
        #expect(found.isRestored)
        #expect(found.header.sequenceNumber == 65_535)
        #expect(found.header.ssrc == 1_000)
        #expect(found.header.payloadType == 96)
        #expect(harness.engine.withRestoredPacket { $0.array } == video(65_535).bytes)
        #expect(harness.engine.repairs.repaired == 1)
        harness.run(milliseconds: 500)
        #expect(requests(harness) == [[65_535]])
        // The same again, and the original itself, are duplicates.
        #expect(harness.send(retransmission(of: 65_535, 701)) == nil)
        #expect(harness.send(video(65_535)) == nil)
        #expect(harness.engine.drops.duplicates == 2)
    }

    @Test func retransmissionsOnTheSameSourceAreTaken() throws {
        let harness = try harness()
        for number: UInt16 in [1, 3] { harness.send(video(number)) }
        harness.run(milliseconds: 10)
        let found = try #require(harness.send(video(2)))
        #expect(!found.isRestored)
        #expect(harness.engine.repairs.repaired == 1)
    }

    @Test func probesAndStubsAreCountedAndGoNowhere() throws {
        let harness = try harness()
        harness.send(video(1))
        #expect(harness.send(.init(payloadType: 97, ssrc: 1_001, payload: [], padding: 200)) == nil)
        #expect(harness.send(.init(payloadType: 97, ssrc: 1_001, payload: [])) == nil)
        #expect(harness.send(.init(payloadType: 97, ssrc: 1_001, payload: [0])) == nil)
        #expect(harness.engine.drops.probes == 2)
        #expect(harness.engine.drops.malformed == 1)
    }

    @Test func repairsBeforeAnySourceGoNowhere() throws {
        let harness = try harness()
        #expect(harness.send(retransmission(of: 5, 1)) == nil)
        #expect(harness.engine.drops.unknownSource == 1)
    }

    @Test func whatRetransmissionBringsBackStaysLostInReports() throws {
        let harness = try harness()
        for number: UInt16 in [1, 2, 4, 5] { harness.send(video(number)) }
        harness.send(retransmission(of: 3, 1))
        let statistics = try #require(harness.engine.received.first { $0.kind == .video }).statistics
        #expect(statistics.cumulativeLost == 1)
        #expect(statistics.receivedPackets == 4)
    }

    @Test func simulcastLayersAreRepairedByTheirRepairedRID() throws {
        let repairedRID = 9
        let harness = try harness([
            "a=extmap:2 \(IngestHarness.ridURI)",
            "a=extmap:\(repairedRID) urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", "a=rid:h send",
            "a=rid:l send", "a=simulcast:send h;l",
        ])
        for (rid, ssrc) in [("h", 10), ("l", 20)] as [(String, UInt32)] {
            for number: UInt16 in [1, 3] {
                harness.send(.init(ssrc: ssrc, sequenceNumber: number, mid: "1", rid: rid))
            }
        }
        let repair = [UInt8].written(capacity: 100) { output in
            RTPHeader.append(
                payloadType: 97, marker: false, sequenceNumber: 1, timestamp: 0, ssrc: 21, hasExtension: true,
                to: &output)
            let writer = HeaderExtensionWriter(twoByte: false, to: &output)
            Array("1".utf8).withBytes { _ = writer.append(id: 1, $0, to: &output) }
            Array("l".utf8).withBytes { _ = writer.append(id: UInt8(repairedRID), $0, to: &output) }
            writer.finish(&output)
            output.append(bigEndian: UInt16(2))
            output.append(bigEndian: UInt32(0x1001_0203))
        }
        let found = try #require(harness.send(repair))
        #expect(found.layer == 1)
        #expect(found.header.ssrc == 20)
        #expect(found.header.sequenceNumber == 2)
    }

    @Test func aLossTooLargeToRepairIsLeftToAKeyframe() throws {
        let harness = try harness()
        harness.send(video(1))
        harness.send(video(1_500))
        #expect(harness.pictureLossIndications == [1_000])
        harness.send(video(1_502))
        harness.send(video(1_504))
        harness.engine.keyframeReceived(.video, layer: 0)
        harness.run(milliseconds: 50)
        #expect(requests(harness) == [])
        harness.send(video(1_506))
        harness.run(milliseconds: 50)
        #expect(requests(harness) == [[1_505]])
    }
}
