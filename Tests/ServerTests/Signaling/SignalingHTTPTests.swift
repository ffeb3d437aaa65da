import Testing

@testable import Server

/// WHIP and WHEP over HTTP, as RFC 9725 and the security rules want it.
@Suite struct SignalingHTTPTests {
    private static let paths = """
        webrtcICEServers2: [{url: 'stun:s.example:3478'}, {url: 'turn:t.example:3478', username: u, password: p}]
        paths:
          open:
          locked: {publishToken: publish-it, readToken: read-it}
          quiet: {whepIdlePolicy: notFound404}
        """

    @Test func anAnswerBringsEverythingAClientNeeds() async throws {
        let fixture = try await SignalingFixture(Self.paths)
        let answer = try await fixture.post("/open/whip", SignalingFixture.offer("chromium156-sendonly"))
        #expect(answer.status == 201 && answer["Content-Type"] == "application/sdp")
        #expect(answer["Location"]?.hasPrefix("/open/whip/") == true)
        #expect(answer["ETag"]?.hasPrefix("\"") == true && answer["ETag"]?.hasSuffix("\"") == true)
        #expect(answer["Accept-Patch"] == "application/trickle-ice-sdpfrag")
        #expect(answer["Cache-Control"] == "no-store")
        #expect(answer["Access-Control-Expose-Headers"]?.contains("Location") == true)
        let links = answer.all("Link")
        #expect(links.count == 2 && links[0].hasPrefix("<stun:") && links[1].contains("credential=\"p\""))
        #expect(answer.body.hasPrefix("v=0\r\n") && answer.body.contains("a=end-of-candidates"))
        await fixture.stop()
    }

    @Test func whoMayNotLearnsNothing() async throws {
        let fixture = try await SignalingFixture(Self.paths)
        // Rooms that are not configured look like protected ones, before the offer is even read.
        let unknown = try await fixture.post("/nowhere/whip", "broken")
        #expect(unknown.status == 401 && unknown["WWW-Authenticate"] == "Bearer")
        #expect(try await fixture.post("/locked/whip", "broken").shape == unknown.shape)
        #expect(try await fixture.post("/whep?target_id=locked", "broken").status == 401)
        #expect(try await fixture.post("/whep?target_id=nowhere", "broken").status == 401)
        #expect(try await fixture.post("/locked/whip", "broken", token: "read-it").status == 403)
        #expect(try await fixture.post("/locked/whip", "broken", token: "publish-it").status == 400)
        let offer = try SignalingFixture.offer("chromium156-sendonly")
        #expect(try await fixture.post("/locked/whip", offer, token: "publish-it").status == 201)
        #expect(try await fixture.post("/open/whip", offer).status == 201)
        let rooms = try await fixture.request("GET", "/rooms").body
        #expect(rooms.contains("open") && !rooms.contains("locked"))
        await fixture.stop()
    }

    @Test func sessionsOfOthersLookLikeNone() async throws {
        let fixture = try await SignalingFixture(
            "paths:\n  a: {publishToken: sha256:\(Self.digestOfOne)}\n  b:\nwhipToken: two")
        let offer = try SignalingFixture.offer("chromium156-sendonly")
        let location = try #require(try await fixture.post("/a/whip", offer, token: "one")["Location"])
        let id = location.split(separator: "/").last ?? ""
        let missing = try await fixture.request("DELETE", "/b/whip/AAAAAAAAAAAAAAAAAAAAAA", token: "two")
        #expect(missing.status == 404)
        for method in ["DELETE", "PATCH", "GET"] {
            let other = try await fixture.request(method, "/b/whip/\(id)", token: "two")
            #expect(other.shape == missing.shape, "\(method)")
        }
        #expect(try await fixture.request("DELETE", location).status == 401)
        #expect(try await fixture.request("DELETE", location, token: "two").status == 403)
        #expect(try await fixture.request("DELETE", location, token: "one").status == 200)
        #expect(try await fixture.request("DELETE", location, token: "one").shape == missing.shape)
        #expect(!fixture.logText.contains(id))
        await fixture.stop()
    }

    private static let digestOfOne = "dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0="

