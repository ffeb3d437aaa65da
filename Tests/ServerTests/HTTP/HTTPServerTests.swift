import HTTP
import Loop
import Server
import Synchronization
import Testing
import Wire

/// A server on a loopback port, and the loop its clients use.
final class HTTPServerFixture: Sendable {
    let server: HTTPServer
    let address: SocketAddress
    let serverLoop: EventLoop
    let clientLoop: EventLoop

    init(_ router: Router = HTTPServerFixture.echo(), settings: HTTPServerSettings = HTTPServerSettings()) async throws
    {
        serverLoop = try EventLoop(name: "http")
        clientLoop = try EventLoop(name: "client")
        try serverLoop.start()
        try clientLoop.start()
        server = HTTPServer(on: serverLoop, router: router, settings: settings)
        address = try await server.listen(on: SocketAddress(ipv4: 0x7F00_0001, port: 0))
    }

    func client() async throws -> RawClient { try await RawClient.connected(to: address, on: clientLoop) }

    func stop() async {
        await server.stop(graceMilliseconds: 0)
        serverLoop.stop()
        clientLoop.stop()
    }

    static func echo() -> Router {
        var router = Router()
        router.add(.post, "/{room...}/whip", bodyLimit: 1_000) { request in
            .text("\(request.parameters["room"] ?? "") \(request.body.count)", status: 201)
        }
        router.add(.get, "/address") { .text($0.remoteAddress.host) }
        return router
    }
}

/// What a server's hooks saw, waited for without polling.
final class Recorder<Value: Sendable>: Sendable {
    private struct State {
        var values: [Value] = []
        var waiters: [(count: Int, continuation: CheckedContinuation<[Value], Never>)] = []
    }
    private let state = Mutex(State())

    func add(_ value: Value) {
        let due = state.withLock { state in
            state.values.append(value)
            let due = state.waiters.filter { $0.count <= state.values.count }
            state.waiters.removeAll { $0.count <= state.values.count }
            return due.map { ($0.continuation, state.values) }
        }
        for (continuation, values) in due { continuation.resume(returning: values) }
    }

    /// Waits for the first `count` values.
    func first(_ count: Int) async -> [Value] {
        await withCheckedContinuation { continuation in
            let values = state.withLock { state -> [Value]? in
                if state.values.count >= count { return state.values }
                state.waiters.append((count, continuation))
                return nil
            }
            if let values { continuation.resume(returning: values) }
        }
    }
}

