import HTTP
import SDP
import Streams
import TestKit
import Testing
import Wire

@testable import ICE
@testable import Server

/// Restarting ICE by PATCH (WHIP-25…31; rows A15…A19 of the status table).
@Suite struct ICERestartTests {
    private static func fragment(_ credentials: ICECredentials) -> String {
        "a=ice-ufrag:\(credentials.ufrag)\r\na=ice-pwd:\(credentials.password)\r\n"
            + "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 x.local 5000 typ host\r\n"
    }

    private static func credentials(_ number: Int) -> ICECredentials {
        ICECredentials(ufrag: "again\(number)", password: "passwordOfTheClientOnceMore\(number)")
    }

    private static func patch(
        _ server: ServerHarness, _ location: String, _ body: String, _ condition: String? = nil
    ) async throws -> HTTPResponse {
        var headers: HTTPHeaders = ["Content-Type": SignalingResponses.fragmentType]
        if let condition { headers["If-Match"] = condition }
        return try await server.respond(.patch, location, headers: headers, body: body)
    }

    private static func created(_ server: ServerHarness) async throws -> (location: String, tag: String, sdp: String) {
        let response = try await server.post("/cam1/whip", try Offers.publisher())
        try #require(response.status == 201)
        return (
            try #require(response.headers["Location"]), try #require(response.headers["ETag"]), bodyText(response)
        )
    }

    @Test func aRestartIsAnsweredWithNewCredentialsAndANewTag() async throws {
        try await ServerHarness.with { server in
            let (location, tag, sdp) = try await Self.created(server)
            let response = try await Self.patch(server, location, Self.fragment(Self.credentials(1)), tag)
            #expect(response.status == 200)
            #expect(response.headers["Content-Type"] == SignalingResponses.fragmentType)
            #expect(response.headers["Cache-Control"] == "no-store")
            let next = try #require(response.headers["ETag"])
            #expect(next != tag && next.hasPrefix("\"") && next.hasSuffix("\"") && next.count > 4)

            // WHIP-30: what the answer said of ICE is said again; only the credentials are others.
            let answer = try SessionDescription(parsing: Array(sdp.utf8))
            let fragment = try TrickleFragment(parsing: Array(bodyText(response).utf8))
            #expect(fragment.isICELite && answer.isICELite)
            #expect(fragment.iceOptions == answer.transport.iceOptions)
            #expect(fragment.groups == answer.groups)
            #expect(fragment.hasEndOfCandidates)
            let media = try #require(answer.media.first)
            #expect(fragment.sections.map(\.mid) == [media.mid])
            #expect(fragment.candidates(forMids: ["0"]) == media.candidates)
            let credentials = try #require(fragment.credentials)
            #expect(credentials.ufrag != media.transport.iceUfrag)
            #expect(credentials.password != media.transport.icePassword)
            #expect(await server.media.demultiplexer.snapshot.ufrags == 2)
        }
    }

    @Test func iceOptionsAreThoseOfTheAnswer() async throws {
        try await ServerHarness.with { server in
            let offer = try Offers.publisher().replacing("s=-\r\n", with: "s=-\r\na=ice-options:trickle\r\n")
            let response = try await server.post("/cam1/whip", offer)
            #expect(bodyText(response).contains("a=ice-options:trickle\r\n"))
            let restart = try await Self.patch(
                server, try #require(response.headers["Location"]), Self.fragment(Self.credentials(1)), "*")
            #expect(bodyText(restart).hasPrefix("a=ice-lite\r\na=ice-options:trickle\r\na=group:BUNDLE 0 1\r\nm="))
        }
    }

    @Test func conditionsAreHeld() async throws {
        try await ServerHarness.with { server in
            let (location, tag, _) = try await Self.created(server)
            func status(_ number: Int, _ condition: String?) async throws -> Int {
                try await Self.patch(server, location, Self.fragment(Self.credentials(number)), condition).status
            }
            #expect(try await status(1, nil) == 428)
            #expect(try await status(1, "\"other\"") == 412)
            #expect(try await status(1, "W/\(tag)") == 412)
            #expect(await server.media.demultiplexer.snapshot.ufrags == 1, "nothing has begun")
            #expect(try await status(1, "*") == 200)
            #expect(try await status(2, "\"*\"") == 200)
            #expect(try await status(3, tag) == 412, "the tag of the generation before")
            #expect(try await status(3, "\"other\", *") == 200)
        }
    }

    /// Candidates of either generation are taken while a restart is under way, under the tag of the restart.
    @Test func candidatesAfterARestartAreTakenUnderTheNewTag() async throws {
        try await ServerHarness.with { server in
            let (location, tag, _) = try await Self.created(server)
            let restart = Self.fragment(Self.credentials(1))
            let next = try #require(try await Self.patch(server, location, restart, tag).headers["ETag"])
            let candidates = try await Self.patch(server, location, restart, next)
            #expect(candidates.status == 204)
            #expect(candidates.headers["ETag"] == nil && bodyText(candidates).isEmpty)
            #expect(try await Self.patch(server, location, restart, tag).status == 412)
            #expect(try await Self.patch(server, location, Self.fragment(TestClient.credentials), next).status == 204)
            #expect(await server.media.demultiplexer.snapshot.ufrags == 2, "none of that was a restart")
        }
    }

    @Test func manyRestartsHoldNoMoreThanTwoFragments() async throws {
        try await ServerHarness.with(loops: 2) { server in
            let (location, _, _) = try await Self.created(server)
            var tags: Set<String> = []
            var ufrags: Set<String> = []
            for number in 0..<50 {
                let response = try await Self.patch(server, location, Self.fragment(Self.credentials(number)), "*")
                tags.insert(response.headers["ETag"] ?? "")
                let fragment = try TrickleFragment(parsing: Array(bodyText(response).utf8))
                ufrags.insert(fragment.credentials?.ufrag ?? "")
                #expect(await server.media.demultiplexer.snapshot.ufrags == 2)
            }
            #expect(tags.count == 50 && ufrags.count == 50)
            #expect(try await server.respond(.delete, location).status == 200)
            #expect(await eventually { await server.media.demultiplexer.snapshot.ufrags == 0 })
        }
    }

    /// Of restarts that come together, each gets an answer, and only the last one's credentials are waited for.
    @Test func restartsThatRaceLeaveOne() async throws {
        try await ServerHarness.with(loops: 2) { server in
            let (location, tag, _) = try await Self.created(server)
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        try await Self.patch(server, location, Self.fragment(Self.credentials(number)), tag).status
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.filter { $0 == 200 }.count == 1, "the tag held once")
            #expect(statuses.filter { $0 == 412 }.count == 7)
            #expect(await server.media.demultiplexer.snapshot.ufrags == 2)
        }
    }

