import Foundation
import HTTP
import Testing

@testable import Server

/// What WHEP alone asks of its endpoint (WHEP-4, WHEP-5, WHEP-10, WHEP-11).
@Suite struct WHEPRoutesTests {
    /// WHEP-5.
    @Test func anEndpointSaysByHEADWhatItTakes() async throws {
        try await ServerHarness.with { server in
            let response = try await server.respond(.head, "/a/whep")
            #expect(response.status == 200 && response.headers["Content-Type"] == "application/sdp")
            #expect(bodyText(response).isEmpty)
            #expect(try await server.respond(.get, "/a/whep").status == 204)
        }
    }

    /// WHEP-4, in both policies; what is not there looks like what may not be known.
    @Test(arguments: [(WHEPIdlePolicy.conflict409, 409), (.notFound404, 404)])
    func aRoomWithoutAPublisherIsToldByPolicy(_ policy: WHEPIdlePolicy, _ status: Int) async throws {
        let settings = ServerSettings.made { settings in
            settings.everyPath {
                $0.whepIdlePolicy = policy
                $0.readToken = AccessToken(.plain(Array("reader".utf8)))
            }
        }
        try await ServerHarness.with(settings) { server in
            let offer = try Offers.viewer()
            let idle = try await server.post("/a/whep", offer, token: "reader")
            #expect(idle.status == status)
            #expect((idle.headers["Retry-After"] != nil) == (status == 409))
            _ = try await server.session("/b/whip", Offers.publisher())
            let (there, missing) = (try await server.post("/b/whep", offer), try await server.post("/c/whep", offer))
            #expect(there.status == 401 && missing.status == 401 && bodyText(there) == bodyText(missing))
        }
    }

    /// WHEP-10: a viewer that asks for sound of a silent room gets an answer for it, so that the video plays.
    @Test func aRoomWithoutSoundAnswersTheViewersSoundAsInactive() async throws {
        try await ServerHarness.with { server in
            _ = try await server.session("/a/whip", Offers.make(direction: "sendonly", audio: false))
            let answer = bodyText(try await server.post("/a/whep", Offers.viewer()))
            let sections = answer.components(separatedBy: "\r\nm=").dropFirst()
            #expect(sections.map { $0.prefix(5) } == ["video", "audio"])
            #expect(sections.first?.contains("\r\na=sendonly") == true)
            #expect(sections.last?.contains("\r\na=inactive") == true)
            #expect(answer.contains("a=group:BUNDLE 0 1\r\n"))
        }
    }

    /// WHEP-11: counted, shown and limited, per room.
    @Test func viewersAreCountedAndLimited() async throws {
        try await ServerHarness.with(.made { $0.everyPath { $0.maxReaders = 2 } }) { server in
            _ = try await server.session("/a/whip", Offers.publisher())
            for _ in 0..<2 { _ = try await server.session("/a/whep", Offers.viewer()) }
            let refused = try await server.post("/a/whep", Offers.viewer())
            #expect(refused.status == 503 && refused.headers["Retry-After"] != nil)
            #expect(bodyText(try await server.respond(.get, "/rooms")).contains("\"viewer_count\":2"))
        }
    }
}
