import HTTP
import ICE
import Loop
import Secure
import Streams
import Synchronization
import TestKit
import Testing
import Wire

@testable import Server

/// The status table of WHIP and WHEP, with one media loop and with two.
@Suite struct SignalingRoutesTests {
    static let problem = "application/problem+json"

    @Test(arguments: [1, 2])
    func aSoundOfferMakesASession(_ loops: Int) async throws {
        try await ServerHarness.with(loops: loops) { server in
            let response = try await server.post("/cam1/whip", try Offers.publisher())
            #expect(response.status == 201)
            #expect(response.headers["Content-Type"] == "application/sdp")
            #expect(response.headers["Cache-Control"] == "no-store")
            let location = try #require(response.headers["Location"])
            #expect(location.hasPrefix("/cam1/whip/"))
            #expect(location.split(separator: "/").last?.count == 22)
            let tag = try #require(response.headers["ETag"])
            #expect(tag.hasPrefix("\"") && tag.hasSuffix("\"") && tag.count > 4)
            let answer = bodyText(response)
            #expect(answer.hasPrefix("v=0\r\n"))
            #expect(answer.contains("a=recvonly\r\n") && !answer.contains("a=sendonly"))
            #expect(answer.contains(" 127.0.0.1 \(server.mediaAddress.port) typ host"))
            #expect(answer.contains("a=end-of-candidates"))
            #expect(await server.service.registry.count == 1)

            let view = try await server.post("/cam1/whep", try Offers.viewer())
            #expect(view.status == 201)
            #expect(view.headers["Location"]?.hasPrefix("/cam1/whep/") == true)
            #expect(bodyText(view).contains("a=sendonly\r\n"))
            #expect(await server.service.registry.count == 2)
            #expect(await server.media.demultiplexer.snapshot.sessions == 2)
        }
    }

    @Test(arguments: ["application/sdp", "APPLICATION/SDP; charset=utf-8", "Application/Sdp"])
    func contentTypesAreReadLeniently(_ type: String) async throws {
        try await ServerHarness.with { server in
            let response = try await server.respond(
                .post, "/cam1/whip", headers: ["Content-Type": type], body: try Offers.publisher())
            #expect(response.status == 201)
        }
    }

    struct BadOffer: CustomTestStringConvertible {
        var name: String
        var status: Int
        var type = "application/sdp"
        var change: @Sendable (String) -> String
        var testDescription: String { name }

        static func without(_ prefix: String) -> @Sendable (String) -> String {
            { offer in
                offer.components(separatedBy: "\r\n").filter { !$0.hasPrefix(prefix) }.joined(separator: "\r\n")
            }
        }

        static let all = [
            BadOffer(name: "json", status: 415, type: "application/json") { $0 },
            BadOffer(name: "no content type", status: 415, type: "") { $0 },
            BadOffer(name: "empty", status: 400) { _ in "" },
            BadOffer(name: "prose", status: 400) { _ in "hello" },
            BadOffer(name: "no fingerprint", status: 422, change: without("a=fingerprint")),
            BadOffer(name: "no ufrag", status: 422, change: without("a=ice-ufrag")),
            BadOffer(name: "no password", status: 422, change: without("a=ice-pwd")),
            BadOffer(name: "unknown codecs", status: 422) {
                $0.replacing("VP8", with: "theora").replacing("opus", with: "speex")
            },
            BadOffer(name: "two videos", status: 422) {
                $0.replacing("m=audio", with: "m=video").replacing("111 opus/48000/2", with: "111 VP8/90000")
            },
            BadOffer(name: "lite", status: 422) { $0.replacing("t=0 0\r\n", with: "t=0 0\r\na=ice-lite\r\n") },
            BadOffer(name: "too large", status: 413) { $0 + String(repeating: "a=x:y\r\n", count: 10_000) },
            BadOffer(name: "recvonly", status: 422) { $0.replacing("a=sendonly", with: "a=recvonly") },
            BadOffer(name: "cut off", status: 400) { String($0.prefix(20)) },
            BadOffer(name: "bad bytes", status: 400) { $0.replacing("m=video 9", with: "m=video \u{1}") },
        ]
    }

