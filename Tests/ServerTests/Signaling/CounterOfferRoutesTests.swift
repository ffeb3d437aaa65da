import Foundation
import HTTP
import ICE
import Loop
import Secure
import TestKit
import Testing
import Wire

@testable import Server

/// Counter-offers over HTTP (WHEP-2, WHEP-3; table 12.1 A7, A21).
@Suite struct CounterOfferRoutesTests {
    /// The answer of a viewer that takes what is offered.
    static func answer(to offer: String) throws -> String {
        var lines: [String] = []
        for line in offer.components(separatedBy: "\r\n") {
            let name = line.prefix { $0 != ":" }
            switch name {
            case "a=ice-ufrag": lines.append("a=ice-ufrag:\(TestClient.credentials.ufrag)")
            case "a=ice-pwd": lines.append("a=ice-pwd:\(TestClient.credentials.password)")
            case "a=fingerprint": lines.append("a=fingerprint:sha-256 \(try Offers.fingerprint())")
            case "a=setup": lines.append("a=setup:active")
            case "a=sendonly": lines.append("a=recvonly")
            case "a=ice-lite", "a=candidate", "a=end-of-candidates", "a=ssrc", "a=ssrc-group", "a=msid": break
            default: lines.append(line)
            }
        }
        return lines.joined(separator: "\r\n")
    }

    private static func undecodable() throws -> String { try Offers.make(direction: "recvonly", videoCodec: "H265") }

    private static func patch(
        _ server: ServerHarness, _ location: String, _ body: String, type: String = "application/sdp",
        token: String? = nil
    ) async throws -> HTTPResponse {
        var headers: HTTPHeaders = ["Content-Type": type]
        if let token { headers["Authorization"] = "Bearer \(token)" }
        return try await server.respond(.patch, location, headers: headers, body: body)
    }

    @Test func aViewerWithoutTheCodecAnswersTheServersOfferAndSees() async throws {
        try await ServerHarness.with { server in
            await server.service.counterOffers.use(lifetimeSeconds: 3_600)
            let (publisher, _) = try await LivePeersTests.client(server, "/live/a/whip", try Offers.publisher())
            try await publisher.connect()
            let refused = try await server.post("/live/a/whep", Self.undecodable())
            #expect(refused.status == 406)
            #expect(refused.headers["Content-Type"] == "application/sdp")
            #expect(refused.headers["Cache-Control"] == "no-store")
            let location = try #require(refused.headers["Location"])
            #expect(location.hasPrefix("/live/a/whep/"))
            let offer = bodyText(refused)
            #expect(offer.contains("VP8/90000") && offer.contains("a=setup:actpass"))
            #expect(await server.service.registry.count == 1)

            let answered = try await Self.patch(server, location, Self.answer(to: offer))
            #expect(answered.status == 204 && bodyText(answered).isEmpty)
            #expect(answered.headers["ETag"] == refused.headers["ETag"])
            let viewer = try LiveClient(answer: offer, server: server.mediaAddress)
            try await viewer.connect()
            await publisher.send(rtp: (1...5).map { LivePeersTests.video($0, key: $0 == 1) })
            await viewer.wait { $0.receivedRTP.count == 5 }
            // It is a session like any other now.
            #expect(try await Self.patch(server, location, Self.answer(to: offer)).status == 415)
            let type = SignalingResponses.fragmentType
            #expect(try await Self.patch(server, location, "a=end-of-candidates\r\n", type: type).status == 204)
            #expect(try await server.respond(.delete, location).status == 200)
            await viewer.wait { $0.dtls.state == .closed }
            #expect(await server.service.counterOffers.statistics == .init(made: 1, answered: 1))
            for client in [publisher, viewer] { await client.stop() }
        }
    }

    @Test func anUnansweredOfferIsForgottenAndGivesItsPlaceBack() async throws {
        try await ServerHarness.with(.made { $0.everyPath { $0.maxReaders = 1 } }) { server in
            _ = try await server.session("/a/whip", try Offers.publisher())
            // Time is told by the test.
            await server.service.counterOffers.use(lifetimeSeconds: 30 + 3_600)
            let before = MonotonicClock.now.advanced(bySeconds: 3_600)
            let refused = try await server.post("/a/whep", Self.undecodable())
            let location = try #require(refused.headers["Location"])
            // It holds the only place.
            #expect(try await server.post("/a/whep", Self.undecodable()).status == 503)
            let offers = server.service.counterOffers
            await offers.expire(at: before.advanced(bySeconds: 29))
            #expect(await offers.count == 1)
            await offers.expire(at: MonotonicClock.now.advanced(bySeconds: 3_630))
            #expect(await offers.count == 0)
            #expect(try await Self.patch(server, location, Self.answer(to: bodyText(refused))).status == 404)
            #expect(await offers.statistics.expired == 1)
            #expect(await eventually { await server.service.registry.pendingCount == 0 })
            #expect(try await server.post("/a/whep", Offers.viewer()).status == 201)
        }
    }

