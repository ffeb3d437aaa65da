import Foundation
import Testing

@testable import Server

/// `GET /check` as somebody meets it who runs curl, a program or a browser.
@Suite struct CheckHTTPTests {
    @Test func theReportIsTextOrJSONAndItsStatusIsInAField() async throws {
        let fixture = try await SignalingFixture()
        let text = try await fixture.request("GET", "/check")
        #expect(text.status == 200)
        #expect(text["Content-Type"]?.hasPrefix("text/plain") == true)
        #expect(text["Cache-Control"] == "no-store")
        let status = try #require(text["Martlet-Check"])
        #expect(text.body.lowercased().contains(status.lowercased()))

        let json = try await fixture.request("GET", "/check", fields: ["Accept": "application/json"])
        #expect(json["Content-Type"]?.hasPrefix("application/json") == true)
        let report = try #require(try JSONSerialization.jsonObject(with: Data(json.body.utf8)) as? [String: Any])
        #expect(report["status"] as? String == status)
        await fixture.stop()
    }

    @Test func whatListensIsNamed() async throws {
        let fixture = try await SignalingFixture(
            "webrtcLocalTCPAddress: 127.0.0.1:0\nrtsp: yes\nrtspAddress: 127.0.0.1:0\nrtspTransports: [tcp]\n")
        let text = try await fixture.request("GET", "/check").body
        let rtsp = try #require(await fixture.server.rtspAddresses.first)
        let http = try #require(await fixture.server.httpAddresses.first)
        #expect(text.contains("RTSP: listening on \(rtsp)") && text.contains("listening on \(http)"))
        #expect(text.contains("media over TCP: listening on 127.0.0.1:") && text.contains("metrics: off"))
        await fixture.stop()
    }

    @Test func behindAProxyOnThisMachineNobodyIsTheOperator() async throws {
        let fixture = try await SignalingFixture()
        let forwarded = ["X-Forwarded-For": "198.51.100.7"]
        let local = try await fixture.request("GET", "/check")
        let stranger = try await fixture.request("GET", "/check", fields: forwarded)
        #expect(stranger.status == 200 && stranger.body.count < local.body.count)
        // No token is set, so none is right.
        #expect(try await fixture.request("GET", "/check", token: "guess", fields: forwarded).status == 401)
        await fixture.stop()
    }

    @Test func strangersLearnLessAndWrongTokensNothing() async throws {
        let fixture = try await SignalingFixture("metricsToken: secret\n")
        let stranger = try await fixture.request("GET", "/check")
        let owner = try await fixture.request("GET", "/check", token: "secret")
        #expect(stranger.status == 200 && owner.status == 200)
        #expect(owner.body.count > stranger.body.count)
        #expect(try await fixture.request("GET", "/check", token: "guess").status == 401)
        #expect(try await fixture.request("POST", "/check").status == 405)
        await fixture.stop()
    }
}
