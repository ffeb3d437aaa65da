import HTTP
import Testing
import Wire

@Suite struct TimeoutTests {
    @Test func silenceAfterConnectingClosesWithoutAWord() {
        let harness = ConnectionHarness()
        harness.passTime(milliseconds: 9_999)
        #expect(!harness.isClosing)
        harness.passTime(milliseconds: 1)
        #expect(harness.closesAfterFlush)
        #expect(harness.output.isEmpty)
    }

    @Test func aTrickledHeadIsCutOffHoweverItTrickles() {
        let harness = ConnectionHarness()
        harness.feed("GET / HTTP/1.1\r\n")
        for _ in 0..<9 {
            harness.passTime(milliseconds: 1_000)
            harness.feed("X: y\r\n")
        }
        #expect(!harness.isClosing)
        harness.passTime(milliseconds: 1_000)
        #expect(harness.statuses == [408])
        #expect(harness.hasFinishedWriting)
        harness.feed("\r\n")
        #expect(harness.requests.isEmpty)
        harness.passTime(milliseconds: 2_000)
        #expect(harness.isAborted)
    }

    @Test func waitingBeforeTheFirstByteBuysNoTime() {
        let harness = ConnectionHarness()
        harness.passTime(milliseconds: 9_000)
        harness.feed("GET")
        #expect(harness.nextDeadline == ConnectionHarness.origin.advanced(byMilliseconds: 10_000))
    }

    @Test func aTrickledBodyIsCutOff() {
        let harness = ConnectionHarness()
        harness.passTime(milliseconds: 9_000)
        harness.feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n")
        for _ in 0..<9 {
            harness.passTime(milliseconds: 1_000)
            harness.feed("x")
        }
        #expect(!harness.isClosing)
        harness.passTime(milliseconds: 1_000)
        #expect(harness.statuses == [408])
    }

    @Test func idleConnectionsAreKeptForAMinute() {
        let harness = ConnectionHarness.answering()
        harness.feed("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        harness.passTime(milliseconds: 59_999)
        #expect(!harness.isClosing)
        harness.feed("GET / HTTP/1.1\r\n")
        harness.passTime(milliseconds: 9_999)
        harness.feed("Host: h\r\n\r\n")
        #expect(harness.statuses == [200, 200])
        harness.passTime(milliseconds: 60_000)
        #expect(harness.closesAfterFlush)
    }

    @Test func theSecondRequestHasItsOwnTenSeconds() {
        let harness = ConnectionHarness.answering()
        harness.feed("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        harness.passTime(milliseconds: 30_000)
        harness.feed("G")
        harness.passTime(milliseconds: 9_999)
        #expect(harness.statuses == [200])
        harness.passTime(milliseconds: 1)
        #expect(harness.statuses == [200, 408])
    }

    @Test func aHandlerTakesTheTimeItNeeds() {
        let harness = ConnectionHarness()
        harness.feed("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(harness.nextDeadline == nil)
        harness.passTime(milliseconds: 100_000)
        harness.respond(.text("ok"))
        #expect(harness.statuses == [200])
    }
}
