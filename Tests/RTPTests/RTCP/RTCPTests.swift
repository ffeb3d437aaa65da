import RTP
import TestKit
import Testing
import Wire

@Suite struct RTCPTests {
    static let block = ReportBlock(
        ssrc: 0x0102_0304, fractionLost: 64, cumulativeLost: -3, extendedHighestSequenceNumber: 0x0001_FFFE, jitter: 90,
        lastSenderReport: 0x1234_5678, delaySinceLastSenderReport: 65_536)
    static let report = SenderReport(
        ssrc: 7, ntp: 0x0000_0001_8000_0000, timestamp: 0xFFFF_FFFF, packetCount: 10, octetCount: 1000)

    /// One compound datagram with a packet of every kind.
    static func compound() -> [UInt8] {
        var bytes: [UInt8] = []
        RTCPWriter.append(report, blocks: [block], to: &bytes)
        RTCPWriter.appendReceiverReport(ssrc: 8, blocks: [block, block], to: &bytes)
        RTCPWriter.appendSourceDescription(ssrc: 7, cname: "martlet", to: &bytes)
        RTCPWriter.appendPictureLossIndication(sender: 1, media: 2, to: &bytes)
        RTCPWriter.appendFullIntraRequest(sender: 1, media: 2, sequenceNumber: 9, to: &bytes)
        RTCPWriter.appendReceiverEstimatedBitrate(sender: 1, bitsPerSecond: 2_500_000, ssrcs: [2, 3], to: &bytes)
        RTCPWriter.appendNegativeAcknowledgement(
            sender: 1, media: 2, sequenceNumbers: [65_534, 65_535, 14, 15], to: &bytes)
        RTCPWriter.appendReceiverReferenceTime(sender: 1, ntp: 0x1122_3344_5566_7788, to: &bytes)
        RTCPWriter.appendDelaySinceLastReceiverReport(sender: 1, ssrc: 2, lastReceiverReport: 3, delay: 4, to: &bytes)
        var feedback = TransportWideFeedback()
        feedback.received(10, at: .milliseconds(1000))
        feedback.append(sender: 1, media: 2, to: &bytes)
        RTCPWriter.appendGoodbye(ssrc: 7, to: &bytes)
        return bytes
    }

