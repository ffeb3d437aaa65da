import HTTP
import Loop
import Streams
import TestKit
import Testing
import Wire

@testable import ICE
@testable import Server

/// ICE-TCP over real sockets on loopback (ICE-36, ICE-37; row I15 of the table).
@Suite struct StreamTransportTests {
    private static func client(
        _ server: ServerHarness, _ target: String, _ offer: String
    ) async throws -> (StreamClient, location: String) {
        let response = try await server.post(target, offer)
        try #require(response.status == 201, "\(bodyText(response))")
        return (try StreamClient(answer: bodyText(response)), try #require(response.headers["Location"]))
    }

    @Test func candidatesOfTCPComeAfterThoseOfUDP() async throws {
        try await ServerHarness.with(streams: true) { server in
            let answer = bodyText(try await server.post("/a/whip", try Offers.publisher()))
            let lines = answer.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("a=candidate:") }
            let port = try #require(server.media.streamAddresses.first).port
            #expect(lines.count == 2)
            #expect(lines.first?.contains(" udp 2130706431 127.0.0.1 \(server.mediaAddress.port) typ host") == true)
            #expect(lines.last == "a=candidate:2 1 tcp 2124414975 127.0.0.1 \(port) typ host tcptype passive")
        }
    }

    @Test func withoutStreamsThereIsNoCandidateOfTCP() async throws {
        try await ServerHarness.with { server in
            let answer = bodyText(try await server.post("/a/whip", try Offers.publisher()))
            #expect(!answer.contains(" tcp "))
        }
    }

    @Test(arguments: [1, 2])
    func mediaGoesBothWaysOverTCP(_ loops: Int) async throws {
        try await ServerHarness.with(loops: loops, streams: true) { server in
            // With two loops every second room lives on the one that does not accept.
            for room in ["a", "b"] {
                let (publisher, location) = try await Self.client(server, "/\(room)/whip", try Offers.publisher())
                try await publisher.connect()
                let (viewer, _) = try await Self.client(server, "/\(room)/whep", try Offers.viewer())
                try await viewer.connect()
                await publisher.send(rtp: [LivePeersTests.video(0, key: false)])
                await publisher.wait { client in
                    client.receivedRTCP.contains { TestPackets.hasPictureLossIndication($0) }
                }
                await publisher.send(rtp: (1...40).map { LivePeersTests.video($0, key: $0 == 1) })
                await viewer.wait { $0.receivedRTP.count >= 40 }
                #expect(server.media.streamCounters.snapshot.open == 2)
                #expect(await server.media.demultiplexer.snapshot.tuples == 0)

                // The end of a session is the end of its connection, after the last of it was sent.
                #expect(try await server.respond(.delete, location).status == 200)
                #expect(await eventually { await publisher.isClosed })
                for session in await server.service.registry.all {
                    _ = await server.service.end(session.id, .deleted)
                }
                #expect(await eventually { await viewer.isClosed })
                #expect(await eventually { server.media.streamCounters.snapshot.open == 0 })
                await publisher.stop()
                await viewer.stop()
            }
        }
    }

    /// A connection that is lost takes no session with it: the client may dial again within the grace.
    @Test func aClientMayDialAgain() async throws {
        try await ServerHarness.with(loops: 2, streams: true) { server in
            let (client, _) = try await Self.client(server, "/a/whip", try Offers.publisher())
            try await client.connect()
            let entry = try #require(await server.directory.room(named: "a"))
            await client.send(rtp: [LivePeersTests.video(1, key: true)])
            #expect(await eventually { await entry.room.snapshot.packetsReceived == 1 })
            await client.hangUp()
            #expect(await eventually { server.media.streamCounters.snapshot.open == 0 })
            #expect(await server.service.registry.count == 1)
            try await client.dial()
            await client.send(framed: await client.check())
            await client.send(rtp: [LivePeersTests.video(2, key: false)])
            #expect(await eventually { await entry.room.snapshot.packetsReceived == 2 })
            await client.stop()
        }
    }

    enum Beginning: CaseIterable { case junk, stranger, wrongPassword, tooLong, media, endless }

