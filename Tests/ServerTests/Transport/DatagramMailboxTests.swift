import ICE
import Loop
import Secure
import TestKit
import Testing
import WebRTC
import Wire

@testable import Server

@Suite struct DatagramMailboxTests {
    static func transport(_ media: MediaPlane, on loop: EventLoop) throws -> PeerTransport {
        let draft = try #require(SessionDraft(publishing: true))
        return PeerTransport(
            peerID: PeerID(1), localUfrag: draft.ufragKey,
            configuration: TransportConfiguration(
                localCredentials: draft.credentials, remoteCredentials: TestClient.credentials,
                remoteFingerprints: [], role: .server, identity: media.identity),
            loop: loop, arena: media.arena(of: loop), demultiplexer: media.demultiplexer,
            handshakes: media.handshakes(of: loop),
            startedAt: MonotonicClock.now)
    }

    static let tuple = TransportTuple(
        local: SocketAddress(ipv4: 0x7F00_0001, port: 1), remote: SocketAddress(ipv4: 0x7F00_0001, port: 2))

    @Test func datagramsReachTheOtherLoopInOneBatchOrMore() async throws {
        try await ServerHarness.with(loops: 2) { server in
            let loop = server.media.loops[1]
            let mailbox = DatagramMailbox(to: loop)
            await mailbox.open()
            let transport = try Self.transport(server.media, on: loop)
            for number in 0..<1_000 {
                let packet = TestClient.packet(sequenceNumber: UInt16(number))
                let fitted = packet.withBytes {
                    mailbox.append($0, for: transport, on: Self.tuple, at: MonotonicClock.now)
                }
                #expect(fitted)
            }
            // Nobody proved that tuple, so it is not the session's own traffic.
            #expect(await eventually { await transport.snapshot.drops.unvalidatedTuple == 1_000 })
            #expect(await transport.snapshot.packetsReceived == 0)
            #expect(await transport.snapshot.bytesReceived == 0)
        }
    }

    @Test func aLoopThatFallsBehindLosesDatagramsAndNothingElse() async throws {
        try await ServerHarness.with(loops: 2) { server in
            let loop = server.media.loops[1]
            let mailbox = DatagramMailbox(to: loop)
            let transport = try Self.transport(server.media, on: loop)
            // Not open yet: nobody takes anything out.
            let packet = TestClient.packet(sequenceNumber: 1)
            var fitted = 0
            for _ in 0..<DatagramMailbox.packetCapacity + 100 {
                let didFit = packet.withBytes {
                    mailbox.append($0, for: transport, on: Self.tuple, at: MonotonicClock.now)
                }
                if didFit { fitted += 1 }
            }
            #expect(fitted == DatagramMailbox.packetCapacity)
            let full = [UInt8](repeating: 0, count: 1_500)
            #expect(!full.withBytes { mailbox.append($0, for: transport, on: Self.tuple, at: MonotonicClock.now) })
        }
    }
}
