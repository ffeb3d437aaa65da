import RTP
import TestKit
import Testing
import Wire

@Suite struct SentPacketLogTests {
    /// Feedback for `received` (number and arrival in milliseconds), as a viewer would write it.
    private func feedback(_ received: [(UInt16, UInt64)]) -> [UInt8] {
        var feedback = TransportWideFeedback()
        for (number, arrival) in received { feedback.received(number, at: .milliseconds(arrival)) }
        var bytes: [UInt8] = []
        feedback.append(sender: 1, media: 2, to: &bytes)
        return bytes
    }

    private func acknowledge(
        _ log: inout SentPacketLog, _ bytes: [UInt8], at now: Instant
    ) -> (packets: [AcknowledgedPacket], summary: FeedbackSummary) {
        var packets: [AcknowledgedPacket] = []
        var total = FeedbackSummary()
        for packet in parseRTCP(bytes).packets {
            guard case .transportFeedback(let feedback) = packet else { continue }
            let summary = bytes.withBytes { span in
                log.acknowledge(feedback, in: span, at: now) { packets.append($0) }
            }
            total.received += summary.received
            total.lost += summary.lost
            total.recovered += summary.recovered
            total.responseNanoseconds = summary.responseNanoseconds
        }
        return (packets, total)
    }

    @Test func matchesArrivalsWithWhatWasSent() {
        var log = SentPacketLog()
        for index in 0..<4 { _ = log.sent(byteCount: 100 + index, at: .milliseconds(UInt64(1000 + index))) }
        let (packets, summary) = acknowledge(
            &log, feedback([(0, 5000), (1, 5002), (3, 5009)]), at: .milliseconds(1053))
        #expect(packets.map(\.byteCount) == [100, 101, 103])
        #expect(packets.map(\.sent) == [1_000_000_000, 1_001_000_000, 1_003_000_000])
        #expect(packets.map(\.arrival) == [5_000_000_000, 5_002_000_000, 5_009_000_000])
        #expect(summary.received == 3 && summary.lost == 1)
        #expect(summary.responseNanoseconds == 50_000_000)
    }

    @Test func countsEachPacketOnceAndALateOneAsRecovered() {
        var log = SentPacketLog()
        for index in 0..<3 { _ = log.sent(byteCount: 100, at: .milliseconds(UInt64(1000 + index))) }
        let first = feedback([(0, 5000), (2, 5004)])
        #expect(acknowledge(&log, first, at: .milliseconds(1050)).summary.lost == 1)
        let again = acknowledge(&log, first, at: .milliseconds(1051))
        #expect(again.packets.isEmpty && again.summary.lost == 0 && again.summary.received == 0)
        let late = acknowledge(&log, feedback([(0, 5000), (1, 5010)]), at: .milliseconds(1060)).summary
        #expect(late.received == 1 && late.recovered == 1)
    }

    @Test func whatNoFeedbackCoversIsNotLost() {
        var log = SentPacketLog()
        for index in 0..<100 { _ = log.sent(byteCount: 100, at: .milliseconds(UInt64(1000 + index))) }
        let summary = acknowledge(&log, feedback([(90, 5000), (91, 5001)]), at: .milliseconds(1200)).summary
        #expect(summary.received == 2 && summary.lost == 0)
    }

    @Test func numbersNeverSentOrForgottenAreIgnored() {
        var log = SentPacketLog()
        #expect(acknowledge(&log, feedback([(0, 5000)]), at: .milliseconds(10)).packets.isEmpty)
        for index in 0..<5000 { _ = log.sent(byteCount: 100, at: .milliseconds(UInt64(1000 + index))) }
        #expect(acknowledge(&log, feedback([(5000, 1), (5001, 2)]), at: .milliseconds(7000)).packets.isEmpty)
        #expect(acknowledge(&log, feedback([(10, 1), (20, 2)]), at: .milliseconds(7000)).packets.isEmpty)
        #expect(acknowledge(&log, feedback([(4999, 1), (5400, 2)]), at: .milliseconds(7000)).summary.received == 1)
    }

    @Test func numbersWrap() {
        var log = SentPacketLog()
        for index in 0..<65_540 { _ = log.sent(byteCount: 100, at: .milliseconds(UInt64(1000 + index))) }
        let bytes = feedback([(65_534, 5000), (65_535, 5001), (0, 5002), (1, 5003)])
        #expect(acknowledge(&log, bytes, at: .milliseconds(66_600)).summary.received == 4)
    }

    @Test func theReferenceTimeWraps() {
        var log = SentPacketLog()
        for index in 0..<4 { _ = log.sent(byteCount: 100, at: .milliseconds(UInt64(1000 + index))) }
        // 2^23 units of 64 ms is where the signed field turns over.
        let turn: UInt64 = (1 << 23) * 64
        let before = acknowledge(&log, feedback([(0, turn - 64), (1, turn - 1)]), at: .milliseconds(1050)).packets
        let after = acknowledge(&log, feedback([(2, turn + 1), (3, turn + 3)]), at: .milliseconds(1060)).packets
        #expect(zip(before + after, (before + after).dropFirst()).allSatisfy { $1.arrival > $0.arrival })
        #expect((after.last?.arrival ?? 0) - (before.first?.arrival ?? 0) == 67_000_000)
    }

    @Test func hostileFeedbackIsBoundedAndHarmless() {
        var random = SplitMix64(seed: 97)
        var estimator = BandwidthEstimator()
        var now = Instant.milliseconds(1000)
        for _ in 0..<4000 {
            now = now.advanced(byNanoseconds: UInt64.random(in: 0...20_000_000, using: &random))
            var base: UInt16 = 0
            for _ in 0..<Int.random(in: 0...4, using: &random) { base = estimator.numbered(byteCount: 1200, at: now) }
            if Bool.random(using: &random) { base = UInt16.random(in: 0...UInt16.max, using: &random) }
            var bytes: [UInt8] = [0x8F, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]
            bytes.append(bigEndian: base)
            let count = UInt16.random(in: 1...(Bool.random(using: &random) ? 20 : UInt16.max), using: &random)
            bytes.append(bigEndian: count)
            bytes += random.bytes(4)
            bytes += random.bytes(4 * Int.random(in: 1...40, using: &random))
            bytes[3] = UInt8(bytes.count / 4 - 1)
            for packet in parseRTCP(bytes).packets {
                guard case .transportFeedback(let feedback) = packet else { continue }
                bytes.withBytes { estimator.received(feedback, in: $0, at: now) }
            }
            let range: ClosedRange<UInt64> = 50_000...200_000_000
            if let estimate = estimator.bitsPerSecond(at: now) { #expect(range.contains(estimate)) }
        }
    }
}
