import HTTP
import Loop
import Synchronization
import Testing
import WebRTC
import Wire

@testable import Server

/// Allows by the first letter of the room: `p…` is private and takes the token `key`. Operators have the token `all`.
private struct LetterAuthorizer: Authorizing {
    func authorize(
        action: AuthorizationAction, path: String, protocol: PeerProtocol, credentials: Credentials
    ) async -> AuthorizationOutcome {
        guard action != .metrics else { return credentials.bearerToken?.revealed == "all" ? .allowed : .forbidden }
        guard path.hasPrefix("p") else { return .allowed }
        return switch (credentials.bearerToken ?? credentials.queryToken)?.revealed {
        case "key": .allowed
        case nil: .unauthenticated
        default: .forbidden
        }
    }
}

/// The rooms of a server that exists in the test alone.
private final class Rooms: Sendable {
    private let rooms = Mutex<[String: FeedRoom]>([:])
    subscript(name: String) -> FeedRoom? {
        get { rooms.withLock { $0[name] } }
        set { rooms.withLock { $0[name] = newValue } }
    }
    var all: [FeedRoom] { rooms.withLock { Array($0.values) } }
}

/// A feed behind an HTTP server on a loopback port.
private struct Fixture {
    let rooms = Rooms()
    let feed: EventFeed
    let feedLoop: EventLoop
    let http: HTTPServerFixture

    /// - Parameter settings: whose tokens count; without them those of `LetterAuthorizer` do. Their limits refill
    ///   nothing, as no time passes for them.
    init(
        limits: EventFeed.Limits = EventFeed.Limits(), settings: ServerSettings? = nil, allowsTokenInQuery: Bool = true,
        tokens: FeedTokens = FeedTokens()
    ) async throws {
        feedLoop = try EventLoop(name: "feed")
        try feedLoop.start()
        let rooms = rooms
        let source = FeedSource(
            room: { rooms[$0] },
            quality: {
                rooms.all.map { RoomQuality(room: $0.name, bitrateIn: 1_000, bitrateOut: 2_000, packetsLost: 3) }
            })
        var authorizer: any Authorizing = LetterAuthorizer()
        var requests = RequestLimits(ServerSettings())
        if let settings {
            authorizer = TokenAuthorizer(settings: settings)
            requests = RequestLimits(settings, now: { .seconds(10) })
        }
        feed = EventFeed(on: feedLoop, source: source, authorizer: authorizer, limits: limits, epoch: "e")
        var router = Router()
        FeedRoutes(
            feed: feed, authorizer: authorizer, allowsTokenInQuery: { allowsTokenInQuery }, limits: requests,
            tokens: tokens
        ).add(to: &router)
        http = try await HTTPServerFixture(router)
    }

    func set(_ name: String, viewers: Int?) {
        rooms[name] = viewers.map { FeedRoom(name, viewers: $0) }
        feed.changed(name)
    }

    /// A client that has sent its request.
    func listener(_ query: String = "", _ fields: String = "") async throws -> RawClient {
        let client = try await http.client()
        await client.send("GET /v1/events\(query) HTTP/1.1\r\nHost: h\r\n\(fields)\r\n")
        return client
    }

    func stop() async {
        await feed.stop()
        await http.stop()
        feedLoop.stop()
    }
}