    @Test func onlyWhoMayIsToldICEServersByOPTIONS() async throws {
        let fixture = try await SignalingFixture(Self.paths)
        let preflight = try await fixture.request(
            "OPTIONS", "/open/whip", fields: ["Origin": "null", "Access-Control-Request-Method": "POST"])
        #expect(preflight.status == 200 && preflight.all("Link").isEmpty)
        #expect(preflight["Access-Control-Allow-Origin"] == "*" && preflight["Accept-Post"] == "application/sdp")
        #expect(try await fixture.request("OPTIONS", "/open/whip").all("Link").count == 2)
        #expect(try await fixture.request("OPTIONS", "/locked/whip").all("Link").isEmpty)
        #expect(try await fixture.request("OPTIONS", "/locked/whip", token: "publish-it").all("Link").count == 2)
        #expect(try await fixture.request("OPTIONS", "/whep?target_id=locked").all("Link").isEmpty)
        #expect(try await fixture.request("OPTIONS", "/open/whip/x")["Accept-Patch"] != nil)
        await fixture.stop()
    }

    @Test(arguments: ["/open/whip", "/open/whep", "/whip", "/whep"])
    func endpointsCanBeLookedAt(path: String) async throws {
        let fixture = try await SignalingFixture(Self.paths)
        for method in ["GET", "HEAD"] {
            let answer = try await fixture.request(method, path)
            #expect((200...204).contains(answer.status) && answer.body.isEmpty)
        }
        let refused = try await fixture.request("PUT", path)
        #expect(refused.status == 405 && refused["Allow"] == "GET, HEAD, OPTIONS, POST")
        #expect(refused["Cache-Control"] == "no-store")
        await fixture.stop()
    }

    @Test func anIdempotencyKeyGetsTheSameSessionWhileItLives() async throws {
        let fixture = try await SignalingFixture()
        let offer = try SignalingFixture.offer("chromium156-sendonly")
        let key = ["Idempotency-Key": "k"]
        let first = try await fixture.post("/a/whip", offer, fields: key)
        #expect(try await fixture.post("/a/whip", offer, fields: key).shape == first.shape)
        #expect(try await fixture.post("/a/whip", offer + "a=x\r\n", fields: key).status == 422)
        #expect(try await fixture.post("/a/whip", offer)["Location"] != first["Location"])
        // That publisher took the room over, so the first session is gone and its answer with it.
        var again = try await fixture.post("/a/whip", offer, fields: key)
        for _ in 0..<100 where again["Location"] == first["Location"] {
            again = try await fixture.post("/a/whip", offer, fields: key)
        }
        #expect(again.status == 201 && again["Location"] != first["Location"])
        await fixture.stop()
    }

    @Test func aFragmentThatIsNoneIsRefusedAndHarmsNothing() async throws {
        let fixture = try await SignalingFixture()
        let answer = try await fixture.post("/a/whip", SignalingFixture.offer("chromium156-sendonly"))
        let location = try #require(answer["Location"])
        let type = "application/trickle-ice-sdpfrag"
        for body in ["", "junk", "\u{0}\u{1}", "a=ice-ufrag:abcd\r\n"] {
            #expect(try await fixture.request("PATCH", location, body, type: type).status == 400)
        }
        #expect(try await fixture.request("PATCH", location, "a=end-of-candidates\r\n", type: type).status == 204)
        #expect(try await fixture.request("DELETE", location).status == 200)
        await fixture.stop()
    }

    @Test func hostileNamesReachNeitherLogNorHeader() async throws {
        let fixture = try await SignalingFixture()
        for path in [
            "/a%0d%0aX-Evil:1/whip", "/%3Cimg%20src=x%3E/whip", "//evil.example", "/%2e%2e/whip", "/a%00/whip",
            "/%E2%80%AE/whip", "/\u{1B}[31m/whip",
        ] {
            let answer = try await fixture.post(path, "v=0\r\n")
            #expect((400...404).contains(answer.status), "\(path)")
            #expect(!answer.head.contains("X-Evil") && !answer.body.contains("<img"))
        }
        let log = fixture.logText
        #expect(!log.contains("<img") && !log.contains("\u{1B}") && !log.contains("\nX-Evil"))
        await fixture.stop()
    }

    @Test func aSessionThatNeverConnectsIsExplained() async throws {
        let fixture = try await SignalingFixture("webrtcHandshakeTimeout: 1s")
        let address = try #require(await fixture.server.mediaAddresses.first)
        // Subscribed after the log, so that the line is there when this is told.
        let (failures, told) = AsyncStream.makeStream(of: Void.self)
        _ = fixture.server.events.subscribe { if case .sessionFailed = $0.event { told.finish() } }
        #expect(try await fixture.post("/a/whip", SignalingFixture.offer("chromium156-sendonly")).status == 201)
        for await _ in failures {}
        let line = fixture.logText.split(separator: "\n").first { $0.contains("session failed") } ?? ""
        #expect(line.contains("iceNeverConnected") && line.contains("udp \(address)"))
        #expect(line.contains("webrtcAdditionalHosts") && line.contains("remote=127.0.0.1"))
        await fixture.stop()
    }
}