@Suite(.timeLimit(.minutes(5))) struct HTTPServerTests {
    private let get = "GET /address HTTP/1.1\r\nHost: h\r\n\r\n"

    @Test func aConnectionIsUsedAgain() async throws {
        let fixture = try await HTTPServerFixture()
        let client = try await fixture.client()
        for count in 1...3 {
            await client.send(
                "POST /live/main/whip HTTP/1.1\r\nHost: h\r\nContent-Length: \(count)\r\n\r\n"
                    + String(repeating: "x", count: count))
            let response = await client.response()
            #expect(response.hasPrefix("HTTP/1.1 201 Created\r\n"))
            #expect(response.hasSuffix("\r\n\r\nlive/main \(count)"))
            #expect(response.contains("Cache-Control: no-store\r\n"))
            #expect(response.contains("Access-Control-Allow-Origin: *\r\n"))
            #expect(!response.contains("Server:"))
        }
        #expect(await fixture.server.statistics.accepted == 1)
        #expect(await fixture.server.statistics.requests == 3)
        await fixture.stop()
    }

    @Test func aPreflightAndAPostInOnePacketAreBothAnswered() async throws {
        let fixture = try await HTTPServerFixture()
        let client = try await fixture.client()
        await client.send(
            "OPTIONS /a/whip HTTP/1.1\r\nHost: h\r\nOrigin: http://o\r\n\r\n"
                + "POST /a/whip HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        let preflight = await client.response()
        #expect(preflight.contains("Access-Control-Allow-Methods: OPTIONS, GET, HEAD, POST, PATCH, DELETE\r\n"))
        #expect(await client.response().hasSuffix("a 3"))
        await fixture.stop()
    }

    @Test func continuesAndRefusesEarly() async throws {
        let fixture = try await HTTPServerFixture()
        let client = try await fixture.client()
        await client.send("POST /a/whip HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        #expect(await client.response() == "HTTP/1.1 100 Continue\r\n\r\n")
        await client.send("hi")
        #expect(await client.status() == 201)
        await client.send("POST /a/whip HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
        let refusal = await client.everything()
        #expect(refusal.hasPrefix("HTTP/1.1 413 "))
        #expect(refusal.contains("Access-Control-Expose-Headers: Location"))
        await fixture.stop()
    }

    @Test func aClientThatSendsAndShutsItsHalfIsAnswered() async throws {
        let fixture = try await HTTPServerFixture()
        let client = try await fixture.client()
        await client.send(get + get)
        await client.finishSending()
        let text = await client.everything()
        #expect(text.components(of: "HTTP/1.1 200 OK") == 2)
        await fixture.server.idle()
        await fixture.stop()
    }

    @Test func aThousandBadRequestsLeaveNothingBehind() async throws {
        let fixture = try await HTTPServerFixture()
        let bad = [
            "GET / HTTP/1.1\nHost: h\n\n", "\u{16}\u{3}\u{1}\u{2}", "GET /../x HTTP/1.1\r\nHost: h\r\n\r\n",
            "POST /a/whip HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\nxx",
            "POST /a/whip HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "GET /a",
        ]
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<10 {
                group.addTask {
                    for round in 0..<100 {
                        guard let client = try? await fixture.client() else { continue }
                        await client.send(bad[(worker + round) % bad.count])
                        if round % 3 == 0 { await client.abort() } else { await client.finishSending() }
                        _ = await client.everything()
                        await client.abort()
                    }
                }
            }
        }
        await fixture.server.idle()
        #expect(await fixture.server.statistics.connections == 0)
        let client = try await fixture.client()
        await client.send(get)
        #expect(await client.status() == 200)
        await fixture.stop()
    }

    @Test func connectionsOverTheBoundAreToldToComeLater() async throws {
        var settings = HTTPServerSettings()
        settings.maximumConnections = 2
        let fixture = try await HTTPServerFixture(settings: settings)
        var clients: [RawClient] = []
        for _ in 0..<2 {
            let client = try await fixture.client()
            await client.send(get)
            #expect(await client.status() == 200)
            clients.append(client)
        }
        let refusal = await (try fixture.client()).everything()
        #expect(refusal.hasPrefix("HTTP/1.1 503 "))
        #expect(refusal.contains("Retry-After: 5\r\n"))
        for client in clients { await client.abort() }
        await fixture.server.idle()
        let client = try await fixture.client()
        await client.send(get)
        #expect(await client.status() == 200)
        #expect(await fixture.server.statistics.refused == 1)
        await fixture.stop()
    }

    @Test func oneAddressCannotTakeAllConnections() async throws {
        var settings = HTTPServerSettings()
        settings.maximumConnectionsPerAddress = 1
        let fixture = try await HTTPServerFixture(settings: settings)
        let first = try await fixture.client()
        await first.send(get)
        #expect(await first.status() == 200)
        #expect(await (try fixture.client()).everything().hasPrefix("HTTP/1.1 503 "))
        await fixture.stop()
    }

    @Test func aTrustedProxySpeaksForItsClient() async throws {
        var settings = HTTPServerSettings()
        settings.isTrustedProxy = { $0.isLoopback }
        settings.maximumConnectionsPerAddress = 0
        let fixture = try await HTTPServerFixture(settings: settings)
        let client = try await fixture.client()
        await client.send("GET /address HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1, 198.51.100.7\r\n\r\n")
        #expect(await client.response().hasSuffix("198.51.100.7"))
        await fixture.stop()
    }

    @Test func aSilentClientIsClosedByItsDeadline() async throws {
        var settings = HTTPServerSettings()
        settings.limits.headMilliseconds = 1
        let fixture = try await HTTPServerFixture(settings: settings)
        let client = try await fixture.client()
        #expect(await client.everything() == "")
        await fixture.stop()
    }

    @Test func accessesAreToldWithoutTheQuery() async throws {
        let recorder = Recorder<HTTPAccess>()
        var settings = HTTPServerSettings()
        settings.onAccess = { recorder.add($0) }
        let fixture = try await HTTPServerFixture(settings: settings)
        let client = try await fixture.client()
        await client.send("GET /addr%0aess?token=secret HTTP/1.1\r\nHost: h\r\n\r\n")
        _ = await client.everything()
        let second = try await fixture.client()
        await second.send("GET /a%20b?token=secret HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(await second.status() == 404)
        let accesses = await recorder.first(2)
        #expect(accesses.map(\.status) == [400, 404])
        #expect(accesses.map(\.path) == [nil, "/a%20b"])
        #expect(accesses[1].method == .get)
        #expect(accesses[1].remote.isLoopback)
        await fixture.stop()
    }

    @Test func theHandlersTaskIsCancelledWhenTheClientGoes() async throws {
        let recorder = Recorder<Bool>()
        var router = Router()
        router.add(.get, "/wait") { _ in
            let (stream, continuation) = AsyncStream<Void>.makeStream()
            recorder.add(false)
            for await _ in stream {}
            withExtendedLifetime(continuation) {}
            recorder.add(Task.isCancelled)
            return .text("late")
        }
        let fixture = try await HTTPServerFixture(router)
        let client = try await fixture.client()
        await client.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
        _ = await recorder.first(1)
        await client.abort()
        #expect(await recorder.first(2) == [false, true])
        await fixture.server.idle()
        await fixture.stop()
    }

    @Test func stoppingAnswersWhatIsInWorkAndClosesTheRest() async throws {
        let recorder = Recorder<CheckedContinuation<Void, Never>>()
        var router = Router()
        router.add(.get, "/slow") { _ in
            await withCheckedContinuation { recorder.add($0) }
            return .text("done")
        }
        let fixture = try await HTTPServerFixture(router)
        let idle = try await fixture.client()
        await idle.send("GET /none HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(await idle.status() == 404)
        let busy = try await fixture.client()
        await busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        let continuation = await recorder.first(1)[0]
        async let stopped: Void = fixture.server.stop(graceMilliseconds: 60_000)
        #expect(await idle.everything() == "")
        continuation.resume()
        let response = await busy.everything()
        #expect(response.contains("Connection: close\r\n"))
        #expect(response.hasSuffix("done"))
        await idle.abort()
        await busy.abort()
        await stopped
        await fixture.stop()
    }
}

extension String {
    fileprivate func components(of pattern: String) -> Int {
        let bytes = Array(utf8)
        let needle = Array(pattern.utf8)
        return bytes.indices.count { bytes[$0...].starts(with: needle) }
    }
}