    @Test func badAnswersAreExplainedAndMayBeFollowedByAGoodOne() async throws {
        try await ServerHarness.with { server in
            await server.service.counterOffers.use(lifetimeSeconds: 3_600)
            _ = try await server.session("/a/whip", try Offers.publisher())
            let refused = try await server.post("/a/whep", Self.undecodable(), token: "mine")
            let location = try #require(refused.headers["Location"])
            let answer = try Self.answer(to: bodyText(refused))
            for (body, status) in [
                ("", 400), ("junk", 400), (answer.replacing("a=setup:active", with: "a=setup:actpass"), 400),
                (answer.replacing("m=video ", with: "m=text "), 400),
                (answer.replacing("a=recvonly", with: "a=inactive"), 422),
                (answer + String(repeating: "a=x:y\r\n", count: 10_000), 413),
            ] {
                #expect(try await Self.patch(server, location, body, token: "mine").status == status)
            }
            let type = SignalingResponses.fragmentType
            #expect(try await Self.patch(server, location, "x", type: type, token: "mine").status == 409)
            #expect(try await Self.patch(server, location, "x", type: "text/plain", token: "mine").status == 415)
            // To others it is not there, by any verb.
            let missing = try await server.respond(.delete, "/a/whep/AAAAAAAAAAAAAAAAAAAAAA")
            for method in [HTTPMethod.patch, .delete, .get] {
                let other = try await server.respond(
                    method, location, headers: ["Authorization": "Bearer theirs", "Content-Type": "application/sdp"],
                    body: answer)
                #expect(other.status == 404 && bodyText(other) == bodyText(missing))
            }
            #expect(try await Self.patch(server, location.replacing("/a/", with: "/b/"), answer).status == 404)
            #expect(try await Self.patch(server, location, answer, token: "mine").status == 204)
            #expect(await server.service.registry.count == 2)
        }
    }

    @Test func anOfferMayBeGivenUp() async throws {
        try await ServerHarness.with { server in
            await server.service.counterOffers.use(lifetimeSeconds: 3_600)
            _ = try await server.session("/a/whip", try Offers.publisher())
            let location = try #require(try await server.post("/a/whep", Self.undecodable()).headers["Location"])
            #expect(try await server.respond(.get, location).status == 204)
            #expect(try await server.respond(.delete, location).status == 200)
            #expect(try await server.respond(.delete, location).status == 404)
            #expect(await server.service.registry.pendingCount == 0)
        }
    }

    @Test func aRoomThatChangedMeanwhileIsAskedForAnew() async throws {
        try await ServerHarness.with { server in
            await server.service.counterOffers.use(lifetimeSeconds: 3_600)
            _ = try await server.session("/a/whip", try Offers.publisher())
            let refused = try await server.post("/a/whep", Self.undecodable())
            let location = try #require(refused.headers["Location"])
            _ = try await server.session("/a/whip", try Offers.make(direction: "sendonly", videoCodec: "VP9"))
            let answered = try await Self.patch(server, location, Self.answer(to: bodyText(refused)))
            #expect(answered.status == 409 && answered.headers["Retry-After"] == "1")
            #expect(await eventually { await server.service.registry.pendingCount == 0 })
        }
    }

    @Test func theyCanBeSwitchedOff() async throws {
        try await ServerHarness.with(.made { $0.webrtcCounterOffers = false }) { server in
            _ = try await server.session("/a/whip", try Offers.publisher())
            let refused = try await server.post("/a/whep", Self.undecodable())
            #expect(refused.status == 422 && bodyText(refused).contains("no video codec in common"))
            #expect(refused.headers["Location"] == nil)
        }
    }

    /// Only what is sound and does not match gets a counter-offer.
    @Test func brokenOffersGetNone() async throws {
        try await ServerHarness.with { server in
            await server.service.counterOffers.use(lifetimeSeconds: 3_600)
            _ = try await server.session("/a/whip", try Offers.publisher())
            #expect(try await server.post("/a/whep", "").status == 400)
            #expect(try await server.post("/a/whep", "junk").status == 400)
            let withoutMux = try Offers.viewer().replacing("a=rtcp-mux\r\n", with: "")
            #expect(try await server.post("/a/whep", withoutMux).status == 422)
            // A publisher is never answered by an offer.
            #expect(
                try await server.post("/b/whip", Offers.make(direction: "sendonly", videoCodec: "theora")).status == 422
            )
        }
    }
}
