import HTTP
import Loop
import RTP
import Secure
import Streams
import TestKit
import Testing
import Wire

@testable import Server

/// Publishers and viewers over real sockets on loopback, on one media loop and on two.
@Suite struct LivePeersTests {
    /// A VP8 keyframe of one packet, or a frame that needs one.
    static func video(_ number: UInt16, key: Bool) -> [UInt8] {
        let payload: [UInt8] =
            key ? [0x10, 0x10, 0, 0, 0x9D, 0x01, 0x2A, 64, 0, 64, 0, 1, 2, 3] : [0x10, 0x11, 0, 0, 4, 5, 6]
        var packet = TestClient.packet(ssrc: 77, sequenceNumber: number, payload: payload)
        packet[1] |= 0x80
        packet.set(bigEndian: UInt32(number) * 3_000, at: 4)
        return packet
    }

    static func client(_ server: ServerHarness, _ target: String, _ offer: String) async throws -> (
        LiveClient, location: String
    ) {
        let response = try await server.post(target, offer)
        try #require(response.status == 201, "\(bodyText(response))")
        let client = try LiveClient(answer: bodyText(response), server: server.mediaAddress)
        return (client, try #require(response.headers["Location"]))
    }

    @Test(arguments: [1, 2])
    func mediaGoesFromAPublisherToItsViewers(_ loops: Int) async throws {
        try await ServerHarness.with(loops: loops) { server in
            // With two loops every second room lives on the one that does not receive.
            for room in ["a", "b"] {
                let (publisher, location) = try await Self.client(server, "/\(room)/whip", try Offers.publisher())
                try await publisher.connect()
                let (viewer, _) = try await Self.client(server, "/\(room)/whep", try Offers.viewer())
                try await viewer.connect()
                // The viewer's connection asks the publisher for a keyframe.
                await publisher.send(rtp: [Self.video(0, key: false)])
                await publisher.wait { client in
                    client.receivedRTCP.contains { TestPackets.hasPictureLossIndication($0) }
                }
                await publisher.send(rtp: (1...20).map { Self.video($0, key: $0 == 1) })
                await viewer.wait { $0.receivedRTP.count >= 20 }
                let received = await viewer.received
                #expect(received.count == 20)
                #expect(Set(received.map { $0.count }).count == 2)
                await viewer.wait { !$0.receivedRTCP.isEmpty }

                let entry = try #require(await server.directory.room(named: room))
                let snapshot = await entry.room.snapshot
                #expect(snapshot.packetsReceived == 21)
                #expect(snapshot.packetsSent == 20)
                #expect(snapshot.viewers.count == 1)

                // DELETE closes the transport at once.
                #expect(try await server.respond(.delete, location).status == 200)
                await publisher.wait { $0.dtls.state == .closed }
                await viewer.hangUp()
                #expect(await eventually { await server.directory.room(named: room) == nil })
                await publisher.stop()
                await viewer.stop()
            }
            #expect(await eventually { await server.service.registry.count == 0 })
            let snapshot = await server.media.demultiplexer.snapshot
            #expect(snapshot.sessions == 0 && snapshot.tuples == 0)
            #expect(snapshot.mailboxOverflow == 0)
        }
    }

    @Test func eventsNameWhoCameAndWhyTheyWent() async throws {
        try await ServerHarness.with { server in
            let events = server.hub.subscribe()
            let (publisher, _) = try await Self.client(server, "/a/whip", try Offers.publisher())
            try await publisher.connect()
            let (rival, _) = try await Self.client(server, "/a/whip", try Offers.publisher())
            await publisher.wait { $0.dtls.state == .closed }
            try await rival.connect()
            await rival.hangUp()
            #expect(await eventually { await server.service.registry.count == 0 })
            var words: [String] = []
            while words.count < 4, let record = await events.next() {
                switch record.event {
                case .publisherStarted: words.append("started")
                case .publisherStopped(_, _, let reason): words.append("stopped \(reason.rawValue)")
                default: break
                }
            }
            #expect(words == ["started", "stopped replaced", "started", "stopped left"])
            await publisher.stop()
            await rival.stop()
        }
    }

    @Test func aPublisherWithAnotherCodecSendsItsViewersAway() async throws {
        try await ServerHarness.with { server in
            let (publisher, _) = try await Self.client(server, "/a/whip", try Offers.publisher())
            try await publisher.connect()
            let (viewer, _) = try await Self.client(server, "/a/whep", try Offers.viewer())
            try await viewer.connect()
            // One that has its answer, but is not connected yet.
            let (late, _) = try await Self.client(server, "/a/whep", try Offers.viewer())
            _ = try await Self.client(server, "/a/whip", try Offers.make(direction: "sendonly", videoCodec: "VP9"))
            await viewer.wait { $0.dtls.state == .closed }
            try await late.connect()
            await late.wait { $0.dtls.state == .closed }
            #expect(await eventually { await server.service.registry.count == 1 })
            for client in [publisher, viewer, late] { await client.stop() }
        }
    }

    @Test func theServerIsDTLSClientWhenItHasToBe() async throws {
        try await ServerHarness.with { server in
            let response = try await server.post(
                "/a/whip", try Offers.make(direction: "sendonly", setup: "passive"))
            let answer = bodyText(response)
            #expect(answer.contains("a=setup:active"))
            let client = try LiveClient(answer: answer, server: server.mediaAddress, role: .server)
            try await client.connect()
            await client.send(rtp: [Self.video(1, key: true)])
            let entry = try #require(await server.directory.room(named: "a"))
            #expect(await eventually { await entry.room.snapshot.packetsReceived == 1 })
            await client.stop()
        }
    }
}

enum TestPackets {
    static func hasPictureLossIndication(_ compound: [UInt8]) -> Bool {
        compound.withBytes { bytes in
            var packets = RTCPIterator()
            while let packet = try? packets.next(in: bytes) {
                if case .pictureLossIndication = packet { return true }
            }
            return false
        }
    }
}