    @Test func goldenBytes() {
        var bytes: [UInt8] = []
        RTCPWriter.appendPictureLossIndication(sender: 1, media: 0xAABB_CCDD, to: &bytes)
        #expect(bytes == [0x81, 206, 0, 2, 0, 0, 0, 1, 0xAA, 0xBB, 0xCC, 0xDD])
        bytes = []
        RTCPWriter.appendFullIntraRequest(sender: 1, media: 2, sequenceNumber: 5, to: &bytes)
        #expect(bytes == [0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 5, 0, 0, 0])
        bytes = []
        RTCPWriter.appendReceiverEstimatedBitrate(sender: 1, bitsPerSecond: 0x3_FFFF << 4, ssrcs: [2], to: &bytes)
        #expect(
            bytes == [0x8F, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0x52, 0x45, 0x4D, 0x42, 1, 0x13, 0xFF, 0xFF, 0, 0, 0, 2])
        bytes = []
        RTCPWriter.appendNegativeAcknowledgement(sender: 1, media: 2, sequenceNumbers: [5, 6, 21, 22], to: &bytes)
        #expect(bytes == [0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 5, 0x80, 1, 0, 22, 0, 0])
        bytes = []
        RTCPWriter.appendGoodbye(ssrc: 3, to: &bytes)
        #expect(bytes == [0x81, 203, 0, 1, 0, 0, 0, 3])
        bytes = []
        RTCPWriter.appendSourceDescription(ssrc: 3, cname: "ab", to: &bytes)
        #expect(bytes == [0x81, 202, 0, 3, 0, 0, 0, 3, 1, 2, 0x61, 0x62, 0, 0, 0, 0])
        bytes = []
        RTCPWriter.appendDelaySinceLastReceiverReport(sender: 1, ssrc: 2, lastReceiverReport: 3, delay: 4, to: &bytes)
        #expect(bytes == [0x80, 207, 0, 5, 0, 0, 0, 1, 5, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4])
        bytes = []
        RTCPWriter.appendReceiverReport(ssrc: 1, blocks: [Self.block], to: &bytes)
        #expect(
            bytes == [
                0x81, 201, 0, 7, 0, 0, 0, 1, 1, 2, 3, 4, 64, 0xFF, 0xFF, 0xFD, 0, 1, 0xFF, 0xFE, 0, 0, 0, 90,
                0x12, 0x34, 0x56, 0x78, 0, 1, 0, 0,
            ])
    }

    @Test func everyKindIsReadBack() {
        let bytes = Self.compound()
        #expect(bytes.count % 4 == 0)
        let (packets, failed) = parseRTCP(bytes)
        #expect(!failed)
        #expect(packets.count == 11)
        bytes.withBytes { span in
            var seen = 0
            for packet in packets {
                seen += 1
                switch packet {
                case .senderReport(let report, let blocks):
                    #expect(report == Self.report)
                    #expect(blocks.count == 1)
                    #expect(blocks.block(at: 0, in: span) == Self.block)
                    #expect(blocks.block(at: 1, in: span) == nil)
                case .receiverReport(let ssrc, let blocks):
                    #expect(ssrc == 8)
                    #expect(blocks.count == 2)
                    #expect(blocks.block(at: 1, in: span) == Self.block)
                case .sourceDescription(let list):
                    var names: [String] = []
                    list.forEachCNAME(in: span) {
                        names.append("\($0):" + String(decoding: span.array($1), as: UTF8.self))
                    }
                    #expect(names == ["7:martlet"])
                case .pictureLossIndication(let sender, let media):
                    #expect(sender == 1 && media == 2)
                case .fullIntraRequest(_, let list):
                    #expect(list.count == 1)
                    #expect(list.entry(at: 0, in: span)?.ssrc == 2)
                    #expect(list.entry(at: 0, in: span)?.sequenceNumber == 9)
                case .receiverEstimatedBitrate(let estimate, let ssrcs):
                    #expect(estimate.bitsPerSecond == 2_500_000 / 16 * 16)
                    #expect(ssrcs.contains(3, in: span) == true)
                    #expect(ssrcs.contains(4, in: span) == false)
                case .negativeAcknowledgement(_, let media, let list):
                    var lost: [UInt16] = []
                    list.forEach(in: span) { lost.append($0) }
                    #expect(media == 2)
                    #expect(lost == [65_534, 65_535, 14, 15])
                case .extendedReport(_, let list):
                    list.forEach(in: span) {
                        #expect(
                            $0 == .receiverReferenceTime(ntp: 0x1122_3344_5566_7788)
                                || $0 == .delaySinceLastReceiverReport(ssrc: 2, lastReceiverReport: 3, delay: 4))
                    }
                case .transportFeedback(let feedback):
                    #expect(feedback.baseSequenceNumber == 10)
                    #expect(feedback.statusCount == 1)
                case .goodbye(let list):
                    #expect(list.ssrc(at: 0, in: span) == 7)
                case .unknown: Issue.record("nothing is unknown here")
                }
            }
            #expect(seen == 11)
        }
    }

    @Test func everyTruncationKeepsWhatCameBefore() {
        let bytes = Self.compound()
        let whole = parseRTCP(bytes).packets
        for length in 0..<bytes.count {
            let (packets, failed) = parseRTCP(Array(bytes.prefix(length)))
            #expect(packets == Array(whole.prefix(packets.count)))
            #expect(packets.count < whole.count)
            #expect(failed == !isBoundary(length, of: bytes))
        }
    }

    private func isBoundary(_ length: Int, of bytes: [UInt8]) -> Bool {
        var position = 0
        while position < length { position += 4 + 4 * (Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])) }
        return position == length
    }

    @Test func unknownTypesAreSkippedByLength() {
        var bytes: [UInt8] = [0x85, 204, 0, 1, 1, 2, 3, 4, 0x8A, 206, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]
        RTCPWriter.appendGoodbye(ssrc: 1, to: &bytes)
        let (packets, failed) = parseRTCP(bytes)
        #expect(!failed)
        #expect(packets.count == 3)
        #expect(packets.first == .unknown(packetType: 204, count: 5))
    }

    @Test func oneBadPacketEndsTheWalk() {
        var bytes: [UInt8] = []
        RTCPWriter.appendPictureLossIndication(sender: 1, media: 2, to: &bytes)
        bytes += [0x81, 201, 0, 1, 0, 0, 0, 1]
        RTCPWriter.appendGoodbye(ssrc: 1, to: &bytes)
        let (packets, failed) = parseRTCP(bytes)
        #expect(failed)
        #expect(packets == [.pictureLossIndication(sender: 1, media: 2)])
    }

    @Test func paddingIsTakenOffAndChecked() {
        let padded: [UInt8] = [0xA1, 203, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]
        #expect(parseRTCP(padded).packets.count == 1)
        #expect(parseRTCP([0xA1, 203, 0, 2, 0, 0, 0, 3, 0, 0, 0, 8]).failed)
        #expect(parseRTCP([0xA1, 203, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0]).failed)
        #expect(parseRTCP([0xA0, 203, 0, 0]).failed)
    }

    @Test func bitrateEstimatesAreBounded() {
        func parse(_ exponent: UInt8, _ mantissa: UInt32) -> UInt64? {
            let word = 1 << 24 | UInt32(exponent) << 18 | mantissa
            var bytes: [UInt8] = [0x8F, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0x52, 0x45, 0x4D, 0x42]
            bytes.append(bigEndian: word)
            bytes.append(bigEndian: UInt32(2))
            guard case .receiverEstimatedBitrate(let estimate, _)? = parseRTCP(bytes).packets.first else { return nil }
            return estimate.bitsPerSecond
        }
        #expect(parse(63, 0x3_FFFF) == .max)
        #expect(parse(63, 1) == 1 << 63)
        #expect(parse(63, 2) == .max)
        #expect(parse(63, 0) == 0)
        #expect(parse(46, 0x3_FFFF) == 0x3_FFFF << 46)
        #expect(parse(47, 0x3_FFFF) == .max)
        #expect(parse(0, 5) == 5)
        var bytes: [UInt8] = []
        RTCPWriter.appendReceiverEstimatedBitrate(sender: 1, bitsPerSecond: .max, ssrcs: [], to: &bytes)
        guard case .receiverEstimatedBitrate(let estimate, let list)? = parseRTCP(bytes).packets.first else {
            Issue.record("not a REMB")
            return
        }
        #expect(estimate.bitsPerSecond == 0x3_FFFF << 46)
        #expect(list.count == 0)
        #expect(parseRTCP([0x8F, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0x52, 0x45, 0x4D, 0x42, 1, 0, 0, 1]).failed)
    }

    @Test func roundTripFollowsFromAReportBlock() {
        var block = Self.block
        block.lastSenderReport = 0xB705_2000
        block.delaySinceLastSenderReport = 0x0005_4000
        // The example of RFC 3550, section 6.4.1: 6.125 s.
        #expect(block.roundTripNanoseconds(arrivalNTP: 0xB44D_B710_8000_0000 & 0xFFFF_FFFF_FFFF_0000) == 6_125_000_000)
        block.delaySinceLastSenderReport = 0xFFFF_0000
        #expect(block.roundTripNanoseconds(arrivalNTP: 0xB44D_B705_2000_0000) != 0)
        block.lastSenderReport = 0
        #expect(block.roundTripNanoseconds(arrivalNTP: 0) == nil)
    }

    @Test(arguments: [
        ([0x80, 200], true), ([0x80, 96], false), ([0x80, 0xE0], false), ([0x80], false), ([0, 200], false),
    ])
    func rtcpIsToldFromRTP(_ bytes: [UInt8], _ isRTCP: Bool) {
        let answer = bytes.withBytes { RTCPIterator.isRTCP($0) }
        #expect(answer == isRTCP)
    }

    @Test func repeatedIntraRequestIsTheSame() {
        var filter = FullIntraRequestFilter()
        #expect(filter.isNew(0) == true)
        #expect(filter.isNew(0) == false)
        #expect(filter.isNew(1) == true)
        #expect(filter.isNew(0) == true)
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 2)
        let compound = Self.compound()
        for round in 0..<20_000 {
            var bytes = round % 2 == 0 ? compound : random.bytes(Int.random(in: 0...100, using: &random))
            if round % 2 == 0 {
                for _ in 0..<Int.random(in: 1...6, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            } else if bytes.count > 3 {
                bytes[0] = bytes[0] & 0x3F | 0x80
                bytes[1] = UInt8.random(in: 198...208, using: &random)
                bytes[2] = 0
                bytes[3] = UInt8.random(in: 0...24, using: &random)
            }
            readEverything(bytes)
        }
    }
}

/// Reads every list of every packet to its end.
func readEverything(_ bytes: [UInt8]) {
    let packets = parseRTCP(bytes).packets
    bytes.withBytes { span in
        for packet in packets {
            switch packet {
            case .senderReport(_, let blocks), .receiverReport(_, let blocks):
                for index in 0...blocks.count { _ = blocks.block(at: index, in: span) }
            case .sourceDescription(let list): list.forEachCNAME(in: span) { _ = span.array($1) }
            case .goodbye(let list), .receiverEstimatedBitrate(_, let list): _ = list.contains(0, in: span)
            case .fullIntraRequest(_, let list):
                for index in 0...list.count { _ = list.entry(at: index, in: span) }
            case .negativeAcknowledgement(_, _, let list): list.forEach(in: span) { _ in }
            case .extendedReport(_, let list): list.forEach(in: span) { _ in }
            case .transportFeedback(let feedback):
                var iterator = TransportFeedbackIterator(feedback)
                var count = 0
                while iterator.next(in: span) != nil { count += 1 }
                #expect(count == feedback.statusCount)
            case .pictureLossIndication, .unknown: break
            }
        }
    }
}
