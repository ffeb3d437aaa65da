import HTTP
import Testing
import Wire

@Suite struct HTTPConnectionMachineTests {
    private let get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

    @Test func answersWithDateAndLength() {
        let harness = ConnectionHarness.answering()
        harness.feed(get)
        #expect(
            harness.text == "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                + "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok")
        harness.output = []
        harness.advance(milliseconds: 23_000)
        harness.feed(get)
        #expect(contains(harness.text, "08:50:00 GMT"))
    }

    @Test func pipelinedRequestsAreDeliveredOneAtATimeInOrder() {
        let harness = ConnectionHarness()
        harness.feed(
            "OPTIONS /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxyGET /3")
        #expect(harness.requests.map(\.path.name) == ["1"])
        harness.respond(HTTPResponse(status: 200))
        #expect(harness.requests.map(\.path.name) == ["1", "2"])
        harness.feed(" HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(harness.requests.count == 2)
        harness.respond(HTTPResponse(status: 201))
        #expect(harness.requests.map(\.path.name) == ["1", "2", "3"])
        harness.respond(HTTPResponse(status: 204))
        #expect(harness.statuses == [200, 201, 204])
        #expect(!harness.isClosing)
    }

    @Test func aManyfoldPipelineIsAnsweredWhole() {
        let harness = ConnectionHarness.answering()
        harness.feed(String(repeating: get, count: 2_000))
        #expect(harness.statuses.count == 2_000)
        #expect(!harness.isPaused)
    }

    @Test func readingAheadPausesAtItsBound() {
        var limits = HTTPLimits()
        limits.pipelinedBytes = 1_000
        let harness = ConnectionHarness(limits: limits)
        harness.feed(get)
        harness.feed(String(repeating: "x", count: 999))
        #expect(!harness.isPaused)
        harness.feed("x")
        #expect(harness.isPaused)
        harness.respond(.text("ok"))
        #expect(!harness.isPaused)
        #expect(harness.pauses == 1)
    }

    @Test func bytesThatComeInSpiteOfThePauseEndTheConnection() {
        var limits = HTTPLimits()
        limits.pipelinedBytes = 100
        let harness = ConnectionHarness(limits: limits)
        harness.feed(get)
        for _ in 0..<10 { harness.feed(String(repeating: "x", count: 100)) }
        #expect(harness.isAborted)
        #expect(harness.nextDeadline == nil)
    }

    @Test func continuesWhenAskedTo() {
        let harness = ConnectionHarness.answering()
        harness.feed("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n")
        #expect(harness.text == "HTTP/1.1 100 Continue\r\n\r\n")
        harness.feed("hi")
        #expect(harness.statuses == [100, 200])
    }

    @Test func doesNotContinueWithoutBodyNorIn10() {
        let harness = ConnectionHarness.answering()
        harness.feed("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")
        harness.feed("POST /a HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx")
        #expect(harness.statuses == [200, 200])
    }

    @Test func refusesALargeBodyBeforeItIsSent() {
        let harness = ConnectionHarness.answering(bodyLimit: 1_000)
        harness.feed("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
        #expect(harness.statuses == [413])
        #expect(harness.hasFinishedWriting)
        // What is under way is thrown away, so that the client gets to read the answer.
        harness.feed([UInt8](repeating: 0x61, count: 1_000_000))
        #expect(!harness.isAborted)
        harness.endInput()
        #expect(harness.closesAfterFlush)
        #expect(harness.requests.isEmpty)
    }

    @Test func refusesAChunkedBodyWhenItPassesTheLimit() {
        let harness = ConnectionHarness.answering(bodyLimit: 1_000)
        harness.feed("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        let chunk = "1f4\r\n" + String(repeating: "a", count: 500) + "\r\n"
        harness.feed(chunk + chunk)
        #expect(harness.status == nil)
        harness.feed("1\r\n")
        #expect(harness.statuses == [413])
    }

    @Test func lingeringEndsAfterItsBytes() {
        var limits = HTTPLimits()
        limits.lingerBytes = 100
        let harness = ConnectionHarness.answering(limits: limits)
        harness.feed("BAD\r\n")
        harness.feed([UInt8](repeating: 0, count: 100))
        #expect(!harness.isAborted)
        harness.feed([0])
        #expect(harness.isAborted)
    }

    @Test func theErrorAnswerIsThePolicysAndKnowsTheRequest() {
        var machine = HTTPConnectionMachine(
            remoteAddress: ConnectionHarness.client, isSecure: true, wallClock: ConnectionHarness.clock,
            startedAt: ConnectionHarness.origin,
            policy: HTTPConnectionMachine.Policy(bodyLimit: { $0.path.name == "big" ? 10 : 0 }) { error, request in
                .text("\(error.status) for \(request?.headers["Origin"] ?? "unknown")", status: error.status)
            })
        var sent: [UInt8] = []
        bytes("POST /big HTTP/1.1\r\nHost: h\r\nOrigin: o\r\nContent-Length: 11\r\n\r\n").withBytes {
            machine.received($0, at: ConnectionHarness.origin)
        }
        while let action = machine.nextAction() { if case .send(let bytes) = action { sent += bytes } }
        #expect(String(decoding: sent, as: UTF8.self).hasSuffix("\r\n\r\n413 for o"))
    }

    @Test func aClientThatStopsSendingIsStillAnswered() {
        let harness = ConnectionHarness()
        harness.feed(get + get + "GET /cut")
        harness.endInput()
        #expect(!harness.isClosing)
        harness.respond(.text("ok"))
        #expect(!harness.isClosing)
        harness.respond(.text("ok"))
        #expect(harness.statuses == [200, 200])
        #expect(harness.closesAfterFlush)
    }

    @Test func theEndOfInputEndsWhatIsNotBeingAnswered() {
        let idle = ConnectionHarness.answering()
        idle.feed(get)
        idle.endInput()
        #expect(idle.closesAfterFlush)
        let partial = ConnectionHarness()
        partial.feed("GET /")
        partial.endInput()
        #expect(partial.closesAfterFlush)
        #expect(partial.output.isEmpty)
        let streaming = ConnectionHarness()
        streaming.feed(get)
        streaming.respond(.eventStream(HTTPBodyStream()))
        streaming.endInput()
        #expect(streaming.isAborted)
    }

    @Test func shutdownClosesIdleConnectionsAndFinishesTheOthers() {
        let idle = ConnectionHarness.answering()
        idle.feed(get)
        idle.shutDown()
        #expect(idle.closesAfterFlush)
        let busy = ConnectionHarness()
        busy.feed(get)
        busy.shutDown()
        #expect(!busy.isClosing)
        busy.respond(.text("ok"))
        #expect(contains(busy.text, "Connection: close\r\n"))
        #expect(busy.closesAfterFlush)
    }

    @Test func aLateAnswerIsIgnoredAndItsStreamCancelled() {
        let harness = ConnectionHarness()
        harness.feed(get)
        harness.reportOutput(written: 0, pending: 1)
        harness.passTime(milliseconds: 30_000)
        #expect(harness.isAborted)
        let stream = HTTPBodyStream()
        harness.respond(.eventStream(stream))
        #expect(stream.isCancelled)
        #expect(harness.output.isEmpty)
    }
}
