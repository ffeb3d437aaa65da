import HTTP
import ICE
import Loop
import Streams
import TestKit
import Testing
import WebRTC
import Wire

@testable import Server

/// Clients that a NAT gives other ports, over real sockets, on one media loop and on two.
@Suite struct RoamingTests {
    private static func proved(_ server: ServerHarness) async -> UInt64 {
        await server.media.demultiplexer.snapshot.provedByOwnChecks
    }

    private static func heard(_ transports: [PeerTransport]) async -> UInt64 {
        var sum: UInt64 = 0
        for transport in transports { sum += await transport.snapshot.packetsReceived }
        return sum
    }

    /// Datagrams that sessions dropped because of where they came from.
    private static func unvalidated(_ server: ServerHarness) async -> Int {
        var sum = 0
        for session in await server.service.registry.all {
            sum += await session.peer.transport.snapshot.drops.unvalidatedTuple
        }
        return sum
    }

    /// Who passes a packet on before its sender's own comes is asked whether he is the client. What he says instead of an
    /// answer is nobody's, like what others say whom nobody asks.
    @Test(arguments: [1, 2])
    func whatComesInsteadOfAnAnswerIsNobodys(_ loops: Int) async throws {
        try await ServerHarness.with(loops: loops) { server in
            // With two loops the second room lives on the one that does not receive.
            for room in ["a", "b"] {
                let (publisher, _) = try await LivePeersTests.client(server, "/\(room)/whip", try Offers.publisher())
                try await publisher.connect()
                await publisher.send(rtp: [LivePeersTests.video(1, key: true)])
                let entry = try #require(await server.directory.room(named: room))
                #expect(await eventually { await entry.room.snapshot.packetsReceived == 1 })
                let (stranger, _) = try await LivePeersTests.client(
                    server, "/\(room)-other/whip", try Offers.publisher())
                await stranger.answerNoChecks()
                let before = await server.media.demultiplexer.snapshot
                try await stranger.send(raw: [await publisher.protected(rtp: LivePeersTests.video(2, key: false))])
                #expect(
                    await eventually { await server.media.demultiplexer.snapshot.ownChecks == before.ownChecks + 1 })
                let id = STUNTransactionID(high: 1, low: 2)
                let answers = ["guessed", TestClient.credentials.password].map {
                    TestClient.answer(to: id, password: $0)
                }
                // The last is no message at all.
                try await stranger.send(raw: answers + [Array(answers[0].prefix(20))])
                // One was the packet that was passed on.
                #expect(
                    await eventually {
                        await server.media.demultiplexer.snapshot.unknownTuple == before.unknownTuple + 4
                    })
                #expect(await Self.unvalidated(server) == 0)
                await publisher.stop()
                await stranger.stop()
            }
        }
    }

    @Test(arguments: [1, 2])
    func publisherAndViewerAreFollowed(_ loops: Int) async throws {
        try await ServerHarness.with(loops: loops) { server in
            // With two loops every second room lives on the one that does not receive.
            for (index, room) in ["a", "b"].enumerated() {
                let before = await Self.proved(server)
                let (publisher, _) = try await LivePeersTests.client(server, "/\(room)/whip", try Offers.publisher())
                try await publisher.connect()
                let (viewer, _) = try await LivePeersTests.client(server, "/\(room)/whep", try Offers.viewer())
                try await viewer.connect()
                await publisher.send(rtp: (1...20).map { LivePeersTests.video($0, key: $0 == 1) })
                await viewer.wait { $0.receivedRTP.count >= 20 }
                let entry = try #require(await server.directory.room(named: room))
                let transports = await server.service.registry.all.map(\.peer.transport)
                let heard = await Self.heard(transports)
                await viewer.send(rtcp: TestClient.receiverReport)
                #expect(await eventually { await Self.heard(transports) > heard })

                let addresses = [try await viewer.rebind(), try await publisher.rebind()]
                await viewer.send(rtcp: TestClient.receiverReport)
                await publisher.send(rtp: [LivePeersTests.video(21, key: false)])
                #expect(await eventually { await Self.proved(server) == before + 2 })
                var selected: Set<SocketAddress> = []
                for transport in transports {
                    if let tuple = await transport.snapshot.selectedTuple { selected.insert(tuple.remote) }
                }
                #expect(selected == Set(addresses))
                // Media flows both ways on the new addresses.
                let received = await entry.room.snapshot.packetsReceived
                let seen = await viewer.received.count
                await publisher.send(rtp: (1_000...1_009).map { LivePeersTests.video($0, key: $0 == 1_000) })
                #expect(await eventually { await entry.room.snapshot.packetsReceived >= received + 10 })
                await viewer.wait { $0.receivedRTP.count > seen }
                #expect(await server.media.demultiplexer.snapshot.tuples == 4, "room \(index)")
                await publisher.hangUp()
                await viewer.hangUp()
                #expect(await eventually { await server.directory.room(named: room) == nil })
                await publisher.stop()
                await viewer.stop()
            }
            #expect(await eventually { await server.media.demultiplexer.snapshot.sessions == 0 })
            let snapshot = await server.media.demultiplexer.snapshot
            #expect(snapshot.tuples == 0)
            #expect(snapshot.ownChecks == snapshot.provedByOwnChecks + snapshot.failedOwnChecks)
        }
    }

    /// What somebody recorded and sends from elsewhere gets no answer, and nobody is tried for long. It is nobody's, so no
    /// session has dropped it, whichever were tried.
    @Test(arguments: [1, 2])
    func recordedPacketsAskNothing(_ loops: Int) async throws {
        try await ServerHarness.with(loops: loops) { server in
            let (publisher, _) = try await LivePeersTests.client(server, "/a/whip", try Offers.publisher())
            try await publisher.connect()
            let recorded = await publisher.protected(rtp: LivePeersTests.video(1, key: true))
            try await publisher.send(raw: [recorded])
            let entry = try #require(await server.directory.room(named: "a"))
            #expect(await eventually { await entry.room.snapshot.packetsReceived == 1 })
            let (stranger, _) = try await LivePeersTests.client(server, "/b/whip", try Offers.publisher())
            #expect(
                await eventually {
                    try? await stranger.send(raw: [recorded])
                    return await server.media.demultiplexer.snapshot.trials > 3
                })
            let snapshot = await server.media.demultiplexer.snapshot
            #expect(snapshot.ownChecks == 0 && snapshot.tuples == 1)
            #expect(snapshot.unknownTuple > 3)
            #expect(await Self.unvalidated(server) == 0)
            await publisher.stop()
            await stranger.stop()
        }
    }
}