    @Test(arguments: BadOffer.all)
    func badOffersAreExplainedAndLeaveNothing(_ bad: BadOffer) async throws {
        try await ServerHarness.with { server in
            for _ in 0..<3 {
                let response = try await server.respond(
                    .post, "/cam1/whip", headers: bad.type.isEmpty ? [:] : ["Content-Type": bad.type],
                    body: bad.change(try Offers.publisher()))
                // 400 and 422 are both right for an offer that cannot be used.
                #expect(
                    response.status == bad.status
                        || [400, 422].contains(response.status) && [400, 422].contains(bad.status))
                #expect(response.headers["Content-Type"] == Self.problem)
                #expect(response.headers["Location"] == nil)
            }
            #expect(await server.service.registry.count == 0)
            #expect(await server.service.registry.pendingCount == 0)
            #expect(await server.directory.count == 0)
            #expect(await server.media.demultiplexer.snapshot.sessions == 0)
        }
    }

    /// WHIP-11: whatever is wrong with them, a thousand requests that fail leave nothing behind.
    @Test func aThousandBadPostsLeaveNothing() async throws {
        try await ServerHarness.with(loops: 2, .made { $0.maxSessions = 2 }) { server in
            let offer = try Offers.publisher()
            let timers = await server.media.arenas[0].armedTimerCount
            for round in 0..<1_000 {
                let bad = BadOffer.all[round % BadOffer.all.count]
                guard bad.name != "too large" else { continue }
                _ = try await server.respond(
                    .post, round % 2 == 0 ? "/cam1/whip" : "/cam1/whep", headers: ["Content-Type": bad.type],
                    body: bad.change(offer))
            }
            #expect(await server.service.registry.count == 0)
            #expect(await server.service.registry.pendingCount == 0)
            #expect(await server.directory.count == 0)
            let snapshot = await server.media.demultiplexer.snapshot
            #expect(snapshot.sessions == 0 && snapshot.tuples == 0)
            #expect(await server.media.arenas[0].armedTimerCount == timers)
            // The places are all still there.
            _ = try await server.session("/a/whip", offer)
            _ = try await server.session("/b/whip", offer)
            let full = try await server.post("/c/whip", offer)
            #expect(full.status == 503)
            #expect(full.headers["Retry-After"] != nil)
            #expect(await server.directory.count == 2)
        }
    }

    // MARK: who may

    @Test func authorizationComesBeforeEverythingElse() async throws {
        try await ServerHarness.with(
            loops: 1,
            .made { settings in
                settings.everyPath {
                    $0.publishToken = AccessToken(.plain(Array("right".utf8)))
                    $0.readToken = AccessToken(.plain(Array("reader".utf8)))
                }
            }
        ) { server in
            for target in ["/cam1/whip", "/cam1/whep"] {
                for token in [nil, "wrong"] {
                    let response = try await server.post(target, "broken", token: token)
                    #expect(response.status == 401)
                    #expect(response.headers["WWW-Authenticate"]?.hasPrefix("Bearer") == true)
                }
            }
            // The token of readers is known, but not for publishing.
            #expect(try await server.post("/cam1/whip", "broken", token: "reader").status == 403)
            #expect(try await server.post("/cam1/whip", "broken", token: "right").status == 400)
            let location = try await server.session("/cam1/whip", try Offers.publisher(), token: "right")
            #expect(try await server.respond(.delete, location).status == 401)
            #expect(
                try await server.respond(.delete, location, headers: ["Authorization": "bearer wrong"]).status == 401)
            let patch = try await server.respond(
                .patch, location, headers: ["Content-Type": SignalingResponses.fragmentType], body: "broken")
            #expect(patch.status == 401)
            #expect(await server.service.registry.count == 1)
            // Scheme names have no case.
            #expect(
                try await server.respond(.delete, location, headers: ["Authorization": "BEARER right"]).status == 200)
            // Who may not read learns nothing about what is there.
            _ = try await server.session("/cam2/whip", try Offers.publisher(), token: "right")
            let there = try await server.post("/whep?target_id=cam2", try Offers.viewer())
            let missing = try await server.post("/whep?target_id=nothing", try Offers.viewer())
            #expect(there.status == 401)
            #expect(missing.status == 401)
            #expect(bodyText(there) == bodyText(missing))
        }
    }

    @Test func aSessionBelongsToTheTokenThatMadeIt() async throws {
        try await ServerHarness.with { server in
            let location = try await server.session("/cam1/whip", try Offers.publisher(), token: "mine")
            let foreign = try await server.respond(.delete, location, headers: ["Authorization": "Bearer theirs"])
            let unknown = try await server.respond(.delete, "/cam1/whip/AAAAAAAAAAAAAAAAAAAAAA")
            #expect(foreign.status == 404)
            #expect(unknown.status == 404)
            #expect(bodyText(foreign) == bodyText(unknown))
            #expect(await server.service.registry.count == 1)
            #expect(
                try await server.respond(.delete, location, headers: ["Authorization": "Bearer mine"]).status == 200)
        }
    }

    @Test func requestsAreLimitedByAddress() async throws {
        try await ServerHarness.with(
            loops: 1,
            .made { settings in
                settings.httpRequestsPerSecond = 1
                settings.httpRequestBurst = 5
            }
        ) { server in
            var limited = 0
            for _ in 0..<50 {
                let response = try await server.post("/cam1/whip", "broken")
                if response.status == 429 {
                    limited += 1
                    #expect(response.headers["Retry-After"] != nil)
                }
            }
            #expect(limited >= 40)
            #expect(try await server.respond(.get, "/rooms").status == 429)
        }
    }

    // MARK: sessions

    @Test func candidatesAreTakenWithoutAWord() async throws {
        try await ServerHarness.with { server in
            let location = try await server.session("/cam1/whip", try Offers.publisher())
            let credentials =
                "a=ice-ufrag:\(TestClient.credentials.ufrag)\r\na=ice-pwd:\(TestClient.credentials.password)\r\n"
            let candidate =
                "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 x.local 5000 typ host\r\n"
            func patch(_ body: String, _ headers: HTTPHeaders = [:]) async throws -> HTTPResponse {
                var headers = headers
                if !headers.contains("Content-Type") { headers["Content-Type"] = SignalingResponses.fragmentType }
                return try await server.respond(.patch, location, headers: headers, body: body)
            }
            for body in [credentials + candidate, candidate, credentials + candidate + "a=end-of-candidates\r\n"] {
                let response = try await patch(body)
                #expect(response.status == 204)
                #expect(bodyText(response).isEmpty)
                #expect(response.headers["ETag"] == nil)
            }
            #expect(try await patch(candidate, ["If-Match": "\"other\""]).status == 412)
            #expect(try await patch(candidate, ["If-Match": "*"]).status == 204)
            #expect(try await patch("a=ice-ufrag:abcd\r\n").status == 400)
            #expect(try await patch(String(repeating: candidate, count: 40)).status / 100 == 4)
            #expect(try await patch(String(repeating: "a=x:y\r\n", count: 4_000)).status == 413)
            #expect([415, 422].contains(try await patch(candidate, ["Content-Type": "application/sdp"]).status))
            // None of that harmed the session.
            #expect(await server.service.registry.count == 1)
            #expect(
                try await server.respond(
                    .patch, "/cam1/whip/none", headers: ["Content-Type": SignalingResponses.fragmentType]
                ).status == 404)
            #expect(try await server.respond(.patch, location.replacing("cam1", with: "cam2")).status == 404)
            #expect(try await server.respond(.patch, location.replacing("whip", with: "whep")).status == 404)
        }
    }

    @Test func deletingFreesThePathAtOnce() async throws {
        for loops in [1, 2] {
            try await ServerHarness.with(loops: loops, .made { $0.everyPath { $0.overridePublisher = false } }) {
                server in
                let offer = try Offers.publisher()
                for _ in 0..<50 {
                    let location = try await server.session("/cam1/whip", offer)
                    #expect(try await server.post("/cam1/whip", offer).status == 409)
                    let gone = try await server.respond(.delete, location, headers: ["If-Match": "\"whatever\""])
                    #expect(gone.status == 200)
                    #expect(try await server.respond(.delete, location).status == 404)
                }
                #expect(await server.service.registry.count == 0)
                #expect(await eventually { await server.directory.count == 0 })
                #expect(await eventually { await server.media.demultiplexer.snapshot.sessions == 0 })
            }
        }
    }

    @Test(arguments: [(1, false), (1, true), (2, false), (2, true)])
    func ofPublishersThatPostTogetherExactlyOneHasTheRoom(_ loops: Int, _ mayReplace: Bool) async throws {
        try await ServerHarness.with(loops: loops, .made { $0.everyPath { $0.overridePublisher = mayReplace } }) {
            server in
            let offer = try Offers.publisher()
            for round in 0..<50 {
                let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<2 { group.addTask { try await server.post("/r\(round)/whip", offer).status } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                if mayReplace {
                    #expect(statuses == [201, 201])
                    #expect(await eventually { await server.service.registry.count == 1 })
                } else {
                    #expect(statuses.sorted() == [201, 409])
                    #expect(await server.service.registry.count == 1)
                }
                for session in await server.service.registry.all { _ = await server.service.end(session.id, .deleted) }
                #expect(await server.service.registry.count == 0)
            }
            #expect(await eventually { await server.media.demultiplexer.snapshot.sessions == 0 })
            #expect(await eventually { await server.directory.count == 0 })
            #expect(await server.service.registry.pendingCount == 0)
        }
    }

    /// WHIP-E1: of two DELETEs one wins, and a PATCH beside them gets an answer.
    @Test func deletesAndPatchesMayRace() async throws {
        try await ServerHarness.with(loops: 2) { server in
            let offer = try Offers.publisher()
            for _ in 0..<100 {
                let location = try await server.session("/cam1/whip", offer)
                let statuses = try await withThrowingTaskGroup(of: (HTTPMethod, Int).self) { group in
                    for method in [HTTPMethod.delete, .patch, .delete, .patch] {
                        group.addTask {
                            let response = try await server.respond(
                                method, location, headers: ["Content-Type": SignalingResponses.fragmentType],
                                body: "a=end-of-candidates\r\n")
                            return (method, response.status)
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(statuses.filter { $0.0 == .delete }.map(\.1).sorted() == [200, 404])
                #expect(statuses.filter { $0.0 == .patch }.allSatisfy { [204, 400, 404].contains($0.1) })
            }
            #expect(await server.service.registry.count == 0)
        }
    }

    @Test func anIdleRoomIsAConflictOrNothing() async throws {
        try await ServerHarness.with { server in
            let response = try await server.post("/cam1/whep", try Offers.viewer())
            #expect(response.status == 409)
            #expect(response.headers["Retry-After"] != nil)
            #expect(await server.directory.count == 0)
        }
        try await ServerHarness.with(loops: 1, .made { $0.everyPath { $0.whepIdlePolicy = .notFound404 } }) { server in
            let offer = try Offers.viewer()
            #expect(try await server.post("/cam1/whep", offer).status == 404)
        }
    }

    @Test func viewersOverTheLimitAreToldToComeBack() async throws {
        try await ServerHarness.with(loops: 1, .made { $0.everyPath { $0.maxReaders = 2 } }) { server in
            _ = try await server.session("/cam1/whip", try Offers.publisher())
            let offer = try Offers.viewer()
            let first = try await server.session("/cam1/whep", offer)
            _ = try await server.session("/cam1/whep", offer)
            let third = try await server.post("/cam1/whep", offer)
            #expect(third.status == 503)
            #expect(third.headers["Retry-After"] != nil)
            #expect(try await server.respond(.delete, first).status == 200)
            _ = try await server.session("/cam1/whep", offer)
        }
    }

    // MARK: OPTIONS, GET, HEAD

    @Test func optionsTellICEServersToThoseWhoMayKnow() async throws {
        try await ServerHarness.with(
            loops: 1,
            .made { settings in
                settings.everyPath { $0.publishToken = AccessToken(.plain(Array("right".utf8))) }
                settings.webrtcICEServers2 = [
                    ICEServerSettings(url: "stun:stun.example.org:3478"),
                    ICEServerSettings(
                        url: "turn:turn.example.org:3478?transport=udp", username: "u\"x", password: "p\\y"),
                ]
            }
        ) { server in
            let links = [
                "<stun:stun.example.org:3478>; rel=\"ice-server\"",
                "<turn:turn.example.org:3478?transport=udp>; rel=\"ice-server\"; username=\"u\\\"x\"; "
                    + "credential=\"p\\\\y\"; credential-type=\"password\"",
            ]
            let preflight = try await server.respond(
                .options, "/cam1/whip",
                headers: ["Access-Control-Request-Method": "POST", "Authorization": "Bearer right"])
            #expect(preflight.status == 200)
            #expect(preflight.headers["Link"] == nil)
            #expect(try await server.respond(.options, "/cam1/whip").headers["Link"] == nil)
            let known = try await server.respond(
                .options, "/cam1/whip", headers: ["Authorization": "Bearer right"])
            #expect(known.headers["Accept-Post"] == "application/sdp")
            #expect(known.headers.values("Link") == links)
            let created = try await server.post("/cam1/whip", try Offers.publisher(), token: "right")
            #expect(created.headers.values("Link") == links)
        }
    }

    @Test func probesOfEndpointsAndSessionsSucceedWithoutContent() async throws {
        try await ServerHarness.with { server in
            let location = try await server.session("/cam1/whip", try Offers.publisher())
            for target in ["/cam1/whip", "/cam1/whep", location] {
                let response = try await server.respond(.get, target)
                #expect(response.status / 100 == 2)
                #expect(bodyText(response).isEmpty)
            }
            let head = try await server.respond(.head, "/cam1/whep")
            #expect(head.status == 200)
            #expect(head.headers["Content-Type"] == "application/sdp")
            let put = try await server.respond(.put, "/cam1/whip")
            #expect(put.status == 405)
            #expect(put.headers["Allow"]?.contains("POST") == true)
            #expect(try await server.respond(.get, "/cam1/whip/none").status == 404)
        }
    }

    // MARK: names

    @Test(arguments: ["%3Cimg%20src=x%20onerror=alert(1)%3E", "a%20b", "%C3%A9", "rooms", "a%22b", "whip%2Fwhep"])
    func oddNamesAreNoRooms(_ name: String) async throws {
        try await ServerHarness.with { server in
            let response = try await server.post("/\(name)/whip", try Offers.publisher())
            #expect(response.status == 404)
            #expect(!bodyText(response).contains("<img"))
            #expect(await server.directory.count == 0)
        }
    }

    @Test func nestedNamesComeBackInTheLocation() async throws {
        try await ServerHarness.with { server in
            let location = try await server.session("/live/main.1~x:y/whip?token=secret", try Offers.publisher())
            #expect(location.hasPrefix("/live/main.1~x"))
            #expect(!location.contains("secret"))
            #expect(try await server.respond(.delete, location, headers: [:]).status / 100 != 5)
        }
    }

    @Test func lineBreaksInAPathAreNoPath() {
        #expect(throws: ResourcePathError.self) { try ResourcePath(decoding: "/a%0d%0aSet-Cookie:x/whip") }
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }

    fileprivate func replacing(_ text: String, with other: String) -> String {
        split(separator: text, omittingEmptySubsequences: false).joined(separator: other)
    }
}
