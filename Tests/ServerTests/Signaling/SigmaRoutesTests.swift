import HTTP
import Streams
import Testing

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
                    + "\"tracks\":[\"VP8\",\"opus\"],\"publisher\":\"whip\"}]}")
            #expect(rooms.headers["Cache-Control"] == "no-store")
            let watched = try await server.post("/whep?target_id=\(entry.numericID)", try Offers.viewer())
            #expect(watched.status == 200)
            #expect(bodyText(watched).contains("a=sendonly"))
            #expect(bodyText(try await server.respond(.get, "/rooms")).contains("\"viewer_count\":1"))
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
}
