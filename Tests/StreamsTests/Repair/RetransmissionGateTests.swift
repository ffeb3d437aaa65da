import TestKit
import Testing
import Wire

@testable import Streams

@Suite struct RetransmissionGateTests {
    private func gate(sending numbers: ClosedRange<Int64> = 100...199, byteCount: Int = 1000) -> RetransmissionGate {
        var gate = RetransmissionGate()
        for number in numbers {
            gate.sent(
                PacketRecord(position: number, timestamp: 0), extendedSequenceNumber: number, byteCount: byteCount,
                startsKeyframe: false, at: .milliseconds(0))
        }
        return gate
    }

    private func ask(
        _ gate: inout RetransmissionGate, _ number: UInt16, at milliseconds: UInt64, roundTrip: UInt64 = 0
    ) -> Bool {
        let now = Instant.milliseconds(milliseconds)
        guard let answer = gate.requested(number, roundTripNanoseconds: roundTrip, at: now) else { return false }
        #expect(UInt16(truncatingIfNeeded: answer.number) == number)
        gate.sentAgain(answer.number, byteCount: 1000, at: now)
        return true
    }

    private func isBeyondRepair(_ gate: inout RetransmissionGate) -> Bool { gate.takeBeyondRepair() }

    @Test func aStormOfRequestsForOnePacketIsAnsweredTenTimesAtMost() {
        var gate = gate()
        var answers: [UInt64] = []
        for millisecond in 1..<2000 as Range<UInt64> where ask(&gate, 150, at: millisecond) {
            answers.append(millisecond)
        }
        #expect(answers == (0..<10).map { 1 + 80 * $0 })
        #expect(gate.statistics.answered == 10)
        #expect(gate.statistics.suppressed == 1989)
    }

    @Test func longRoundTripsKeepAnswersFurtherApart() {
        var gate = gate()
        var answers: [UInt64] = []
        for millisecond in 1..<2000 as Range<UInt64>
        where ask(&gate, 150, at: millisecond, roundTrip: 300_000_000) {
            answers.append(millisecond)
        }
        #expect(answers == (0..<9).map { 1 + 225 * $0 })
    }

    @Test func whatWasNeverSentIsNotAnswered() {
        var gate = gate()
        for number: UInt16 in [0, 99, 200, 40_000, 65_535] { #expect(!ask(&gate, number, at: 5)) }
        #expect(gate.statistics.unanswerable == 5)
        #expect(gate.statistics.requested == 5)
    }

    @Test func randomRequestsNeverReachAPacketThatWasNotSent() {
        var random = SplitMix64(seed: 48)
        var gate = gate(sending: 60_000...60_300)
        for step in 0..<20_000 as Range<UInt64> {
            let number = UInt16(truncatingIfNeeded: random.next())
            if ask(&gate, number, at: step) { #expect((60_000...60_300).contains(number)) }
        }
    }

    @Test func aKeyframeTheViewerAskedForReplacesWhatCameBefore() {
        var gate = gate(sending: 100...149)
        func send(_ number: Int64, keyframe: Bool) {
            gate.sent(
                PacketRecord(position: number, timestamp: 0), extendedSequenceNumber: number, byteCount: 1000,
                startsKeyframe: keyframe, at: .milliseconds(1))
        }
        send(150, keyframe: true)
        #expect(ask(&gate, 140, at: 2))
        gate.pictureLost()
        send(151, keyframe: false)
        #expect(ask(&gate, 141, at: 3))
        send(152, keyframe: true)
        #expect(!ask(&gate, 142, at: 4))
        #expect(!ask(&gate, 151, at: 4))
        #expect(ask(&gate, 152, at: 4))
        send(153, keyframe: true)
        #expect(ask(&gate, 152, at: 200))
    }

    /// Browsers wait for seconds before they ask for a keyframe; the server knows at once that only one helps.
    @Test func aViewerThatAsksForWhatItWillNeverGetNeedsAKeyframe() {
        var gate = gate(sending: 100...149)
        for attempt in 0..<10 as Range<UInt64> {
            let millisecond = 1 + attempt * 100
            #expect(ask(&gate, 120, at: millisecond))
            #expect(!isBeyondRepair(&gate))
        }
        // The last answer may still be under way.
        #expect(!ask(&gate, 120, at: 910))
        #expect(!isBeyondRepair(&gate))
        #expect(!ask(&gate, 120, at: 1_000))
        #expect(isBeyondRepair(&gate))
        #expect(!isBeyondRepair(&gate))
        gate.isGone(121)
        #expect(isBeyondRepair(&gate))
        // Never sent, so never lost.
        for number: UInt16 in [0, 99, 150, 40_000] { #expect(!ask(&gate, number, at: 1_000)) }
        #expect(!isBeyondRepair(&gate))
        gate.sent(
            PacketRecord(position: 150, timestamp: 0), extendedSequenceNumber: 150, byteCount: 1000,
            startsKeyframe: true, at: .milliseconds(1_010))
        #expect(!ask(&gate, 120, at: 1_100))
        gate.isGone(121)
        #expect(!isBeyondRepair(&gate), "it can go on from the keyframe")
    }

    @Test func repairsTakeNoMoreThanTheirShareOfTheRate() {
        var gate = RetransmissionGate()
        var repaired = 0
        let count = 20_000
        for number in 0..<count {
            let now = UInt64(number)
            gate.sent(
                PacketRecord(position: Int64(number), timestamp: 0), extendedSequenceNumber: Int64(number),
                byteCount: 1000, startsKeyframe: false, at: .milliseconds(now))
            if ask(&gate, UInt16(truncatingIfNeeded: number), at: now) { repaired += 1 }
        }
        #expect(repaired <= count / 2 + RetransmissionGate.initialBudget / 1000 + 1)
        #expect(repaired >= count / 2)
        #expect(Int(gate.statistics.overBudget) == count - repaired)
    }
}