    /// WHIP-31 and A23: what cannot be read begins nothing.
    @Test func brokenFragmentsLeaveTheSessionUnharmed() async throws {
        try await ServerHarness.with { server in
            let (location, tag, _) = try await Self.created(server)
            let candidate = "a=candidate:1 1 udp 1 x.local 5000 typ host\r\n"
            for (body, expected) in [
                ("a=ice-ufrag:newfragment\r\n", 400), ("a=ice-pwd:newpasswordOfTheClient01\r\n", 400),
                ("a=ice-ufrag:x\r\na=ice-pwd:newpasswordOfTheClient01\r\n", 400), ("\0\0\0", 400), ("", 400),
                (Self.fragment(Self.credentials(1)) + String(repeating: candidate, count: 32), 400),
                (Self.fragment(Self.credentials(1)) + String(repeating: "a=x:y\r\n", count: 2_400), 413),
            ] {
                let response = try await Self.patch(server, location, body, tag)
                #expect(response.status == expected, "\(body.prefix(40))")
            }
            #expect(await server.media.demultiplexer.snapshot.ufrags == 1)
            #expect(try await Self.patch(server, location, Self.fragment(Self.credentials(1)), tag).status == 200)
        }
    }

    /// WHIP-25 over real sockets, on one loop and on two: the session goes on with the new credentials, and the old ones
    /// are nobody's from the first check on.
    @Test(arguments: [1, 2])
    func mediaGoesOnWithTheNewCredentials(_ loops: Int) async throws {
        try await ServerHarness.with(loops: loops) { server in
            for room in ["a", "b"] {
                let (client, location) = try await LivePeersTests.client(
                    server, "/\(room)/whip", try Offers.publisher())
                try await client.connect()
                let entry = try #require(await server.directory.room(named: room))
                await client.send(rtp: [LivePeersTests.video(1, key: true)])
                #expect(await eventually { await entry.room.snapshot.packetsReceived == 1 })

                let own = Self.credentials(7)
                let response = try await Self.patch(server, location, Self.fragment(own), "*")
                let fragment = try TrickleFragment(parsing: Array(bodyText(response).utf8))
                let credentials = try #require(fragment.credentials)
                await client.send(rtp: [LivePeersTests.video(2, key: false)])
                #expect(await eventually { await entry.room.snapshot.packetsReceived == 2 })

                let old = await client.check()
                let answered = await client.responses
                await client.restart(
                    local: own, remote: ICECredentials(ufrag: credentials.ufrag, password: credentials.password))
                await client.wait { $0.responses > answered }
                await client.send(rtp: [LivePeersTests.video(3, key: false)])
                #expect(await eventually { await entry.room.snapshot.packetsReceived == 3 })
                #expect(await server.media.demultiplexer.snapshot.ufrags == 1)

                let unknown = await server.media.demultiplexer.snapshot.unknownUfrag
                try await client.send(raw: [old])
                #expect(await eventually { await server.media.demultiplexer.snapshot.unknownUfrag == unknown + 1 })
                #expect(try await server.respond(.delete, location).status == 200)
                await client.stop()
                #expect(await eventually { await server.media.demultiplexer.snapshot.ufrags == 0 })
            }
        }
    }
}