@Suite(.timeLimit(.minutes(5))) struct EventFeedTests {
    @Test func theFirstBytesAreRetryAndSnapshot() async throws {
        let fixture = try await Fixture()
        let client = try await fixture.listener("", "Accept-Encoding: gzip\r\n")
        let text = try #require(await client.text(through: "{\"rooms\":[]}\n\n"))
        #expect(text.hasPrefix("HTTP/1.1 200 "))
        #expect(text.contains("Content-Type: text/event-stream; charset=utf-8\r\n"))
        #expect(text.contains("Cache-Control: no-store, no-transform\r\n"))
        #expect(text.contains("X-Accel-Buffering: no\r\n"))
        #expect(!text.contains("Content-Encoding"))
        #expect(text.contains("event: snapshot\nid: e-0\n"))
        let retry = try #require(text.firstMatch(of: /retry: ([0-9]+)\n/)?.output.1)
        #expect(Int(retry).map { (2_000...5_000).contains($0) } == true)
        await fixture.stop()
    }

    @Test func changesArriveAsTheyHappen() async throws {
        let fixture = try await Fixture()
        let client = try await fixture.listener()
        #expect(await client.text(through: "\"rooms\":[]}\n\n") != nil)
        fixture.set("cam1", viewers: 0)
        #expect(await client.text(through: "event: room.created\nid: e-1\ndata: {\"name\":\"cam1\"") != nil)
        fixture.set("cam1", viewers: 1)
        #expect(await client.text(through: "event: room.updated\nid: e-2\n") != nil)
        #expect(await client.text(through: "\"viewers\":1}\n\n") != nil)
        fixture.set("cam1", viewers: nil)
        #expect(await client.text(through: "event: room.closed\nid: e-3\ndata: {\"name\":\"cam1\"}\n\n") != nil)
        await fixture.stop()
    }

    @Test(arguments: [
        ("", "Last-Event-ID: e-1\r\n"), ("?lastEventId=e-1", ""), ("?lastEventId=x-9", "Last-Event-ID: e-1\r\n"),
    ])
    func aClientGoesOnWhereItWasCutOff(query: String, fields: String) async throws {
        let fixture = try await Fixture()
        let first = try await fixture.listener()
        for viewers in 0..<3 {
            fixture.set("a", viewers: viewers)
            #expect(await first.text(through: "id: e-\(viewers + 1)\n") != nil)
        }
        let second = try await fixture.listener(query, fields)
        let text = try #require(await second.text(through: "id: e-3\n"))
        #expect(text.contains("event: room.updated\nid: e-2\n"))
        #expect(!text.contains("snapshot") && !text.contains("reset") && !text.contains("id: e-1\n"))
        await fixture.stop()
    }

    @Test func anIdOfAnotherRunOfTheServerMeansReset() async throws {
        let fixture = try await Fixture()
        let client = try await fixture.listener("", "Last-Event-ID: earlier-5\r\n")
        let text = try #require(await client.text(through: "{\"rooms\":[]}\n\n"))
        #expect(text.contains("event: reset\ndata: {}\n\nevent: snapshot\n"))
        await fixture.stop()
    }

    @Test func privateRoomsReachOnlyThoseWhoMayRead() async throws {
        let fixture = try await Fixture()
        let stranger = try await fixture.listener()
        let friend = try await fixture.listener("", "Authorization: Bearer key\r\n")
        let byQuery = try await fixture.listener("?token=key")
        let liar = try await fixture.listener("", "Authorization: Bearer wrong\r\n")
        for client in [stranger, friend, byQuery, liar] { #expect(await client.text(through: "]}\n\n") != nil) }
        fixture.set("private", viewers: 0)
        for client in [friend, byQuery] { #expect(await client.text(through: "id: e-1\n") != nil) }
        fixture.feed.received(
            EventRecord(
                id: 1, milliseconds: 0,
                event: .sessionFailed(
                    room: "private",
                    SessionFailure(
                        role: .viewer, protocol: .whep, peer: PeerID(4), reason: .dtlsTimeout,
                        candidates: ["secret address"], progress: .reached(.handshaking), detail: "secret"))))
        for client in [friend, byQuery] {
            let text = try #require(await client.text(through: "event: session.failed\nid: e-2\n"))
            #expect(!text.contains("secret"))
        }
        fixture.set("open", viewers: 0)
        for client in [stranger, liar] {
            let text = try #require(await client.text(through: "id: e-3\n"))
            #expect(!text.contains("private"))
        }
        let returning = try await fixture.listener("", "Last-Event-ID: e-0\r\n")
        let text = try #require(await returning.text(through: "id: e-3\n"))
        #expect(!text.contains("private") && !text.contains("dtls"))
        await fixture.stop()
    }

    @Test func viewersThatTheServerEndsTogetherAreToldOfTogether() async throws {
        let fixture = try await Fixture()
        let client = try await fixture.listener()
        #expect(await client.text(through: "]}\n\n") != nil)
        let viewer = PeerDescription(id: PeerID(4), protocol: .whep)
        let feed = fixture.feed
        // In one turn of the feed's loop.
        fixture.feedLoop.execute {
            for reason in [EndReason.codecChanged, .left, .codecChanged, .codecChanged] {
                feed.received(EventRecord(id: 1, milliseconds: 0, event: .viewerLeft(room: "open", viewer, reason)))
            }
        }
        let text = try #require(await client.text(through: "\"viewers\":3}\n\n"))
        #expect(text.contains("event: viewers.ended\nid: e-1\ndata: {\"room\":\"open\",\"reason\":\"codecChanged\","))
        await fixture.stop()
    }

    @Test func operatorsAreToldWhatWasTriedAndFromWhereInEveryRoomTheyAskFor() async throws {
        let fixture = try await Fixture()
        let token = "Authorization: Bearer all\r\n"
        let operators = [
            try await fixture.listener("", token), try await fixture.listener("?room=p*", token),
        ]
        let stranger = try await fixture.listener()
        for client in operators + [stranger] { #expect(await client.text(through: "]}\n\n") != nil) }
        for room in ["private", "open"] {
            fixture.feed.received(
                EventRecord(
                    id: 1, milliseconds: 0,
                    event: .sessionFailed(
                        room: room,
                        SessionFailure(
                            role: .viewer, protocol: .whep, remote: SocketAddress(ipv4: 0xC633_6407, port: 9),
                            reason: .negotiationFailed, candidates: ["udp 192.0.2.5:8189"], progress: .refused,
                            detail: "no codec"))))
        }
        let returning = try await fixture.listener("?lastEventId=e-0", token)
        for client in operators + [returning] {
            let text = try #require(await client.text(through: "\"detail\":\"no codec\"}\n\n"))
            #expect(text.contains("id: e-1\n") && text.contains("\"room\":\"private\""))
            #expect(text.contains("\"session\":null") && text.contains("\"progress\":\"refused\""))
            #expect(text.contains("\"from\":\"198.51.100.7\",\"tried\":[\"udp 192.0.2.5:8189\"]"))
        }
        let text = try #require(await stranger.text(through: "id: e-2\n"))
        #expect(!text.contains("private") && !text.contains("198.51.100.7"))
        fixture.set("private", viewers: 0)
        fixture.set("pq", viewers: nil)
        fixture.set("open", viewers: 0)
        let later = try #require(await operators[0].text(through: "\"name\":\"open\""))
        #expect(later.contains("id: e-2\n") && !later.contains("\"name\":\"private\""))
        await fixture.stop()
    }

    @Test func roomsAskedForByNameAreAnsweredFor() async throws {
        let fixture = try await Fixture()
        let strange = try await fixture.listener("?room=private")
        #expect(await strange.status() == 401)
        let wrong = try await fixture.listener("?room=open&room=private&token=wrong")
        #expect(await wrong.status() == 403)
        let nonsense = try await fixture.listener("?room=a%0ab")
        #expect(await nonsense.status() == 400)
        await fixture.stop()
    }

    @Test func operatorsMayAskForAnyRoomByName() async throws {
        let fixture = try await Fixture()
        let client = try await fixture.listener("?room=private", "Authorization: Bearer all\r\n")
        #expect(await client.text(through: "\"rooms\":[]}\n\n")?.hasPrefix("HTTP/1.1 200 ") == true)
        fixture.set("private", viewers: 0)
        fixture.feed.received(
            EventRecord(
                id: 1, milliseconds: 0,
                event: .sessionFailed(
                    room: "private",
                    SessionFailure(role: .viewer, protocol: .whep, reason: .dtlsTimeout, detail: "told"))))
        let text = try #require(await client.text(through: "\"detail\":\"told\"}\n\n"))
        // Who watches it they are not told without its token.
        #expect(text.contains("\"room\":\"private\"") && !text.contains("\"name\":\"private\""))
        await fixture.stop()
    }

    @Test func guessesAtTheOperatorsTokenAreCountedWhereReadingTakesNone() async throws {
        let settings = try SignalingFixture.settings(
            """
            metricsToken: secret
            httpFailedAuthorizationBurst: 3
            paths:
              a: {publishToken: known}
              all_others:
            """)
        let fixture = try await Fixture(settings: settings)
        func status(_ token: String) async throws -> Int? {
            let client = try await fixture.listener("", "Authorization: Bearer \(token)\r\n")
            let head = await client.text(through: "\r\n\r\n")
            await client.abort()
            return head?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        }
        // A room's token is no guess, and neither is none.
        for _ in 0..<5 { #expect(try await status("known") == 200) }
        for guess in 0..<3 { #expect(try await status("guess\(guess)") == 200) }
        for token in ["guess3", "secret"] { #expect(try await status(token) == 429) }
        let anonymous = try await fixture.listener()
        #expect(await anonymous.text(through: "]}\n\n") != nil)
        await fixture.stop()
    }

    /// SSE-9: EventSource cannot send the token, and the token itself is not to stand in a URL.
    @Test func aShortLivedTokenOpensWhatTheTokenOpensThatItWasGivenFor() async throws {
        let tokens = FeedTokens()
        let fixture = try await Fixture(allowsTokenInQuery: false, tokens: tokens)
        func ask(_ fields: String) async throws -> String {
            let client = try await fixture.http.client()
            await client.send("POST /v1/events/token HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\(fields)\r\n")
            return await client.response()
        }
        #expect(try await ask("").hasPrefix("HTTP/1.1 401 "))
        #expect(try await ask("Authorization: Basic a2V5OmtleQ==\r\n").hasPrefix("HTTP/1.1 401 "))
        let answer = try await ask("Authorization: Bearer key\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 201 ") && answer.contains("Cache-Control: no-store"))
        #expect(answer.contains("\"expiresIn\":60"))
        let token = try #require(answer.firstMatch(of: /"token":"([^"]+)"/)?.output.1)
        #expect(!answer.contains("\"key\""))

        fixture.set("private", viewers: 0)
        let page = try await fixture.listener("?room=private&token=\(token)")
        #expect(await page.text(through: "\"name\":\"private\"") != nil)
        let second = try await fixture.listener("?token=\(token)")
        #expect(await second.text(through: "\"name\":\"private\"") != nil)
        // What was never given out opens nothing.
        let made = try await fixture.listener("?token=feed-AAAAAAAAAAAAAAAAAAAAAA")
        #expect(await made.status() == 401)
        // What it may not open it does not open, and the refusal is no use of it.
        let weak = try #require(
            try await ask("Authorization: Bearer other\r\n").firstMatch(of: /"token":"([^"]+)"/)?.output.1)
        let refused = try await fixture.listener("?room=private&token=\(weak)")
        #expect(await refused.status() == 403)
        #expect(tokens.usesNow == 2)
        await page.abort()
        await second.abort()
        #expect(await eventually { tokens.usesNow == 0 })
        await fixture.stop()
    }

    @Test func filtersChooseRooms() async throws {
        let fixture = try await Fixture()
        fixture.set("cam1", viewers: 0)
        let client = try await fixture.listener("?room=cam2&room=live/*")
        #expect(await client.text(through: "{\"rooms\":[]}\n\n") != nil)
        for name in ["cam3", "live/a", "cam2"] { fixture.set(name, viewers: 0) }
        let text = try #require(await client.text(through: "\"name\":\"live/a\""))
        #expect(text.contains("\"name\":\"cam2\"") && !text.contains("cam3") && !text.contains("cam1"))
        await fixture.stop()
    }

    @Test func whoeverIsOneTooManyIsToldToComeBackAndNotRefused() async throws {
        var limits = EventFeed.Limits()
        limits.subscribersPerAddress = 2
        let fixture = try await Fixture(limits: limits)
        let first = try await fixture.listener()
        let second = try await fixture.listener()
        for client in [first, second] { #expect(await client.text(through: "]}\n\n") != nil) }
        let third = try await fixture.listener()
        let text = try #require(await third.text(through: "0\r\n\r\n"))
        #expect(text.hasPrefix("HTTP/1.1 200 ") && text.contains("text/event-stream") && !text.contains("snapshot"))
        let retry = try #require(text.firstMatch(of: /retry: ([0-9]+)\n/)?.output.1)
        #expect(Int(retry).map { (10_000...20_000).contains($0) } == true)
        await first.abort()
        #expect(await eventually { await fixture.feed.subscriberCount == 1 })
        let fourth = try await fixture.listener()
        #expect(await fourth.text(through: "]}\n\n") != nil)
        await fixture.stop()
    }

    @Test func manyAtOnceDoNotPassTheLimit() async throws {
        var limits = EventFeed.Limits()
        limits.subscribers = 3
        let fixture = try await Fixture(limits: limits)
        // Rooms to ask about, so that each has to wait before it is counted among the subscribers.
        for number in 0..<20 { fixture.set("room\(number)", viewers: 0) }
        #expect(await eventually { await fixture.feed.lastEventID == "e-20" })
        let feed = fixture.feed
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<50 as Range<UInt32> {
                group.addTask {
                    let token = "token \(number)"
                    _ = await feed.subscribe(
                        after: nil, filter: RoomFilter(),
                        credentials: Credentials(bearerToken: token, address: SocketAddress(ipv4: number, port: 1)),
                        identity: FeedIdentity(token))
                }
            }
        }
        #expect(await feed.subscriberCount == 3)
        await fixture.stop()
    }

    @Test func silenceIsBrokenByACommentThatKeepsTheClientResumable() async throws {
        let fixture = try await Fixture()
        let client = try await fixture.listener()
        #expect(await client.text(through: "]}\n\n") != nil)
        await fixture.feed.tick(at: MonotonicClock.now.advanced(bySeconds: 16))
        #expect(await client.text(through: ":\nid: e-0\n\n") != nil)
        await fixture.stop()
    }

    @Test func qualityComesWithoutAnId() async throws {
        let fixture = try await Fixture()
        fixture.set("a", viewers: 1)
        let client = try await fixture.listener()
        #expect(await client.text(through: "]}\n\n") != nil)
        for _ in 0..<EventFeed.ticksPerQuality { await fixture.feed.tick(at: MonotonicClock.now) }
        #expect(
            await client.text(
                through: "event: room.quality\ndata: {\"room\":\"a\",\"bitrateIn\":1000,\"bitrateOut\":2000,"
                    + "\"packetsLost\":3,\"roundTripMs\":null,\"worstRoundTripMs\":null,"
                    + "\"slowestLink\":null,\"viewersHeldBack\":0}\n\n") != nil)
        await fixture.stop()
    }

    @Test func stoppingTellsEachClientAnotherTimeToComeBack() async throws {
        let fixture = try await Fixture()
        var clients: [RawClient] = []
        for _ in 0..<30 {
            let client = try await fixture.listener()
            #expect(await client.text(through: "]}\n\n\r\n") != nil)
            clients.append(client)
        }
        await fixture.feed.stop()
        var times: Set<Int> = []
        for client in clients {
            let text = try #require(await client.text(through: "0\r\n\r\n"))
            let retry = try #require(text.firstMatch(of: /retry: ([0-9]+)\n/)?.output.1)
            times.insert(Int(retry) ?? 0)
        }
        #expect((times.max() ?? 0) - (times.min() ?? 0) >= 2_000)
        let late = try await fixture.listener()
        #expect(await late.text(through: "come back later") != nil)
        await fixture.stop()
    }

    @Test func aSubscriberThatComesAmongChangesMissesNoneAndGetsNoneTwice() async throws {
        let fixture = try await Fixture()
        let writer = Task {
            for step in 0..<400 {
                fixture.set("r\(step % 7)", viewers: step % 5 == 4 ? nil : step)
                await Task.yield()
            }
            fixture.set("last", viewers: 1)
        }
        var clients: [RawClient] = []
        for _ in 0..<20 { clients.append(try await fixture.listener()) }
        await writer.value
        let expected = FeedClient.picture(of: fixture.rooms.all)
        fixture.set("zend", viewers: 1)
        for client in clients {
            var reader = FeedClient()
            let text = try #require(await client.text(through: "\"name\":\"zend\"")) + "}\n\n"
            // Chunk sizes stand on lines of their own, which a reader of events ignores.
            reader.read(Array(text.utf8))
            var picture = reader.rooms
            picture["zend"] = nil
            #expect(picture == expected)
            let ids = reader.events.compactMap { $0.id?.dropFirst(2) }.compactMap { UInt64($0) }
            #expect(zip(ids, ids.dropFirst()).allSatisfy { $0 + 1 == $1 })
        }
        await fixture.stop()
    }

    @Test func aChangeOfTheSettingsStartsEverybodyAnew() async throws {
        let fixture = try await Fixture()
        fixture.set("a", viewers: 0)
        let client = try await fixture.listener()
        #expect(await client.text(through: "id: e-1\n") != nil)
        await fixture.feed.authorizationChanged()
        #expect(await client.text(through: "0\r\n\r\n") != nil)
        let again = try await fixture.listener("", "Last-Event-ID: e-1\r\n")
        let text = try #require(await again.text(through: "\"name\":\"a\""))
        #expect(text.contains("event: reset\n"))
        await fixture.stop()
    }
}
