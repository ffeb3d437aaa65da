import RTP
import TestKit
import Testing
import Wire

/// What a feedback datagram says: arrival in ticks by number, nil for missing.
func decodeFeedback(_ bytes: [UInt8]) -> [(number: UInt16, arrival: Int64?)] {
    let packets = parseRTCP(bytes).packets
    return bytes.withBytes { span in
        var result: [(number: UInt16, arrival: Int64?)] = []
        for packet in packets {
            guard case .transportFeedback(let feedback) = packet else { continue }
            var iterator = TransportFeedbackIterator(feedback)
            while let status = iterator.next(in: span) { result.append((status.sequenceNumber, status.arrival)) }
        }
        return result
    }
}

@Suite struct TransportWideFeedbackTests {
    @Test func goldenBytes() {
        var feedback = TransportWideFeedback()
        // 64 ms is one unit of the reference time, 250 µs one of the deltas.
        feedback.received(1, at: .milliseconds(64))
        feedback.received(2, at: .milliseconds(65))
        feedback.received(5, at: .milliseconds(165))
        var bytes: [UInt8] = []
        feedback.append(sender: 1, media: 2, to: &bytes)
        #expect(
            bytes == [
                0xAF, 205, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 5, 0, 0, 1, 0,
                0xD4, 0x20, 0, 4, 0x01, 0x90, 0, 2,
            ])
        #expect(decodeFeedback(bytes).map(\.number) == [1, 2, 3, 4, 5])
        #expect(decodeFeedback(bytes).map(\.arrival) == [256, 260, nil, nil, 660])
    }

    @Test func nothingToReportIsNothing() {
        var feedback = TransportWideFeedback()
        var bytes: [UInt8] = []
        feedback.append(sender: 1, media: 2, to: &bytes)
        #expect(bytes.isEmpty)
        #expect(feedback.nextDeadline == nil)
        feedback.received(9, at: .milliseconds(5))
        #expect(feedback.nextDeadline == .milliseconds(105))
        feedback.append(sender: 1, media: 2, to: &bytes)
        let once = bytes.count
        feedback.append(sender: 1, media: 2, to: &bytes)
        #expect(bytes.count == once)
    }

    @Test func countsItsPackets() {
        var feedback = TransportWideFeedback()
        for number in 0..<300 {
            feedback.received(UInt16(number), at: .milliseconds(UInt64(number)))
            var bytes: [UInt8] = []
            feedback.append(sender: 1, media: 2, to: &bytes)
            guard case .transportFeedback(let packet)? = parseRTCP(bytes).packets.first else {
                Issue.record("no feedback")
                return
            }
            #expect(packet.feedbackCount == UInt8(truncatingIfNeeded: number))
        }
    }

    @Test func longSilenceStartsANewPacket() {
        var feedback = TransportWideFeedback()
        feedback.received(1, at: .milliseconds(0))
        feedback.received(2, at: .milliseconds(9_000))
        feedback.received(3, at: .milliseconds(100))
        var bytes: [UInt8] = []
        feedback.append(sender: 1, media: 2, to: &bytes)
        #expect(parseRTCP(bytes).packets.count == 3)
        #expect(decodeFeedback(bytes).map(\.arrival) == [0, 36_000, 400])
    }

    @Test func lateArrivalIsReportedAgainWithTheSameTimes() {
        var feedback = TransportWideFeedback()
        feedback.received(1, at: .milliseconds(10))
        feedback.received(3, at: .milliseconds(12))
        var bytes: [UInt8] = []
        feedback.append(sender: 1, media: 2, to: &bytes)
        bytes = []
        feedback.received(2, at: .milliseconds(20))
        feedback.received(3, at: .milliseconds(21))
        feedback.append(sender: 1, media: 2, to: &bytes)
        #expect(decodeFeedback(bytes).map(\.number) == [2, 3])
        #expect(decodeFeedback(bytes).map(\.arrival) == [80, 48])
    }

    @Test func referenceTimeWrapsAtTwentyFourBits() {
        let wrap = UInt64(64) << 24
        var feedback = TransportWideFeedback()
        feedback.received(1, at: .milliseconds(wrap - 1))
        feedback.received(2, at: .milliseconds(wrap + 1))
        var bytes: [UInt8] = []
        feedback.append(sender: 1, media: 2, to: &bytes)
        feedback.received(3, at: .milliseconds(wrap + 64))
        feedback.append(sender: 1, media: 2, to: &bytes)
        // 24 bits signed: -1 is the last unit before the wrap.
        #expect(decodeFeedback(bytes).map(\.arrival) == [-4, 4, 256])
    }

    @Test func hugeGapStartsOver() {
        var feedback = TransportWideFeedback()
        feedback.received(1, at: .milliseconds(1))
        feedback.received(20_000, at: .milliseconds(2))
        var bytes: [UInt8] = []
        feedback.append(sender: 1, media: 2, to: &bytes)
        #expect(decodeFeedback(bytes).map(\.number) == [20_000])
    }

    @Test func ancientNumbersAreIgnored() {
        var feedback = TransportWideFeedback()
        feedback.received(20_000, at: .milliseconds(1))
        var bytes: [UInt8] = []
        feedback.append(sender: 1, media: 2, to: &bytes)
        feedback.received(10_000, at: .milliseconds(2))
        let count = bytes.count
        feedback.append(sender: 1, media: 2, to: &bytes)
        #expect(bytes.count == count)
    }

    /// Random loss, reordering, bursts and silences, over many wraps of the numbers and one of the reference time.
    @Test(arguments: 0..<8)
    func whatWasReceivedIsWhatIsDecoded(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var feedback = TransportWideFeedback()
        var sent: Int64 = 65_000
        var now = (UInt64(64) << 24) * 1_000_000 - 5_000_000_000
        var truth: [Int64: Int64] = [:]
        var reported: [Int64: Int64] = [:]
        var lowest = sent + 1
        for _ in 0..<120 {
            var arrivals: [Int64] = []
            for _ in 0..<Int.random(in: 1...1500, using: &random) {
                sent += 1
                if random.next() % 10 != 0 { arrivals.append(sent) }
            }
            if random.next() % 8 == 0 { sent += Int64.random(in: 0...2000, using: &random) }
            for index in arrivals.indices where random.next() % 20 == 0 {
                arrivals.swapAt(index, min(index + Int(random.next() % 40), arrivals.count - 1))
            }
            for number in arrivals {
                now += random.next() % 5_000_000
                if random.next() % 500 == 0 { now += random.next() % 20_000_000_000 }
                feedback.received(UInt16(truncatingIfNeeded: number), at: Instant(nanoseconds: now))
                truth[number] = Int64(now / 250_000)
                if random.next() % 30 == 0 {
                    feedback.received(UInt16(truncatingIfNeeded: number), at: Instant(nanoseconds: now + 1_000_000))
                }
            }
            var bytes: [UInt8] = []
            feedback.append(sender: 1, media: 2, to: &bytes)
            let (packets, failed) = parseRTCP(bytes)
            #expect(!failed)
            #expect(packets.allSatisfy { if case .transportFeedback = $0 { true } else { false } })
            var unwrapper = SequenceUnwrapper()
            _ = unwrapper.unwrap(UInt16(truncatingIfNeeded: sent))
            for status in decodeFeedback(bytes) {
                let number = unwrapper.extend(status.number) - (unwrapper.highest ?? 0) + sent
                guard let arrival = status.arrival else { continue }
                reported[number] = arrival
                guard let expected = truth[number] else {
                    Issue.record("packet \(number) never came")
                    return
                }
                // The reference time has 24 bits of 256 ticks.
                if (arrival - expected) % (1 << 32) != 0 {
                    Issue.record("packet \(number) at \(expected) reported at \(arrival)")
                    return
                }
            }
            for number in lowest...max(lowest, sent) where truth[number] != nil && reported[number] == nil {
                Issue.record("packet \(number) was not reported")
                return
            }
            lowest = sent + 1
            truth = truth.filter { $0.key > sent - 5000 }
            reported = reported.filter { $0.key > sent - 5000 }
        }
    }
}
