import HTTP
import Loop
import Streams
import TestKit
import Testing
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

    /// What somebody recorded and sends from elsewhere gets no answer, and nobody is tried for long.
    @Test func recordedPacketsAskNothing() async throws {
        try await ServerHarness.with { server in
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
            await publisher.stop()
            await stranger.stop()
        }
    }
}
