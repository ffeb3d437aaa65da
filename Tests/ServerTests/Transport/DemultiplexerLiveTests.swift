import HTTP
import ICE
import Loop
import Secure
import Streams
import TestKit
import Testing
import Wire

@testable import Server

@Suite struct DemultiplexerLiveTests {
    static func client(_ server: ServerHarness, _ room: String = "a") async throws -> LiveClient {
        let response = try await server.post("/\(room)/whip", try Offers.publisher())
        return try LiveClient(answer: bodyText(response), server: server.mediaAddress)
    }

    @Test func junkIsCountedByKindAndAnsweredByNobody() async throws {
        try await ServerHarness.with { server in
            let client = try await Self.client(server)
            let stranger = TestClient(
                identity: try Offers.identity.get(), role: .client,
                remoteFingerprint: try #require(
                    .init(algorithm: .sha256, bytes: Array(repeating: 0, count: 32))),
                remote: .init(ufrag: "nobody123456", password: "x"))
            try await client.send(raw: [
                TestClient.packet(sequenceNumber: 1), TestClient.receiverReport + Array(repeating: 0, count: 20),
                [22, 254, 253] + Array(repeating: 0, count: 20), [16, 1, 2], [64, 0, 0, 0], [200, 1], [100],
                stranger.check(nominating: true),
            ])
            #expect(await eventually { await server.media.demultiplexer.snapshot.datagrams == 8 })
            let snapshot = await server.media.demultiplexer.snapshot
            #expect(snapshot.unknownTuple == 3)
            #expect(snapshot.unknownKind == 4)
            #expect(snapshot.unknownUfrag == 1)
            #expect(snapshot.tuples == 0)
            #expect(snapshot.sessions == 1)
            try await client.connect()
            #expect(await server.media.demultiplexer.snapshot.tuples == 1)
            await client.stop()
        }
    }

    /// Tuples that never prove themselves do not keep the client out, whose tuple comes last.
    @Test(arguments: [1, 2])
    func sixteenUnprovenTuplesDoNotKeepTheClientOut(_ loops: Int) async throws {
        try await ServerHarness.with(loops: loops) { server in
            for room in ["a", "b"] {
                let client = try await Self.client(server, room)
                var strangers: [LiveClient] = []
                let answer = try await server.post("/other/whip", try Offers.publisher())
                let before = await server.media.demultiplexer.snapshot
                for _ in 0..<Demultiplexer.maximumTuplesPerTransport + 4 {
                    let stranger = try LiveClient(answer: bodyText(answer), server: server.mediaAddress)
                    try await stranger.send(raw: [await client.check(password: "wrong")])
                    strangers.append(stranger)
                }
                let count = UInt64(strangers.count)
                #expect(
                    await eventually {
                        await server.media.demultiplexer.snapshot.datagrams == before.datagrams + count
                    })
                let full = await server.media.demultiplexer.snapshot
                #expect(full.tuples - before.tuples <= Demultiplexer.maximumTuplesPerTransport)
                try await client.connect()
                await client.send(rtp: [LivePeersTests.video(1, key: true)])
                let entry = try #require(await server.directory.room(named: room))
                #expect(await eventually { await entry.room.snapshot.packetsReceived == 1 })
                for stranger in strangers { await stranger.stop() }
                await client.stop()
            }
        }
    }

    /// A check that only names a session maps its tuple; the session it then proves itself to gets it.
    @Test func aTupleGoesToTheSessionItProvedItselfTo() async throws {
        try await ServerHarness.with { server in
            let first = try await Self.client(server, "a")
            let second = try await Self.client(server, "b")
            try await first.send(raw: [await second.check(password: "wrong")])
            #expect(await eventually { await server.media.demultiplexer.snapshot.tuples == 1 })
            try await first.connect()
            #expect(await server.media.demultiplexer.snapshot.tuples == 1)
            // And stays there, whatever is claimed afterwards.
            try await first.send(raw: [await second.check(password: "wrong")])
            await first.send(rtp: [LivePeersTests.video(1, key: true)])
            let entry = try #require(await server.directory.room(named: "a"))
            #expect(await eventually { await entry.room.snapshot.packetsReceived == 1 })
            await first.stop()
            await second.stop()
        }
    }

    @Test func aSourceOfManyWrongPasswordsIsNoLongerLookedAt() async throws {
        try await ServerHarness.with { server in
            let victim = try await Self.client(server, "a")
            for _ in 0..<60 {
                let stranger = try await Self.client(server, "b")
                try await stranger.send(raw: [await victim.check(password: "wrong")])
                #expect(await eventually { await server.media.demultiplexer.snapshot.datagrams > 0 })
                await stranger.stop()
            }
            #expect(await eventually { await server.media.demultiplexer.snapshot.limitedChecks > 0 })
            await victim.stop()
        }
    }
}
