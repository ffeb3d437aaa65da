import HTTP
import Testing
import Wire

@Suite struct StreamedResponseTests {
    @Test func streamsInChunks() {
        let harness = ConnectionHarness()
        harness.feed("GET /notifications HTTP/1.1\r\nHost: h\r\n\r\n")
        harness.respond(.eventStream(HTTPBodyStream()))
        #expect(harness.streams.count == 1)
        #expect(contains(harness.text, "Transfer-Encoding: chunked\r\n"))
        #expect(!contains(harness.text, "Content-Length"))
        harness.output = []
        harness.stream("data: 0123456789\n\n")
        harness.stream("")
        #expect(harness.text == "12\r\ndata: 0123456789\n\n\r\n")
        harness.finishStream()
        #expect(harness.text.hasSuffix("\r\n0\r\n\r\n"))
        #expect(!harness.isClosing)
        harness.feed("GET /b HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(harness.requests.count == 2)
    }

    @Test func streamsToTheEndOfTheConnectionIn10() {
        let harness = ConnectionHarness()
        harness.feed("GET /notifications HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        harness.respond(.eventStream(HTTPBodyStream()))
        #expect(contains(harness.text, "Connection: close\r\n"))
        #expect(!contains(harness.text, "Transfer-Encoding"))
        harness.output = []
        harness.stream("x")
        #expect(harness.text == "x")
        harness.finishStream()
        #expect(harness.text == "x")
        #expect(harness.closesAfterFlush)
    }

    @Test func headGetsTheHeadOnlyAndTheStreamIsCancelled() {
        let harness = ConnectionHarness()
        let stream = HTTPBodyStream()
        harness.feed("HEAD /notifications HTTP/1.1\r\nHost: h\r\n\r\n")
        harness.respond(.eventStream(stream))
        #expect(stream.isCancelled)
        #expect(harness.streams.isEmpty)
        #expect(harness.text.hasSuffix("\r\n\r\n"))
        #expect(!harness.isClosing)
    }

    @Test func aStreamHasNoDeadlineButTheWriteStall() {
        let harness = ConnectionHarness()
        harness.feed("GET /notifications HTTP/1.1\r\nHost: h\r\n\r\n")
        harness.respond(.eventStream(HTTPBodyStream()))
        harness.passTime(milliseconds: 3_600_000)
        #expect(!harness.isClosing)
        harness.reportOutput(written: 10, pending: 5)
        harness.passTime(milliseconds: 29_000)
        harness.reportOutput(written: 11, pending: 50)
        harness.passTime(milliseconds: 29_000)
        #expect(!harness.isClosing)
        harness.reportOutput(written: 11, pending: 60)
        harness.passTime(milliseconds: 999)
        #expect(!harness.isClosing)
        harness.passTime(milliseconds: 1)
        #expect(harness.isAborted)
    }

    @Test func drainedOutputEndsTheStall() {
        let harness = ConnectionHarness()
        harness.feed("GET /notifications HTTP/1.1\r\nHost: h\r\n\r\n")
        harness.respond(.eventStream(HTTPBodyStream()))
        harness.reportOutput(written: 10, pending: 5)
        harness.reportOutput(written: 15, pending: 0)
        #expect(harness.nextDeadline == nil)
    }
}
