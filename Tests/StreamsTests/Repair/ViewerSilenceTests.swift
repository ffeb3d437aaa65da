import TestKit
import Testing
import Wire

@testable import Streams

/// Keyframes for viewers whose requests are lost.
@Suite struct ViewerSilenceTests {
    /// A viewer that says something every so often for ten seconds, on a link that loses so many packets a second.
    private func silence(everyMilliseconds: UInt64, lossesPerSecond: UInt64) -> ViewerSilence {
        var silence = ViewerSilence()
        for time in 0...10_000 as ClosedRange<UInt64> {
            if lossesPerSecond > 0, time % (1_000 / lossesPerSecond) == 0 { silence.lost(at: .milliseconds(time)) }
            if time % everyMilliseconds == 0 { silence.heard(at: .milliseconds(time)) }
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
        silence.heard(at: .milliseconds(10_500))
        #expect(keyframes(silence, from: 10_500, until: 11_000) == [])
    }
}
