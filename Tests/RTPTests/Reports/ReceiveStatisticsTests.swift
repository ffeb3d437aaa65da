import RTP
import TestKit
import Testing
import Wire

@Suite struct ReceiveStatisticsTests {
    /// Feeds packets of 20 ms at 8 kHz that arrive exactly in time.
    private func feed(_ statistics: inout ReceiveStatistics, _ numbers: [Int]) {
        for number in numbers {
            _ = statistics.received(
                sequenceNumber: UInt16(truncatingIfNeeded: number), timestamp: UInt32(truncatingIfNeeded: number * 160),
                byteCount: 160, at: .milliseconds(UInt64(number) * 20))
        }
    }

    private func report(_ statistics: inout ReceiveStatistics, at now: Instant) throws -> ReportBlock {
        let block = statistics.makeReportBlock(ssrc: 1, at: now)
        return try #require(block)
    }

    @Test func lossIsAFractionOfTheInterval() throws {
        var statistics = ReceiveStatistics(clockRate: 8000)
        feed(&statistics, Array(100..<108))
        var block = try report(&statistics, at: .seconds(3))
        #expect(block.fractionLost == 0)
        #expect(block.cumulativeLost == 0)
        #expect(block.extendedHighestSequenceNumber == 107)
        // 108...115 expected, two lost: 2/8 of 256.
        feed(&statistics, [108, 109, 111, 112, 113, 115])
        block = try report(&statistics, at: .seconds(4))
        #expect(block.fractionLost == 64)
        #expect(block.cumulativeLost == 2)
        // The lost ones come late: more received than expected is no loss, and the total goes down.
        feed(&statistics, [110, 114, 116])
        block = try report(&statistics, at: .seconds(5))
        #expect(block.fractionLost == 0)
        #expect(block.cumulativeLost == 0)
        #expect(statistics.latePackets == 2)
    }

    @Test func duplicatesMakeTheTotalNegative() throws {
        var statistics = ReceiveStatistics(clockRate: 8000)
        feed(&statistics, [1, 2, 2, 2, 3])
        let block = try report(&statistics, at: .seconds(1))
        #expect(block.cumulativeLost == -2)
        #expect(block.fractionLost == 0)
        #expect(statistics.duplicatePackets == 2)
    }

    @Test func wrapsAreCounted() throws {
        var statistics = ReceiveStatistics(clockRate: 8000)
        feed(&statistics, Array(65_530..<65_542))
        let block = try report(&statistics, at: .seconds(2000))
        #expect(block.extendedHighestSequenceNumber == 65_541)
        #expect(block.cumulativeLost == 0)
    }

    @Test func totalIsClampedToTwentyFourBits() throws {
        var statistics = ReceiveStatistics(clockRate: 8000)
        var number = 0
        for _ in 0..<2900 {
            feed(&statistics, [number])
            number += 3000
        }
        let block = try report(&statistics, at: .seconds(2000))
        #expect(block.cumulativeLost == 0x7F_FFFF)
        #expect(statistics.cumulativeLost > 0x7F_FFFF)
        #expect(block.fractionLost == 255)
    }

    @Test func jumpNeedsASecondPacket() {
        var statistics = ReceiveStatistics(clockRate: 8000)
        feed(&statistics, [1, 2, 3])
        let arrival = Instant.seconds(1)
        #expect(statistics.received(sequenceNumber: 20_000, timestamp: 0, byteCount: 1, at: arrival) == .unexpected)
        #expect(
            statistics.received(sequenceNumber: 4, timestamp: 0, byteCount: 1, at: arrival) == .accepted(isLate: false))
        #expect(statistics.received(sequenceNumber: 20_000, timestamp: 0, byteCount: 1, at: arrival) == .unexpected)
        #expect(statistics.received(sequenceNumber: 20_001, timestamp: 0, byteCount: 1, at: arrival) == .restarted)
        #expect(statistics.cumulativeLost == 0)
    }

    /// J(i) = J(i-1) + (|D| - J(i-1)) / 16 in the integer form of appendix A.8.
    @Test func jitterFollowsTheRFC() {
        var random = SplitMix64(seed: 3)
        var statistics = ReceiveStatistics(clockRate: 8000)
        var scaled: Int64 = 0
        var transit: Int64 = 0
        for index in 0..<2000 {
            let late = Int64(random.next() % 30)
            let timestamp = UInt32(index * 160)
            let arrival = Int64(index) * 20 + late
            _ = statistics.received(
                sequenceNumber: UInt16(index), timestamp: timestamp, byteCount: 160, at: .milliseconds(UInt64(arrival)))
            let newTransit = arrival * 8 - Int64(timestamp)
            if index > 0 {
                let difference = abs(newTransit - transit)
                scaled += difference - ((scaled + 8) >> 4)
            }
            transit = newTransit
            #expect(Int64(statistics.jitter) == scaled >> 4)
        }
        #expect(statistics.jitter > 40)
    }

    @Test func delaySinceTheSenderReport() throws {
        var statistics = ReceiveStatistics(clockRate: 8000)
        feed(&statistics, [1])
        let early = try report(&statistics, at: .seconds(9))
        #expect(early.delaySinceLastSenderReport == 0)
        statistics.senderReportReceived(ntp: 0x1122_3344_5566_7788, at: .seconds(10))
        let block = try report(&statistics, at: .milliseconds(12_500))
        #expect(block.lastSenderReport == 0x3344_5566)
        #expect(block.delaySinceLastSenderReport == 163_840)
    }

    @Test func nothingReceivedIsNoBlock() {
        var statistics = ReceiveStatistics(clockRate: 8000)
        #expect(statistics.makeReportBlock(ssrc: 1, at: .seconds(1)) == nil)
    }

    @Test func senderReportCountsWrapAtThirtyTwoBits() {
        var statistics = SenderStatistics()
        for _ in 0..<5 { statistics.sent(payloadSize: 0x4000_0000) }
        let report = statistics.makeReport(ssrc: 1, ntp: 2, timestamp: 3)
        #expect(report.packetCount == 5)
        #expect(report.octetCount == 0x4000_0000)
        #expect(statistics.octets == 0x1_4000_0000)
    }
}
