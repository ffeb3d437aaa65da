import RTP
import TestKit
import Testing
import Wire

@testable import WebRTC

@Suite struct IngestFeedbackTests {
    typealias Packet = IngestHarness.Packet
    static let withTransportCC = [
        "a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 transport-cc", "a=extmap:3 \(IngestHarness.transportCC)",
    ]

    // MARK: keyframes

    @Test func fiveHundredJoinsInASecondAreThreeRequestsAtMost() throws {
        let harness = try IngestHarness()
        harness.begin()
        for _ in 0..<500 {
            harness.engine.requestKeyframe(.video, layer: 0, at: harness.now)
            harness.drain()
            harness.run(milliseconds: 2)
        }
        #expect((1...3).contains(harness.pictureLossIndications.count))
        #expect(harness.engine.keyframeRequestsSent == UInt64(harness.pictureLossIndications.count))
    }

    @Test func requestsRepeatUntilAKeyframeComes() throws {
        let harness = try IngestHarness()
        harness.begin()
        harness.engine.requestKeyframe(.video, layer: 0, at: harness.now)
        harness.drain()
        harness.run(milliseconds: 3_500)
        #expect(harness.pictureLossIndications.count == 3)
        harness.engine.keyframeReceived(.video, layer: 0)
        harness.run(milliseconds: 5_000)
        #expect(harness.pictureLossIndications.count == 3)
    }

    @Test func firIsSentOnlyWherePLIIsNot() throws {
        let fir = try IngestHarness(video: ["a=rtcp-fb:96 ccm fir"])
        fir.begin()
        for _ in 0..<2 {
            fir.engine.requestKeyframe(.video, layer: 0, at: fir.now)
            fir.drain()
            fir.engine.keyframeReceived(.video, layer: 0)
            fir.run(milliseconds: 600)
        }
        #expect(fir.pictureLossIndications.isEmpty)
        let numbers = fir.sent.flatMap { compound in
            IngestHarness.parse(compound.compound).compactMap { packet -> UInt8? in
                guard case .fullIntraRequest(_, let list) = packet else { return nil }
                return compound.compound.withBytes { list.entry(at: 0, in: $0)?.sequenceNumber }
            }
        }
        #expect(numbers.count == 2 && Set(numbers).count == 2)

        let both = try IngestHarness(video: ["a=rtcp-fb:96 ccm fir", "a=rtcp-fb:96 nack pli"])
        both.begin()
        both.engine.requestKeyframe(.video, layer: 0, at: both.now)
        both.drain()
        #expect(both.pictureLossIndications == [1_000])

        let neither = try IngestHarness(video: [])
        neither.begin()
        neither.engine.requestKeyframe(.video, layer: 0, at: neither.now)
        neither.drain()
        #expect(neither.engine.keyframeRequestsSent == 0)
    }

    @Test func aRequestBeforeTheFirstPacketIsKept() throws {
        let harness = try IngestHarness()
        harness.engine.requestKeyframe(.video, layer: 0, at: harness.now)
        harness.drain()
        #expect(harness.sent.isEmpty)
        harness.begin()
        #expect(harness.pictureLossIndications == [1_000])
    }

    // MARK: compound rules

    @Test func feedbackStandsAloneOnlyWhereReducedSizeWasAgreed() throws {
        let whole = try IngestHarness()
        whole.begin()
        whole.engine.requestKeyframe(.video, layer: 0, at: whole.now)
        whole.drain()
        let first = try #require(whole.sent.first)
        #expect(IngestHarness.parse(first.compound).count == 3)
        guard case .receiverReport(IngestHarness.localSSRC, _) = IngestHarness.parse(first.compound).first else {
            Issue.record("a compound packet begins with a report")
            return
        }
        let reduced = try IngestHarness(everywhere: ["a=rtcp-rsize"])
        reduced.begin()
        reduced.engine.requestKeyframe(.video, layer: 0, at: reduced.now)
        reduced.drain()
        #expect(reduced.packets.count == 1)
        #expect(reduced.pictureLossIndications == [1_000])
    }

