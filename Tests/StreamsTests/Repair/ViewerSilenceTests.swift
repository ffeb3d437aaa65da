import TestKit
import Testing
import Wire

@testable import Streams

/// Keyframes for viewers whose requests are lost.
@Suite struct ViewerSilenceTests {
    /// A viewer that says something every so often for ten seconds, on a link that loses so many packets a second.
    private func silence(everyMilliseconds: UInt64, lossesPerSecond: UInt64, givesReports: Bool = true) -> ViewerSilence
    {
        var silence = ViewerSilence()
        for time in 0...10_000 as ClosedRange<UInt64> {
            if lossesPerSecond > 0, time % (1_000 / lossesPerSecond) == 0 { silence.lost(at: .milliseconds(time)) }
            if time % everyMilliseconds == 0 { silence.heard(isReport: givesReports, at: .milliseconds(time)) }
        }
        return silence
    }

    private func keyframes(_ silence: ViewerSilence, from start: UInt64 = 10_000, until end: UInt64) -> [UInt64] {
        var silence = silence
        return (start...end).filter { silence.takesKeyframe(at: .milliseconds($0)) }
    }

    @Test func aViewerWhoseRequestsAreLostGetsAKeyframe() {
        let silence = silence(everyMilliseconds: 50, lossesPerSecond: 20)
        #expect(keyframes(silence, until: 10_699) == [])
        #expect(keyframes(silence, until: 11_000) == [10_700])
    }

    /// One request for many packets, and then none: they were sent again, and all is well.
    @Test func oneRequestForManyPacketsIsNoLinkThatLoses() {
        var silence = ViewerSilence()
        silence.heard(isReport: false, at: .milliseconds(1_000))
        for _ in 0..<10 { silence.requested(at: .milliseconds(2_000)) }
        silence.heard(isReport: false, at: .milliseconds(2_000))
        #expect(keyframes(silence, from: 2_000, until: 9_000) == [])
        // The next request soon after says that it does.
        silence.requested(at: .milliseconds(2_100))
        silence.heard(isReport: false, at: .milliseconds(2_100))
        #expect(keyframes(silence, from: 2_100, until: 3_000) == [3_000])
    }

    @Test func aViewerThatOnlyAsksHasGivenUpAfterASecond() {
        let silence = silence(everyMilliseconds: 200, lossesPerSecond: 10, givesReports: false)
        #expect(keyframes(silence, until: 11_800) == [10_900])
    }

    @Test func aViewerThatOnlyAsksIsWaitedForLessWhenRequestsAreLostInARow() {
        for (givesReports, expected) in [(false, 10_500), (true, 10_700)] as [(Bool, UInt64)] {
            var silence = silence(everyMilliseconds: 50, lossesPerSecond: 20, givesReports: givesReports)
            silence.answers(
                lateness: 350, isFirst: true, roundTripNanoseconds: 50_000_000, at: .milliseconds(10_000))
            silence.heard(isReport: givesReports, at: .milliseconds(20_000))
            for time in 20_000...29_999 as ClosedRange<UInt64> where time % 50 == 0 {
                silence.lost(at: .milliseconds(time))
                silence.heard(isReport: givesReports, at: .milliseconds(time))
            }
            #expect(keyframes(silence, from: 29_950, until: 30_900) == [expected + 19_950])
        }
    }

    @Test func whoHasFewRequestsLeftIsWaitedForLeast() {
        var silence = silence(everyMilliseconds: 50, lossesPerSecond: 20, givesReports: false)
        silence.answers(lateness: 350, isFirst: false, roundTripNanoseconds: 50_000_000, at: .milliseconds(10_050))
        silence.heard(isReport: false, at: .milliseconds(10_050))
        #expect(keyframes(silence, from: 10_050, until: 11_000) == [10_350])
        // One answer after another says that requests come through.
        silence.answers(lateness: 349, isFirst: true, roundTripNanoseconds: 50_000_000, at: .milliseconds(10_400))
        silence.heard(isReport: false, at: .milliseconds(10_400))
        #expect(keyframes(silence, from: 10_400, until: 11_200) == [11_100])
    }

    @Test func whoNeverComesBackGetsNoMoreThanAFew() {
        let silence = silence(everyMilliseconds: 50, lossesPerSecond: 20)
        #expect(keyframes(silence, until: 60_000) == [10_700, 11_700, 12_700])
    }

    @Test func aViewerThatSaysLittleIsWaitedForLonger() {
        let silence = silence(everyMilliseconds: 200, lossesPerSecond: 10)
        #expect(keyframes(silence, until: 60_000).first.map { 11_100...11_200 ~= $0 } == true)
    }

    @Test func aLinkThatLosesLittleIsNotTakenForASilentOne() {
        #expect(keyframes(silence(everyMilliseconds: 50, lossesPerSecond: 1), until: 60_000) == [])
        #expect(keyframes(silence(everyMilliseconds: 500, lossesPerSecond: 20), until: 60_000) == [])
        #expect(keyframes(ViewerSilence(), until: 60_000) == [])
    }

    @Test func aSilenceEndsWithTheNextWord() {
        var silence = silence(everyMilliseconds: 50, lossesPerSecond: 20)
        silence.heard(isReport: true, at: .milliseconds(10_500))
        #expect(keyframes(silence, from: 10_500, until: 11_000) == [])
    }
}
