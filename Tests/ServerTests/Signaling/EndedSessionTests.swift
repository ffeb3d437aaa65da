import HTTP
import Testing
import Wire

@testable import Server

/// What a client is told about a session that it did not end itself.
@Suite struct EndedSessionTests {
    private let start = Instant.seconds(100)

    private func address(_ id: String, token: [UInt8]? = nil) -> SessionAddress {
        SessionAddress(id: id, role: .publisher, room: "a", tokenDigest: token)
    }

    @Test func whoLeftIsToldNothing() {
        let sessions = EndedSessions()
        sessions.note(address("left"), .deleted, at: start)
        sessions.note(address("replaced"), .replaced, at: start)
        #expect(sessions.end(of: address("left"), at: start) == nil)
        #expect(sessions.end(of: address("replaced"), at: start) == .replaced)
        // The first reason is the one that ended it.
        sessions.note(address("replaced"), PeerEnd(.silent, ""), at: start)
        #expect(sessions.end(of: address("replaced"), at: start) == .replaced)
    }

    @Test func aReasonIsForTheOwnerAndThisVeryURL() {
        let sessions = EndedSessions()
        let own = address("s", token: [1])
        sessions.note(own, .replaced, at: start)
        #expect(sessions.end(of: own, at: start) == .replaced)
        var others = [address("s"), address("s", token: [2]), own, own]
        others[2].room = "b"
        others[3].role = .viewer
        for other in others { #expect(sessions.end(of: other, at: start) == nil) }
    }

    @Test func theTableIsBounded() {
        let sessions = EndedSessions()
        for number in 0...EndedSessions.maximum { sessions.note(address("\(number)"), .replaced, at: start) }
        #expect(sessions.count == EndedSessions.maximum && sessions.displaced == 1)
        #expect(sessions.end(of: address("0"), at: start) == nil)
        #expect(sessions.end(of: address("1"), at: start) == .replaced)
        let over = start.advanced(bySeconds: EndedSessions.lifetimeSeconds)
        #expect(sessions.end(of: address("1"), at: over) == nil)
        sessions.note(address("new"), .replaced, at: over)
        #expect(sessions.count == 1 && sessions.displaced == 1)
    }

    @Test(arguments: [1, 2])
    func aReplacedPublisherLearnsSoAtItsSessionsURL(_ loops: Int) async throws {
        try await ServerHarness.with(loops: loops) { server in
            let offer = try Offers.publisher()
            for room in ["a", "b"] {
                let first = try await server.session("/\(room)/whip", offer, token: "mine")
                let second = try await server.session("/\(room)/whip", offer)
                let own: HTTPHeaders = ["Authorization": "Bearer mine"]
                #expect(await eventually { !(await has(server, first)) })
                for method in [HTTPMethod.get, .patch, .delete, .get] {
                    let gone = try await server.respond(method, first, headers: own)
                    #expect(gone.status == 410)
                    #expect(gone.headers["Content-Type"] == ProblemDetails.contentType)
                    #expect(bodyText(gone).hasSuffix(#""reason":"replaced"}"#), "\(bodyText(gone))")
                }
                #expect(try await server.respond(.get, first).status == 404)
                let asViewer = first.replacing("whip", with: "whep")
                #expect(try await server.respond(.get, asViewer, headers: own).status == 404)
                #expect(try await server.respond(.get, second).status == 204)
                #expect(try await server.respond(.delete, second).status == 200)
                #expect(try await server.respond(.get, second).status == 404)
            }
        }
    }

    private func has(_ server: ServerHarness, _ location: String) async -> Bool {
        await server.service.registry.session(location.split(separator: "/").last.map(String.init) ?? "") != nil
    }

    /// A client may ask before the registry lets go of the session.
    @Test func theReasonIsThereBeforeTheSessionIsTakenOut() async throws {
        try await ServerHarness.with { server in
            let location = try await server.session("/a/whip", try Offers.publisher())
            let id = try #require(location.split(separator: "/").last.map(String.init))
            server.service.endedSessions.note(
                SessionAddress(id: id, role: .publisher, room: "a", tokenDigest: nil), .replaced)
            #expect(await has(server, location))
            #expect(try await server.respond(.delete, location).status == 410)
        }
    }
}