    // MARK: reports

    @Test func reportsTellLossAndTheLastSenderReport() throws {
        let harness = try IngestHarness()
        for number in 0..<10 where number % 5 != 4 {
            harness.send(Packet(sequenceNumber: UInt16(number), timestamp: UInt32(number * 3_000)))
            harness.run(milliseconds: 20)
        }
        harness.send(Packet(sequenceNumber: 10, timestamp: 30_000))
        var report: [UInt8] = []
        RTCPWriter.append(
            SenderReport(ssrc: 1_000, ntp: 0x1122_3344_5566_7788, timestamp: 0, packetCount: 9, octetCount: 9),
            to: &report)
        #expect(harness.control(report).count == 1)
        harness.run(milliseconds: 1_000)
        let compound = try #require(harness.sent.last).compound
        let packets = IngestHarness.parse(compound)
        guard case .receiverReport(let ssrc, let blocks) = packets.first,
            let block = compound.withBytes({ blocks.block(at: 0, in: $0) })
        else {
            Issue.record("no report")
            return
        }
        #expect(ssrc == IngestHarness.localSSRC)
        #expect(blocks.count == 1)
        #expect(block.ssrc == 1_000)
        #expect(block.cumulativeLost == 2)
        #expect(block.fractionLost == 2 * 256 / 11)
        #expect(block.extendedHighestSequenceNumber == 10)
        #expect(block.lastSenderReport == 0x3344_5566)
        #expect(block.delaySinceLastSenderReport > 0)
        guard case .sourceDescription = packets.dropFirst().first else {
            Issue.record("a report is followed by the name of its sender")
            return
        }
    }

    @Test func nothingIsReportedBeforeMedia() throws {
        let harness = try IngestHarness()
        harness.run(milliseconds: 10_000)
        #expect(harness.sent.isEmpty)
        #expect(harness.deadlines == 10)
    }

    // MARK: transport-wide feedback and REMB

    @Test func transportFeedbackComesEveryHundredMilliseconds() throws {
        let harness = try IngestHarness(video: Self.withTransportCC)
        for number in 0..<500 {
            harness.send(Packet(sequenceNumber: UInt16(number), transportNumber: UInt16(number)))
            harness.run(milliseconds: 2)
        }
        harness.run(milliseconds: 200)
        #expect((9...11).contains(harness.feedbacks.count))
        #expect(harness.feedbacks.map(\.statusCount).reduce(0, +) == 500)
        #expect(harness.feedbacks.allSatisfy { $0.media == 1_000 })
        #expect(harness.feedbacks.map(\.feedbackCount) == (0..<UInt8(harness.feedbacks.count)).map { $0 })
    }

    @Test func probesBeforeMediaAreReportedOnce() throws {
        let harness = try IngestHarness(video: Self.withTransportCC)
        for number in 0..<10 {
            harness.send(Packet(ssrc: 0, payload: [], padding: 100).with(transportNumber: UInt16(number)))
        }
        harness.run(milliseconds: 900)
        #expect(harness.feedbacks.map(\.statusCount) == [10])
        #expect(harness.deadlines < 5, "a deadline that is met goes away")
    }

    @Test func aFloodOfPacketsIsReportedInDatagramsThatFit() throws {
        for everywhere in [[], ["a=rtcp-rsize"]] {
            let harness = try IngestHarness(video: Self.withTransportCC, everywhere: everywhere)
            for number in 0..<4_000 where number % 3 != 1 {
                harness.send(
                    Packet(sequenceNumber: UInt16(number), transportNumber: UInt16(number)))
            }
            harness.run(milliseconds: 150)
            #expect(harness.sent.count > 1)
            #expect(harness.sent.allSatisfy { $0.compound.count <= IngestEngine.maximumCompoundSize })
            #expect(harness.feedbacks.map(\.statusCount).reduce(0, +) == 4_000)
            if everywhere.isEmpty {
                for compound in harness.sent {
                    guard case .receiverReport = IngestHarness.parse(compound.compound).first else {
                        Issue.record("a compound packet begins with a report")
                        return
                    }
                }
            }
        }
    }

