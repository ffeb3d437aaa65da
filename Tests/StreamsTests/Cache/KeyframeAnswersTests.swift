import Testing
import Wire

@testable import Streams

@Suite struct KeyframeAnswersTests {
    private func seconds(_ value: Double) -> Instant { .milliseconds(UInt64(value * 1_000)) }

    @Test func aPublisherThatCannotBeAskedNeverAnswers() {
        var answers = KeyframeAnswers(canBeAsked: false)
        for second in stride(from: 0.0, to: 20, by: 2) {
            answers.requested(layer: 0, at: seconds(second))
            answers.keyframeReceived(layer: 0, at: seconds(second + 0.1))
        }
        #expect(answers.habit == .ignores)
    }

    @Test func promptKeyframesOffTheRhythmAreAnswers() {
        var answers = KeyframeAnswers(canBeAsked: true)
        for second in [0.0, 10, 20] { answers.keyframeReceived(layer: 0, at: seconds(second)) }
        answers.requested(layer: 0, at: seconds(23))
        answers.keyframeReceived(layer: 0, at: seconds(23.1))
        #expect(answers.habit == .answers)
        answers.requested(layer: 0, at: seconds(25))
        #expect(!answers.areIgnored(at: seconds(26.4)) && answers.areIgnored(at: seconds(26.6)))
        answers.keyframeReceived(layer: 0, at: seconds(27))
        #expect(answers.habit == .ignores, "it does not answer any more")
    }

    @Test func keyframesInTheirRhythmProveNothing() {
        var answers = KeyframeAnswers(canBeAsked: true)
        answers.keyframeReceived(layer: 0, at: seconds(0))
        for second in [9.8, 19.7, 29.6] {
            answers.requested(layer: 0, at: seconds(second))
            answers.keyframeReceived(layer: 0, at: seconds((second / 10).rounded(.up) * 10))
        }
        #expect(answers.habit == .unknown)
        // Known to ignore, it stays so.
        answers.requested(layer: 0, at: seconds(33))
        answers.keyframeReceived(layer: 0, at: seconds(40))
        answers.requested(layer: 0, at: seconds(49.5))
        answers.keyframeReceived(layer: 0, at: seconds(50))
        #expect(answers.habit == .ignores)
    }

    @Test func whileNoRhythmIsKnownOneKeyframeMayBeChance() {
        var answers = KeyframeAnswers(canBeAsked: true)
        answers.keyframeReceived(layer: 0, at: seconds(0))
        answers.requested(layer: 0, at: seconds(4))
        answers.keyframeReceived(layer: 0, at: seconds(4.1))
        #expect(answers.habit == .unknown)
        answers.requested(layer: 0, at: seconds(5))
        answers.keyframeReceived(layer: 0, at: seconds(5.1))
        #expect(answers.habit == .answers)
    }

    @Test func layersHaveTheirOwnRhythms() {
        var answers = KeyframeAnswers(canBeAsked: true)
        for second in [0.0, 10, 20] {
            answers.keyframeReceived(layer: 0, at: seconds(second))
            answers.keyframeReceived(layer: 1, at: seconds(second + 5))
        }
        answers.requested(layer: 1, at: seconds(34.8))
        answers.keyframeReceived(layer: 0, at: seconds(34.9))
        #expect(answers.habit == .unknown, "another layer was asked for")
        answers.keyframeReceived(layer: 1, at: seconds(35))
        #expect(answers.habit == .unknown)
    }
}
