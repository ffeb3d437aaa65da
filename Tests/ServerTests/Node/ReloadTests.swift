import Testing

@testable import Server

@Suite struct ReloadTests {
    @Test func aRunningServerTakesNewSettingsAndKeepsItsSessions() async throws {
        let fixture = try await SignalingFixture("maxViewersPerIP: 1")
        let publish = try SignalingFixture.offer("chromium156-sendonly")
        let watch = try SignalingFixture.offer("chromium156-recvonly")
        let location = try #require(try await fixture.post("/a/whip", publish)["Location"])
        #expect(try await fixture.post("/a/whep", watch).status == 201)
        #expect(try await fixture.post("/a/whep", watch).status == 503)
        await fixture.server.reload(
            try SignalingFixture.settings(
                """
                logLevel: info
                maxViewersPerIP: 2
                webrtcAllowOrigins: ['https://a.example']
                webrtcAdditionalHosts: [192.0.2.7]
                readTimeout: 9s
                paths:
                  a: {overridePublisher: no}
                  b: {publishToken: secret}
                """, version: 2))
        #expect(try await fixture.post("/a/whep", watch).status == 201)
        #expect(try await fixture.post("/a/whip", publish).status == 409)
        #expect(try await fixture.post("/b/whip", publish).status == 401)
        let answer = try await fixture.post(
            "/b/whip", publish, token: "secret", fields: ["Origin": "https://a.example"])
        #expect(answer.status == 201 && answer["Access-Control-Allow-Origin"] == "https://a.example")
        #expect(answer.body.contains("192.0.2.7"))
        #expect(try await fixture.request("DELETE", location).status == 200)
        let log = fixture.logText
        #expect(log.contains("takes effect after a restart setting=readTimeout"))
        #expect(log.contains("settings reloaded version=2"))
        #expect(!log.contains("setting=logLevel") && !log.contains("setting=maxViewersPerIP"))
        await fixture.stop()
    }
}
