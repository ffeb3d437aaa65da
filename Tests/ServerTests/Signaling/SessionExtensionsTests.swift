import HTTP
import Loop
import Secure
import Synchronization
import TestKit
import Testing
import Wire

@testable import Server
@testable import Streams

/// The extensions of WHEP: events of a session, and choice of the layer (WHEP-6, WHEP-7, SSE-18, RTP-116).
@Suite(.timeLimit(.minutes(2))) struct SessionExtensionsTests {
    /// What came of a stream so far.
    final class Reader {
        let stream: HTTPBodyStream
        var text = ""
        var isOver = false

        init(_ response: HTTPResponse) throws {
            guard case .stream(let stream) = response.body else { throw SettingFault("no stream") }
            self.stream = stream
        }

        func read() {
            while true {
                switch stream.next(maximumBytes: 65_536) {
                case .bytes(let bytes): text += String(decoding: bytes, as: UTF8.self)
                case .finished:
                    isOver = true
                    return
                case .pending: return
                }
            }
        }

        func sees(_ event: String) async -> Bool {
            await eventually {
                read()
                return text.contains(event)
            }
        }
    }

    static func send(
        _ server: ServerHarness, _ target: String, _ body: String = "", method: HTTPMethod = .post,
        type: String = "application/json", token: String? = nil
    ) async throws -> HTTPResponse {
        var headers: HTTPHeaders = ["Content-Type": type]
        if let token { headers["Authorization"] = "Bearer \(token)" }
        return try await server.respond(method, target, headers: headers, body: body)
    }

    /// A room with a publisher, and a viewer's session in it.
    static func viewer(_ server: ServerHarness, token: String? = nil) async throws -> (publisher: String, String) {
        let publisher = try await server.session("/live/a/whip", try Offers.publisher())
        return (publisher, try await server.session("/live/a/whep", try Offers.viewer(), token: token))
    }

    @Test func theAnswerNamesTheExtensions() async throws {
        try await ServerHarness.with { server in
            _ = try await server.session("/a/whip", try Offers.publisher())
            let answer = try await server.post("/a/whep", try Offers.viewer())
            let location = try #require(answer.headers["Location"])
            #expect(
                answer.headers.values("Link") == [
                    "<\(location)/events>; rel=\"urn:ietf:params:whep:ext:core:server-sent-events\"; "
                        + "events=\"active,inactive,layers,viewercount,reconnect,ended\"",
                    "<\(location)/layer>; rel=\"urn:ietf:params:whep:ext:core:layer\"",
                ])
            #expect(try await server.post("/a/whip", try Offers.publisher()).headers.values("Link").isEmpty)
        }
    }

    @Test func aStreamTellsTheStateAndItsChanges() async throws {
        try await ServerHarness.with { server in
            let (publisher, session) = try await Self.viewer(server)
            let made = try await Self.send(server, session + "/events", "[\"viewercount\",\"active\",\"inactive\"]")
            #expect(made.status == 201 && bodyText(made).isEmpty)
            let location = try #require(made.headers["Location"])
            #expect(location.hasPrefix(session + "/events/"))
            let answer = try await server.respond(.get, location)
            #expect(answer.status == 200)
            #expect(answer.headers["Content-Type"]?.hasPrefix("text/event-stream") == true)
            let reader = try Reader(answer)
            #expect(await reader.sees("event: active\ndata: {}\n\n"))
            #expect(await reader.sees("event: viewercount\ndata: {\"viewercount\":1}\n\n"))
            _ = try await server.session("/live/a/whep", try Offers.viewer())
            #expect(await reader.sees("data: {\"viewercount\":2}\n\n"))
            #expect(!reader.text.contains("inactive") && !reader.text.contains("layers"))
            #expect(try await server.respond(.delete, publisher).status == 200)
            #expect(await reader.sees("event: inactive\ndata: {}\n\n"))
            _ = try await server.session("/live/a/whip", try Offers.publisher())
            #expect(await reader.sees("event: inactive\ndata: {}\n\nevent: active\ndata: {}\n\n"))
            // Whoever comes back is told the present state, on the same URL, and the old connection is over.
            let again = try Reader(try await server.respond(.get, location))
            #expect(await again.sees("event: active\ndata: {}\n\n"))
            #expect(await again.sees("{\"viewercount\":2}"))
            #expect(
                await eventually {
                    reader.read()
                    return reader.isOver
                })
        }
    }

    @Test func layersAreToldWithWhatTheViewerGets() async throws {
        try await ServerHarness.with { server in
            let (publisher, _) = try await LivePeersTests.client(server, "/a/whip", try Offers.publisher())
            try await publisher.connect()
            let (viewer, session) = try await LivePeersTests.client(server, "/a/whep", try Offers.viewer())
            try await viewer.connect()
            await publisher.send(rtp: (1...20).map { LivePeersTests.video($0, key: $0 == 1) })
            await viewer.wait { $0.receivedRTP.count >= 20 }
            let made = try await Self.send(server, session + "/events", "[\"layers\"]")
            let reader = try Reader(try await server.respond(.get, try #require(made.headers["Location"])))
            #expect(
                await reader.sees(
                    "event: layers\ndata: {\"0\":[{\"rid\":\"0\",\"spatialLayerId\":0,\"temporalLayerId\":"))
            #expect(await reader.sees("\"width\":64,\"height\":64,\"current\":true,\"target\":true}]}\n\n"))
            #expect(!reader.text.contains("viewercount"))
            for client in [publisher, viewer] { await client.stop() }
        }
    }

    @Test(arguments: [
        ("[\"active\",\"volume\"]", "application/json", 400), ("{\"active\":1}", "application/json", 400),
        ("[1]", "application/json", 400), ("junk", "application/json", 400), ("[\"active\"]", "text/plain", 415),
        ("[\"reconnect\"]", "application/json", 201), ("", "text/plain", 201), ("[]", "application/json", 201),
    ])
    func listsOfEventsAreRead(_ body: String, _ type: String, _ status: Int) async throws {
        try await ServerHarness.with { server in
            let (_, session) = try await Self.viewer(server)
            #expect(try await Self.send(server, session + "/events", body, type: type).status == status)
        }
    }

    @Test func streamsAreBoundedAndEndWithDELETEOrTheirSession() async throws {
        try await ServerHarness.with { server in
            let (_, session) = try await Self.viewer(server)
            var streams: [String] = []
            for _ in 0..<ViewerEvents.streamsPerSession {
                streams.append(try #require(try await Self.send(server, session + "/events").headers["Location"]))
            }
            #expect(try await Self.send(server, session + "/events").status == 409)
            let first = try Reader(try await server.respond(.get, streams[0]))
            let second = try Reader(try await server.respond(.get, streams[1]))
            #expect(try await server.respond(.delete, streams[0]).status == 200)
            #expect(
                await eventually {
                    first.read()
                    return first.isOver
                })
            for method in [HTTPMethod.get, .delete] {
                #expect(try await server.respond(method, streams[0]).status == 404)
            }
            #expect(try await Self.send(server, session + "/events").status == 201)
            #expect(try await server.respond(.delete, session).status == 200)
            #expect(
                await eventually {
                    second.read()
                    return second.isOver
                })
            #expect(await eventually { await server.service.viewerEvents.count == 0 })
            #expect(try await server.respond(.get, streams[1]).status == 404)
            #expect(try await Self.send(server, session + "/events").status == 404)
        }
    }

    /// WHEP-9: a viewer learns why its session ended, the operator reads it, and the feed tells it.
    @Test func aCodecThatChangesEndsTheSessionWithItsReason() async throws {
        try await ServerHarness.with { server in
            let ends = Mutex<[EndReason]>([])
            _ = server.hub.subscribe { record in
                if case .viewerLeft(_, _, let reason) = record.event { ends.withLock { $0.append(reason) } }
            }
            let (publisher, whip) = try await LivePeersTests.client(server, "/a/whip", try Offers.publisher())
            try await publisher.connect()
            let (viewer, session) = try await LivePeersTests.client(server, "/a/whep", try Offers.viewer())
            try await viewer.connect()
            await publisher.send(rtp: (1...5).map { LivePeersTests.video($0, key: $0 == 1) })
            await viewer.wait { $0.receivedRTP.count >= 5 }
            let made = try await Self.send(server, session + "/events", "[\"ended\",\"reconnect\"]")
            let reader = try Reader(try await server.respond(.get, try #require(made.headers["Location"])))
            #expect(try await server.respond(.delete, whip).status == 200)
            _ = try await server.session("/a/whip", try Offers.make(direction: "sendonly", videoCodec: "VP9"))
            #expect(await reader.sees("event: ended\ndata: {\"reason\":\"codecChanged\",\"detail\":\"the publisher"))
            #expect(await reader.sees("event: reconnect\ndata: {\"reason\":\"codecChanged\""))
            #expect(
                await eventually {
                    reader.read()
                    return reader.isOver
                })
            #expect(await eventually { ends.withLock { $0 } == [.codecChanged] })
            // Who asks again gets the new codec.
            let next = try Offers.make(direction: "recvonly", videoCodec: "VP9")
            #expect(try await server.post("/a/whep", next).status == 201)
            for client in [publisher, viewer] { await client.stop() }
        }
    }

    @Test(arguments: [
        (ViewerEnd.codecChanged, EndReason.codecChanged), (.publisherGone, .publisherGone),
        (.closedByServer, .roomClosed),
    ])
    func everyEndOfARoomsMakingKeepsItsReason(_ end: ViewerEnd, _ reason: EndReason) {
        #expect(PeerEnd(end).reason == reason && PeerEnd(end).detail == end.explanation)
        #expect(reason.invitesBack && !reason.isFailure)
    }

    @Test func aStreamOfAServerThatStopsSaysSoAndInvitesNobody() async throws {
        try await ServerHarness.with { server in
            let (_, session) = try await Self.viewer(server)
            let made = try await Self.send(server, session + "/events")
            let reader = try Reader(try await server.respond(.get, try #require(made.headers["Location"])))
            await server.service.viewerEvents.stop()
            #expect(await reader.sees("event: ended\ndata: {\"reason\":\"serverStopping\""))
            #expect(!reader.text.contains("reconnect"))
        }
    }

    /// WHIP-33, WHIP-34: below a session the same holds as for the session.
    @Test func whoMayNotUseTheSessionMayNotUseItsExtensions() async throws {
        try await ServerHarness.with { server in
            let (_, session) = try await Self.viewer(server, token: "mine")
            let made = try await Self.send(server, session + "/events", token: "mine")
            let stream = try #require(made.headers["Location"])
            let missing = try await server.respond(.delete, "/live/a/whep/AAAAAAAAAAAAAAAAAAAAAA")
            for (method, target) in [
                (HTTPMethod.post, session + "/events"), (.post, session + "/layer"), (.get, stream), (.delete, stream),
            ] {
                let other = try await Self.send(server, target, method: method, token: "theirs")
                #expect(other.status == 404 && bodyText(other) == bodyText(missing), "\(method.name) \(target)")
            }
            #expect(try await Self.send(server, stream, method: .get, token: "mine").status == 200)
            // Publishers have none of it.
            let whip = try await server.session("/b/whip", try Offers.publisher())
            #expect(try await Self.send(server, whip + "/events").status == 404)
        }
    }

    @Test func layersAreChosenOverHTTP() async throws {
        try await ServerHarness.with { server in
            let (publisher, _) = try await LivePeersTests.client(server, "/a/whip", try Offers.publisher())
            try await publisher.connect()
            let (viewer, session) = try await LivePeersTests.client(server, "/a/whep", try Offers.viewer())
            // Before it is connected nothing can be chosen.
            #expect(try await Self.send(server, session + "/layer", "{}").status == 409)
            try await viewer.connect()
            await publisher.send(rtp: (1...20).map { LivePeersTests.video($0, key: $0 == 1) })
            await viewer.wait { $0.receivedRTP.count >= 20 }
            for (body, status) in [
                ("", 200), ("{}", 200), ("{\"mediaId\":\"0\"}", 200), ("{\"mediaId\":0,\"maxHeight\":360}", 200),
                ("{\"mediaId\":\"1\"}", 422), ("{\"rid\":\"nothing\"}", 422), ("{\"spatialLayerId\":3}", 422),
                ("{\"maxWidth\":-1}", 422), ("[]", 400), ("junk", 400), ("{\"maxWidth\":\"wide\"}", 400),
            ] {
                let response = try await Self.send(server, session + "/layer", body)
                #expect(response.status == status, "\(body): \(response.status) \(bodyText(response))")
            }
            #expect(try await Self.send(server, session + "/layer", "{}", type: "text/plain").status == 415)
            let chosen = try await Self.send(server, session + "/layer", "{\"rid\":\"0\",\"maxTemporalLayerId\":1}")
            #expect(bodyText(chosen).contains("\"rid\":\"0\",\"maxTemporalLayerId\":1"))
            for client in [publisher, viewer] { await client.stop() }
        }
    }

    @Test func theVideoMayBeNamedByItsMid() async throws {
        try await ServerHarness.with { server in
            let (publisher, _) = try await LivePeersTests.client(server, "/a/whip", try Offers.publisher())
            try await publisher.connect()
            let offer = try Offers.viewer().replacing("a=mid:0", with: "a=mid:picture")
                .replacing("a=group:BUNDLE 0 1", with: "a=group:BUNDLE picture 1")
            let (viewer, session) = try await LivePeersTests.client(server, "/a/whep", offer)
            try await viewer.connect()
            await publisher.send(rtp: (1...20).map { LivePeersTests.video($0, key: $0 == 1) })
            await viewer.wait { $0.receivedRTP.count >= 20 }
            for (name, status) in [("picture", 200), ("0", 200), ("1", 422), ("2", 422)] {
                let response = try await Self.send(server, session + "/layer", "{\"mediaId\":\"\(name)\"}")
                #expect(response.status == status, "\(name): \(bodyText(response))")
            }
            for client in [publisher, viewer] { await client.stop() }
        }
    }

    private static let layers = [
        LayerDescription(
            encoding: 0, rid: "q", spatialLayer: 0, temporalLayer: 0, width: 320, height: 180, bitsPerSecond: 1,
            isActive: true),
        LayerDescription(
            encoding: 0, rid: "q", spatialLayer: 0, temporalLayer: 1, width: 320, height: 180, bitsPerSecond: 1,
            isActive: true),
        LayerDescription(encoding: 1, rid: "h", spatialLayer: 0, temporalLayer: 0, bitsPerSecond: 0, isActive: false),
    ]

    private static func preference(_ json: String) throws -> LayerPreference? {
        let selection = try #require(LayerSelection(Array(json.utf8)))
        return try? selection.preference(among: layers)
    }

    @Test func aSelectionBecomesAPreference() throws {
        #expect(try Self.preference("{}") == .automatic)
        var expected = LayerPreference()
        expected.encoding = 0
        expected.temporalLayer = 1
        expected.maximumHeight = 720
        #expect(try Self.preference("{\"rid\":\"q\",\"temporalLayerId\":1,\"maxHeight\":720}") == expected)
        #expect(
            try Self.preference(
                "{\"encodingId\":\"q\",\"temporalLayerId\":1,\"maxTemporalLayerId\":4,\"maxHeight\":720,\"x\":[1]}")
                == expected)
        #expect(try Self.preference("{\"rid\":\"h\"}") == nil)
        #expect(try Self.preference("{\"rid\":\"f\"}") == nil)
        #expect(try Self.preference("{\"temporalLayerId\":2}") == nil)
        #expect(try Self.preference("{\"rid\":\"\"}") == .automatic)
        #expect(try Self.preference("{\"maxSpatialLayerId\":9}")?.spatialLayer == LayerChoice.topmost)
    }
}
