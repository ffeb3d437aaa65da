import Testing

@testable import Server

/// Every limit of signaling met once, over HTTP (SEC-9).
@Suite struct SignalingLimitTests {
    @Test(arguments: [
        ("maxSessions: 1", "maxSessions"), ("maxRooms: 1", "maxRooms"),
    ])
    func aFullServerSays503AndWhenToComeBack(limit: String, name: String) async throws {
        let fixture = try await SignalingFixture(limit)
        let offer = try SignalingFixture.offer("chromium156-sendonly")
        #expect(try await fixture.post("/a/whip", offer).status == 201)
        let refused = try await fixture.post("/b/whip", offer)
        #expect(refused.status == 503 && refused["Retry-After"] == "10" && refused.body.contains(name))
        await fixture.stop()
    }

    @Test(arguments: [
        ("pathDefaults: {maxReaders: 2}", "maxReaders"), ("maxViewersPerIP: 2", "maxViewersPerIP"),
    ])
    func theThirdOfTwoViewersIsRefusedUntilOneLeaves(limit: String, name: String) async throws {
        let fixture = try await SignalingFixture(limit)
        #expect(try await fixture.post("/a/whip", SignalingFixture.offer("chromium156-sendonly")).status == 201)
        let offer = try SignalingFixture.offer("chromium156-recvonly")
        let first = try await fixture.post("/a/whep", offer)
        #expect(first.status == 201)
        #expect(try await fixture.post("/a/whep", offer).status == 201)
        let refused = try await fixture.post("/a/whep", offer)
        #expect(refused.status == 503 && refused["Retry-After"] != nil && refused.body.contains(name))
        let location = try #require(first["Location"])
        #expect(try await fixture.request("DELETE", location).status == 200)
        #expect(try await fixture.post("/a/whep", offer).status == 201)
        await fixture.stop()
    }

    @Test func requestsTokensAndGuessesAreLimited() async throws {
        let fixture = try await SignalingFixture(
            """
            httpTokenRequestBurst: 2
            httpTokenRequestsPerSecond: 1
            httpFailedAuthorizationBurst: 3
            paths:
              a: {publishToken: right}
              b:
            """)
        let offer = "not an offer"
        for _ in 0..<2 { #expect(try await fixture.post("/a/whip", offer, token: "right").status == 400) }
        let often = try await fixture.post("/a/whip", offer, token: "right")
        #expect(often.status == 429 && often["Retry-After"] == "1" && often.body.contains("httpTokenRequestsPerSecond"))
        for guess in 0..<3 { #expect(try await fixture.post("/a/whip", offer, token: "guess\(guess)").status == 401) }
        for token in ["guess3", "right"] {
            let blocked = try await fixture.post("/a/whip", offer, token: token)
            #expect(blocked.status == 429 && blocked.body.contains("httpFailedAuthorizationBurst"))
            #expect(try await fixture.request("OPTIONS", "/a/whip", token: token).all("Link").isEmpty)
        }
        #expect(try await fixture.post("/a/whip", offer).status == 401)
        #expect(try await fixture.post("/b/whip", offer).status == 400)
        let log = fixture.logText
        #expect(!log.contains("right") && !log.contains("guess"))
        await fixture.stop()
    }

    @Test func aFloodFromOneAddressIsRefused() async throws {
        let fixture = try await SignalingFixture("httpRequestBurst: 5\nhttpRequestsPerSecond: 1")
        var statuses: [Int: Int] = [:]
        let elapsed = try await ContinuousClock().measure {
            for _ in 0..<20 { statuses[try await fixture.post("/a/whip", "x").status, default: 0] += 1 }
        }
        // One more is let through for each second that the flood takes.
        let allowed = 5 + Int(elapsed.components.seconds) + 1
        #expect((statuses[429] ?? 0) >= 20 - allowed && (statuses[400] ?? 0) >= 5)
        await fixture.stop()
    }
}
