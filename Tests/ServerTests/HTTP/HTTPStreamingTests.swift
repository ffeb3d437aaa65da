import HTTP
import Loop
import Server
import Testing
import Wire

@Suite(.timeLimit(.minutes(5))) struct HTTPStreamingTests {
    /// Serves `/notifications` with streams the test writes to.
    private func fixture(
        _ streams: Recorder<HTTPBodyStream>, cancelled: Recorder<Bool> = Recorder(),
        maximumQueuedBytes: Int = 256 * 1024
    ) async throws -> HTTPServerFixture {
        var router = Router()
        router.add(.get, "/notifications") { _ in
            let stream = HTTPBodyStream(maximumQueuedBytes: maximumQueuedBytes) { cancelled.add(true) }
            stream.send(ServerSentEvent.comment("ok"))
            streams.add(stream)
            return .eventStream(stream)
        }
        return try await HTTPServerFixture(router)
    }

    @Test func eventsArriveAsTheyAreSent() async throws {
        let streams = Recorder<HTTPBodyStream>()
        let fixture = try await fixture(streams)
        let client = try await fixture.client()
        await client.send("GET /notifications HTTP/1.1\r\nHost: h\r\n\r\n")
        let head = try #require(await client.text(through: ":ok\n\n\r\n"))
        #expect(head.contains("Content-Type: text/event-stream"))
        #expect(head.contains("X-Accel-Buffering: no\r\n"))
        let stream = await streams.first(1)[0]
        for number in 0..<100 {
            #expect(stream.send(ServerSentEvent(id: "1-\(number)", data: "{}").encoded))
            #expect(await client.text(through: "id: 1-\(number)\ndata: {}\n\n\r\n") != nil)
        }
        stream.finish()
        #expect(await client.text(through: "0\r\n\r\n") != nil)
        await client.send("GET /none HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(await client.status() == 404)
        await fixture.stop()
    }

    @Test func anOldClientGetsItsStreamUpToTheEndOfTheConnection() async throws {
        let streams = Recorder<HTTPBodyStream>()
        let fixture = try await fixture(streams)
        let client = try await fixture.client()
        await client.send("GET /notifications HTTP/1.0\r\n\r\n")
        let stream = await streams.first(1)[0]
        stream.send(Array("data: x\n\n".utf8))
        stream.finish()
        #expect(await client.everything().hasSuffix("\r\n\r\n:ok\n\ndata: x\n\n"))
        await fixture.stop()
    }

    @Test func theProducerLearnsThatTheClientHasGone() async throws {
        let streams = Recorder<HTTPBodyStream>()
        let cancelled = Recorder<Bool>()
        let fixture = try await fixture(streams, cancelled: cancelled)
        let client = try await fixture.client()
        await client.send("GET /notifications HTTP/1.1\r\nHost: h\r\n\r\n")
        let stream = await streams.first(1)[0]
        #expect(await client.text(through: ":ok\n\n") != nil)
        await client.abort()
        #expect(await cancelled.first(1) == [true])
        #expect(!stream.send([1]))
        await fixture.server.idle()
        #expect(await fixture.server.statistics.connections == 0)
        await fixture.stop()
    }

    @Test func aClientThatDoesNotReadFillsItsOwnQueueOnly() async throws {
        let streams = Recorder<HTTPBodyStream>()
        let fixture = try await fixture(streams, maximumQueuedBytes: 100_000)
        let client = try await fixture.client()
        await client.send("GET /notifications HTTP/1.1\r\nHost: h\r\n\r\n")
        let stream = await streams.first(1)[0]
        #expect(await client.text(through: ":ok\n\n") != nil)
        await client.pauseReading()
        // The kernel's buffers take some megabytes; then the socket's queue, then the stream's stays full.
        let event = [UInt8](repeating: 0x61, count: 10_000)
        var sent = 0
        var refusals = 0
        while refusals < 50, sent < 100_000 {
            if stream.send(event) {
                sent += 1
                refusals = 0
            } else {
                refusals += 1
            }
            // A turn of the server's loop, in which it takes what it will.
            _ = await fixture.server.statistics
        }
        #expect(refusals == 50)
        #expect(stream.queuedBytes <= 100_000)
        await client.abort()
        await fixture.server.idle()
        #expect(stream.isCancelled)
        await fixture.stop()
    }

    @Test func stoppingTheServerEndsStreamsInGoodOrder() async throws {
        let streams = Recorder<HTTPBodyStream>()
        let fixture = try await fixture(streams)
        let client = try await fixture.client()
        await client.send("GET /notifications HTTP/1.1\r\nHost: h\r\n\r\n")
        let stream = await streams.first(1)[0]
        #expect(await client.text(through: ":ok\n\n\r\n") != nil)
        stream.send(Array("retry: 2500\n\n".utf8))
        async let stopped: Void = fixture.server.stop(graceMilliseconds: 60_000)
        #expect(await client.everything().hasSuffix("retry: 2500\n\n\r\n0\r\n\r\n"))
        await client.abort()
        await stopped
        await fixture.stop()
    }

    @Test func manySubscribersAllGetTheSameEvent() async throws {
        let streams = Recorder<HTTPBodyStream>()
        let fixture = try await fixture(streams)
        var clients: [RawClient] = []
        for _ in 0..<50 {
            let client = try await fixture.client()
            await client.send("GET /notifications HTTP/1.1\r\nHost: h\r\n\r\n")
            clients.append(client)
        }
        let event = ServerSentEvent(event: "room", data: "{}").encoded
        for stream in await streams.first(50) { #expect(stream.send(event)) }
        for client in clients {
            #expect(await client.text(through: "event: room\ndata: {}\n\n") != nil)
            await client.abort()
        }
        await fixture.server.idle()
        await fixture.stop()
    }
}
