import RTP
import Testing
import Wire

@Suite struct KeyframeRequesterTests {
    @Test func fiveHundredJoinsAreThreeRequests() {
        var requester = KeyframeRequester()
        var sent = 0
        for millisecond in stride(from: UInt64(0), to: 1000, by: 2) {
            let now = Instant.milliseconds(millisecond)
            if requester.deadlineReached(at: now) { sent += 1 }
            if requester.requested(at: now) { sent += 1 }
            if millisecond % 150 == 100 { requester.keyframeReceived() }
        }
        #expect(sent <= 3)
        #expect(sent >= 2)
    }

    @Test func silenceIsAskedAgain() {
        var requester = KeyframeRequester()
        #expect(requester.requested(at: .milliseconds(0)) == true)
        #expect(requester.requested(at: .milliseconds(700)) == false)
        #expect(requester.deadlineReached(at: .milliseconds(999)) == false)
        #expect(requester.deadlineReached(at: .milliseconds(1000)) == true)
        #expect(requester.nextDeadline == .milliseconds(3000))
        #expect(requester.fullIntraRequestSequenceNumber == 2)
        requester.keyframeReceived()
        #expect(requester.nextDeadline == nil)
        #expect(requester.deadlineReached(at: .milliseconds(5000)) == false)
    }

    /// WHIP-Q4: a publisher that ignores requests is asked at most once a second, and ever more rarely.
    @Test func whoeverDoesNotAnswerIsAskedEverMoreRarely() {
        var requester = KeyframeRequester()
        var sent: [UInt64] = []
        for millisecond in UInt64(0)..<20_000 {
            let now = Instant.milliseconds(millisecond)
            if requester.requested(at: now) || requester.deadlineReached(at: now) { sent.append(millisecond) }
        }
        #expect(sent == [0, 1_000, 3_000, 7_000, 11_000, 15_000, 19_000])
        requester.keyframeReceived()
        #expect(requester.requested(at: .milliseconds(20_000)) == true)
        #expect(requester.nextDeadline == .milliseconds(21_000))
    }

    @Test func requestTooSoonAfterAKeyframeWaits() {
        var requester = KeyframeRequester()
        #expect(requester.requested(at: .milliseconds(0)) == true)
        requester.keyframeReceived()
        #expect(requester.requested(at: .milliseconds(100)) == false)
        #expect(requester.nextDeadline == .milliseconds(500))
        #expect(requester.deadlineReached(at: .milliseconds(500)) == true)
        requester.keyframeReceived()
        #expect(requester.requested(at: .milliseconds(1200)) == true)
    }

    @Test func keyframeMeanwhileCancelsTheWaitingRequest() {
        var requester = KeyframeRequester()
        #expect(requester.requested(at: .milliseconds(0)) == true)
        requester.keyframeReceived()
        #expect(requester.requested(at: .milliseconds(100)) == false)
        requester.keyframeReceived()
        #expect(requester.deadlineReached(at: .milliseconds(500)) == false)
        #expect(requester.sentCount == 1)
    }
}