    @Test(arguments: Beginning.allCases)
    func aConnectionHasToBeginWithACheckOfASession(_ beginning: Beginning) async throws {
        try await ServerHarness.with(loops: 2, streams: true) { server in
            let (client, _) = try await Self.client(server, "/a/whip", try Offers.publisher())
            try await client.dial()
            switch beginning {
            case .junk: await client.send(framed: [UInt8](repeating: 7, count: 100))
            case .stranger:
                var check = await client.check()
                check[28] ^= 1
                await client.send(framed: check)
            case .wrongPassword: await client.send(framed: await client.check(password: "guess"))
            case .tooLong: await client.send(raw: [0xFF, 0xFF])
            case .media: await client.send(framed: TestClient.packet(sequenceNumber: 1))
            case .endless: await client.send(raw: [8, 0] + [UInt8](repeating: 1, count: 5_000))
            }
            #expect(await eventually { await client.isClosed })
            #expect(await eventually { server.media.streamCounters.snapshot.invalid == 1 })
            #expect(await eventually { server.media.streamCounters.snapshot.open == 0 })
            #expect(await server.service.registry.count == 1)
            await client.stop()
        }
    }

    /// ICE-37: of connections that say nothing, or one byte, an address has few.
    @Test func silentConnectionsOfOneAddressAreFew() async throws {
        try await ServerHarness.with(streams: true, firstFrameMilliseconds: 600_000) { server in
            var clients: [StreamClient] = []
            let answer = bodyText(try await server.post("/a/whip", try Offers.publisher()))
            let limit = StreamLimits.maximumUnprovenPerAddress
            for number in 0..<limit + 10 {
                let client = try StreamClient(answer: answer)
                try await client.dial()
                if number % 2 == 0 { await client.send(raw: [0]) }
                clients.append(client)
            }
            #expect(await eventually { server.media.streamCounters.snapshot.refused == 10 })
            #expect(await server.media.streamListener.unprovenCount == limit)
            for client in clients { await client.stop() }
            #expect(await eventually { server.media.streamCounters.snapshot.open == 0 })
            // There is room again.
            let (client, _) = try await Self.client(server, "/b/whip", try Offers.publisher())
            try await client.connect()
            await client.stop()
        }
    }

    @Test func silentConnectionsAreSoonGone() async throws {
        try await ServerHarness.with(streams: true, firstFrameMilliseconds: 1) { server in
            let answer = bodyText(try await server.post("/a/whip", try Offers.publisher()))
            let clients = try (0..<4).map { _ in try StreamClient(answer: answer) }
            for client in clients { try await client.dial() }
            #expect(await eventually { server.media.streamCounters.snapshot.timedOut == 4 })
            #expect(server.media.streamCounters.snapshot.open == 0)
            for client in clients {
                #expect(await eventually { await client.isClosed })
                await client.stop()
            }
        }
    }

    /// A client that takes nothing loses whole frames, and what it takes later is sound.
    @Test func aClientThatDoesNotReadLosesWholeFrames() async throws {
        try await ServerHarness.with(streams: true) { server in
            let (publisher, _) = try await Self.client(server, "/a/whip", try Offers.publisher())
            try await publisher.connect()
            let (viewer, _) = try await Self.client(server, "/a/whep", try Offers.viewer())
            try await viewer.connect()
            await publisher.send(rtp: [LivePeersTests.video(0, key: false)])
            await publisher.wait { client in
                client.receivedRTCP.contains { TestPackets.hasPictureLossIndication($0) }
            }
            await viewer.stopReading()
            let arena = server.media.arenas[0]
            var number: UInt16 = 0
            var dropped: UInt64 = 0
            for _ in 0..<200 where dropped == 0 {
                let packets = (0..<100).map { _ -> [UInt8] in
                    number &+= 1
                    return LivePeersTests.video(number, key: number == 1) + [UInt8](repeating: 9, count: 1_000)
                }
                await publisher.send(rtp: packets)
                dropped = await arena.streamStatistics.framesDropped
            }
            #expect(await eventually { await arena.streamStatistics.framesDropped > 0 })
            await viewer.goOnReading()
            await viewer.wait { $0.receivedRTP.count > 100 }
            #expect(server.media.streamCounters.snapshot.open == 2)
            await publisher.stop()
            await viewer.stop()
        }
    }
}
