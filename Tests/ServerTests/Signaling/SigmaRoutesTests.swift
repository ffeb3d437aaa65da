import HTTP
import Streams
import Testing
import Wire

@testable import Server

@Suite struct SigmaRoutesTests {
    @Test func aRoomWithANumberForAName() async throws {
        try await ServerHarness.with { server in
            let created = try await server.post("/whip", try Offers.publisher())
            #expect(created.status == 201)
            let rooms = try await server.respond(.get, "/rooms")
            let text = bodyText(rooms)
            let entry = try #require(await server.directory.all.first)
            #expect(entry.room.name == String(entry.numericID))
            #expect(
                text == "{\"rooms\":[{\"viewer_count\":0,\"id\":\(entry.numericID),\"name\":\"\(entry.room.name)\","
                    + "\"tracks\":[\"VP8\",\"opus\"],\"publisher\":\"whip\",\"connected\":false}]}")
            #expect(rooms.headers["Cache-Control"] == "no-store")
            let watched = try await server.post("/whep?target_id=\(entry.numericID)", try Offers.viewer())
            #expect(watched.status == 200)
            #expect(bodyText(watched).contains("a=sendonly"))
            #expect(bodyText(try await server.respond(.get, "/rooms")).contains("\"viewer_count\":1"))
        }
    }

    @Test func theListSaysWhetherAPublisherIsConnected() async throws {
        try await ServerHarness.with { server in
            let (publisher, _) = try await LivePeersTests.client(server, "/a/whip", try Offers.publisher())
            #expect(bodyText(try await server.respond(.get, "/rooms")).contains("\"connected\":false"))
            try await publisher.connect()
            #expect(
                await eventually {
                    (try? bodyText(await server.respond(.get, "/rooms")).contains("\"connected\":true")) ?? false
                })
            // Who takes the room over begins anew.
            _ = try await server.session("/a/whip", try Offers.publisher())
            #expect(bodyText(try await server.respond(.get, "/rooms")).contains("\"connected\":false"))
            await publisher.stop()
        }
    }

    @Test func aNamedRoomIsWatchedByNameOrNumber() async throws {
        try await ServerHarness.with { server in
            _ = try await server.session("/live/main/whip", try Offers.publisher())
            let number = try #require(await server.directory.all.first).numericID
            for target in ["live%2Fmain", "\(number)"] {
                #expect(try await server.post("/whep?target_id=\(target)", try Offers.viewer()).status == 200)
            }
        }
    }

    @Test func badTargetsAreToldSo() async throws {
        try await ServerHarness.with { server in
            let offer = try Offers.viewer()
            #expect(try await server.post("/whep", offer).status == 400)
            #expect(try await server.post("/whep?target_id=", offer).status == 400)
            #expect(try await server.post("/whep?target_id=12345", offer).status == 404)
            #expect(try await server.post("/whep?target_id=%3Cimg%3E", offer).status == 404)
            #expect(bodyText(try await server.respond(.get, "/rooms")) == "{\"rooms\":[]}")
        }
    }

    @Test func theFeedBeginsWithTheWholeList() async throws {
        try await ServerHarness.with { server in
            _ = try await server.session("/cam1/whip", try Offers.publisher())
            let response = try await server.respond(.get, "/notifications")
            #expect(response.headers["Content-Type"]?.hasPrefix("text/event-stream") == true)
            guard case .stream(let stream) = response.body else {
                Issue.record("no stream")
                return
            }
            #expect(await server.feed.subscriberCount == 1)
            stream.cancel()
            #expect(await eventually { await server.feed.subscriberCount == 0 })
        }
    }

    private static func text(_ stream: HTTPBodyStream) -> (text: String, isOver: Bool) {
        var text = ""
        while true {
            switch stream.next(maximumBytes: 65_536) {
            case .bytes(let bytes): text += String(decoding: bytes, as: UTF8.self)
            case .finished: return (text, true)
            case .pending: return (text, false)
            }
        }
    }

    private static func retry(_ text: String) -> Int? {
        text.matches(of: /retry: ([0-9]+)\n/).last.flatMap { Int($0.output.1) }
    }

    private static func feed(
        _ server: ServerHarness, _ change: (inout ListenerPlaces.Limits) -> Void
    ) -> RoomsFeed {
        var limits = ListenerPlaces.Limits()
        change(&limits)
        let list = RoomList(
            directory: server.directory, peers: server.service.peers, settings: { ServerSettings() })
        return RoomsFeed(on: server.control, list: list, limits: limits)
    }

    /// SSE-8, SSE-13: EventSource never comes back after an error.
    @Test func whoeverIsOneTooManyForTheListIsToldToComeBack() async throws {
        try await ServerHarness.with { server in
            let feed = Self.feed(server) { $0.subscribersPerAddress = 2 }
            let address = SocketAddress(ipv4: 0xC633_6407, port: 1)
            let first = await feed.subscribe(from: address)
            let second = await feed.subscribe(from: address.withPort(2))
            for stream in [first, second] {
                let (text, isOver) = Self.text(stream)
                #expect(!isOver && text.contains("data: {\"rooms\":[]}"))
                #expect(Self.retry(text).map { (2_000...5_000).contains($0) } == true)
            }
            let (text, isOver) = Self.text(await feed.subscribe(from: address))
            #expect(isOver && !text.contains("data:"))
            #expect(Self.retry(text).map { (10_000...20_000).contains($0) } == true)
            let other = await feed.subscribe(from: SocketAddress(ipv4: 1, port: 1))
            #expect(Self.text(other).text.contains("data:"))
            first.cancel()
            #expect(await eventually { await feed.subscriberCount == 2 })
            #expect(Self.text(await feed.subscribe(from: address)).text.contains("data:"))
            await feed.stop()
            let (last, isEnded) = Self.text(second)
            #expect(isEnded && Self.retry(last).map { (2_000...7_000).contains($0) } == true)
            #expect(Self.text(await feed.subscribe(from: address)).isOver)
        }
    }

    @Test func manyAtOnceDoNotPassTheLimit() async throws {
        try await ServerHarness.with { server in
            let feed = Self.feed(server) { $0.subscribers = 3 }
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<50 as Range<UInt32> {
                    group.addTask { _ = await feed.subscribe(from: SocketAddress(ipv4: number, port: 1)) }
                }
            }
            #expect(await feed.subscriberCount == 3)
            await feed.stop()
        }
    }

    @Test func theListIsLimitedAsOtherRequestsAre() async throws {
        let settings = try SignalingFixture.settings("httpRequestsPerSecond: 1\nhttpRequestBurst: 1\n")
        try await ServerHarness.with(settings) { server in
            var statuses: Set<Int> = []
            for _ in 0..<100 where !statuses.contains(429) {
                statuses.insert(try await server.respond(.get, "/notifications").status)
            }
            #expect(statuses == [200, 429])
        }
    }
}