    @Test func rembIsForThoseWithoutTransportFeedback() throws {
        func estimates(_ harness: IngestHarness) -> [UInt64] {
            harness.begin()
            harness.run(milliseconds: 2_500)
            return harness.packets.compactMap {
                if case .receiverEstimatedBitrate(let estimate, _) = $0 { estimate.bitsPerSecond } else { nil }
            }
        }
        let remb = estimates(try IngestHarness(video: ["a=rtcp-fb:96 goog-remb"]))
        #expect(remb.count == 2)
        #expect(remb.allSatisfy { $0 > 15_000_000 })
        #expect(estimates(try IngestHarness(video: ["a=rtcp-fb:96 goog-remb"] + Self.withTransportCC)).isEmpty)
        #expect(estimates(try IngestHarness(video: [])).isEmpty)
    }

    // MARK: what the publisher says

    @Test func goodbyesAndReportsAreHandedOn() throws {
        let harness = try IngestHarness()
        harness.begin()
        var compound: [UInt8] = []
        let report = SenderReport(ssrc: 2_000, ntp: 1 << 40, timestamp: 5, packetCount: 1, octetCount: 1)
        RTCPWriter.append(report, to: &compound)
        RTCPWriter.appendGoodbye(ssrc: 1_000, to: &compound)
        #expect(
            harness.control(compound) == [
                .senderReport(report, kind: .audio, layer: 0), .goodbye(kind: .video, layer: 0),
            ])
        var foreign: [UInt8] = []
        RTCPWriter.appendGoodbye(ssrc: 77, to: &foreign)
        #expect(harness.control(foreign).isEmpty)
        // A broken part ends the reading, not what came before it.
        #expect(harness.control(compound + [0x80, 200, 0xFF]).count == 2)
        #expect(harness.engine.drops.malformed == 1)
    }

    @Test func aReferenceTimeIsAnsweredOnceForEachCompound() throws {
        let harness = try IngestHarness()
        harness.begin()
        var compound: [UInt8] = []
        for _ in 0..<20 {
            RTCPWriter.appendReceiverReferenceTime(sender: 1_000, ntp: 0x1111_2222_3333_4444, to: &compound)
        }
        _ = harness.control(compound)
        let answers = harness.packets.count { if case .extendedReport = $0 { true } else { false } }
        #expect(answers == 1)
        #expect(harness.sent.last.map { $0.compound.count < 100 } == true)
    }

    @Test func goodbyeOfThisSideIsACompound() throws {
        let harness = try IngestHarness()
        var farewell: [UInt8] = []
        harness.engine.appendGoodbye(to: &farewell)
        let packets = IngestHarness.parse(farewell)
        guard case .receiverReport = packets.first, case .goodbye(let list) = packets.last else {
            Issue.record("no farewell")
            return
        }
        #expect(farewell.withBytes { list.contains(IngestHarness.localSSRC, in: $0) })
    }

    @Test func hostileControlNeverTraps() throws {
        let harness = try IngestHarness()
        harness.begin()
        var random = SplitMix64(seed: 8)
        for round in 0..<20_000 {
            var compound = random.bytes(Int.random(in: 0...60, using: &random))
            if compound.count >= 4 {
                compound[0] = 0x80 | compound[0] & 0x3F
                compound[1] = UInt8.random(in: 199...208, using: &random)
                if round % 2 == 0 {
                    compound[2] = 0
                    compound[3] = UInt8((compound.count - 4) / 4)
                }
            }
            _ = harness.control(compound)
        }
        #expect(harness.sent.allSatisfy { $0.compound.count <= IngestEngine.maximumCompoundSize })
        #expect(harness.engine.received.count == 2)
    }
}

extension IngestHarness.Packet {
    func with(transportNumber: UInt16) -> Self {
        var packet = self
        packet.transportNumber = transportNumber
        return packet
    }
}
