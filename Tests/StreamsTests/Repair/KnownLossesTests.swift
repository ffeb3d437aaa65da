import RTP
import TestKit
import Testing
import Wire

@testable import Streams

/// Repair by transport-wide feedback, for requests that get lost.
@Suite struct KnownLossesTests {
    private static let roundTrip: UInt64 = 100_000_000

    private func gate() -> RetransmissionGate {
        var gate = RetransmissionGate()
        for number in 100...199 as ClosedRange<Int64> {
            gate.sent(
                PacketRecord(position: number, timestamp: 0), extendedSequenceNumber: number, byteCount: 1000,
                startsKeyframe: false, at: .milliseconds(0))
        }
        return gate
    }

    private func lost(_ number: UInt16, wasRepair: Bool = false) -> VideoNews {
        VideoNews(sequenceNumber: number, wasRepair: wasRepair, hasArrived: false)
    }

    private func unasked(_ gate: inout RetransmissionGate, at milliseconds: UInt64) -> [Int64] {
        let now = Instant.milliseconds(milliseconds)
        var index = 0
        var numbers: [Int64] = []
        while let answer = gate.unasked(from: &index, roundTripNanoseconds: Self.roundTrip, at: now) {
            numbers.append(answer.number)
            gate.sentAgain(answer.number, byteCount: 1000, at: now)
        }
        return numbers
    }

    @Test func whatIsNotAskedForInTimeIsSentAgain() {
        var gate = gate()
        gate.heard(lost(120), at: .milliseconds(50))
        gate.heard(lost(150), at: .milliseconds(50))
        #expect(unasked(&gate, at: 159) == [])
        #expect(unasked(&gate, at: 160) == [120, 150])
        #expect(unasked(&gate, at: 170) == [])
        #expect(gate.statistics.unasked == 2 && gate.statistics.answered == 2)
    }

    @Test func whatTheViewerAskedForIsLeftToIt() throws {
        var gate = gate()
        gate.heard(lost(120), at: .milliseconds(50))
        let asked = gate.requested(120, roundTripNanoseconds: Self.roundTrip, at: .milliseconds(150))
        gate.sentAgain(try #require(asked).number, byteCount: 1000, at: .milliseconds(150))
        #expect(unasked(&gate, at: 300) == [])
        gate.heard(VideoNews(sequenceNumber: 120, wasRepair: true, hasArrived: true), at: .milliseconds(200))
        #expect(unasked(&gate, at: 2_000) == [])
    }

    @Test func aLostRetransmissionIsMadeUpForAfterARoundTrip() {
        var gate = gate()
        gate.heard(lost(120), at: .milliseconds(50))
        #expect(unasked(&gate, at: 160) == [120])
        gate.heard(lost(120, wasRepair: true), at: .milliseconds(200))
        #expect(unasked(&gate, at: 259) == [])
        #expect(unasked(&gate, at: 260) == [120])
    }

    @Test func oneOfTwoCopiesIsEnough() {
        var gate = gate()
        gate.heard(lost(120), at: .milliseconds(50))
        #expect(unasked(&gate, at: 160) == [120])
        gate.heard(VideoNews(sequenceNumber: 120, wasRepair: true, hasArrived: true), at: .milliseconds(300))
        gate.heard(lost(120, wasRepair: true), at: .milliseconds(300))
        #expect(unasked(&gate, at: 300) == [])
        let crossing = gate.requested(120, roundTripNanoseconds: Self.roundTrip, at: .milliseconds(300))
        #expect(crossing?.number == nil)
    }

    /// A player empties its buffers, or cannot decrypt what it got.
    @Test func whatAViewerDroppedAfterItCameIsSentAgain() throws {
        var gate = gate()
        gate.heard(lost(120), at: .milliseconds(50))
        #expect(unasked(&gate, at: 160) == [120])
        gate.heard(VideoNews(sequenceNumber: 120, wasRepair: true, hasArrived: true), at: .milliseconds(300))
        let latest = 160 + UInt64(RetransmissionGate.arrivalMilliseconds) + Self.roundTrip / 1_000_000
        #expect(gate.requested(120, roundTripNanoseconds: Self.roundTrip, at: .milliseconds(latest - 1)) == nil)
        let asked = gate.requested(120, roundTripNanoseconds: Self.roundTrip, at: .milliseconds(latest))
        gate.sentAgain(try #require(asked).number, byteCount: 1000, at: .milliseconds(latest))
        // It did not come this time.
        gate.heard(lost(120, wasRepair: true), at: .milliseconds(latest + 100))
        #expect(unasked(&gate, at: latest + 100) == [120])
    }

    @Test func aReportLeadsToOneSending() {
        var gate = gate()
        gate.heard(lost(120), at: .milliseconds(50))
        #expect(unasked(&gate, at: 160) == [120])
        #expect(unasked(&gate, at: 2_000) == [])
    }

    @Test func whatWasOnlyLateOrIsNoLongerNeededIsNotSentAgain() {
        var gate = gate()
        gate.heard(lost(120), at: .milliseconds(50))
        gate.heard(VideoNews(sequenceNumber: 120, wasRepair: false, hasArrived: true), at: .milliseconds(200))
        gate.heard(lost(130), at: .milliseconds(50))
        gate.withdraw()
        gate.heard(lost(140), at: .milliseconds(50))
        gate.heard(lost(9_000), at: .milliseconds(50))
        #expect(unasked(&gate, at: 1_000) == [])
    }

    @Test func aViewerThatHearsNothingIsNotFloodedWithRepairs() {
        var gate = gate()
        var sent = 0
        for time in stride(from: 50, to: 20_000, by: 50) as StrideTo<UInt64> {
            for number in 100...199 as ClosedRange<UInt16> {
                gate.heard(lost(number, wasRepair: true), at: .milliseconds(time))
            }
            sent += unasked(&gate, at: time).count
        }
        #expect(sent <= 100 * Int(RetransmissionGate.maximumTries))
    }

    @Test func whatIsMissedForTooLongIsLeftToAKeyframe() {
        var gate = gate()
        func isStuck(at milliseconds: UInt64) -> Bool {
            gate.heard(lost(120, wasRepair: true), at: .milliseconds(milliseconds))
            #expect(unasked(&gate, at: milliseconds) == [120])
            return gate.takeStuck()
        }
        #expect(!isStuck(at: 700))
        #expect(isStuck(at: 900))
        gate.pictureLost()
        #expect(!isStuck(at: 1_100), "a keyframe is on its way")
    }
}
