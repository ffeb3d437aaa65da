import ICE
import Loop
import Streams
import Testing
import Wire

@testable import Server

@Suite struct SessionRegistryTests {
    static let address = SocketAddress(ipv4: 0xC000_0201, port: 1)
    static let room = RoomSettings(room: "a", version: 1, entry: "all", path: PathSettings())

    /// A session that exists only in the registry's table.
    static func session(
        _ server: ServerHarness, _ number: UInt64, _ ticket: SessionLimits.Ticket
    ) throws -> WebRTCSession {
        let loop = server.media.loops[0]
        let room = Room(name: "a", loop: loop, policy: RoomPolicy(), firstTrackID: 1) { _ in }
        let viewer = WebRTCViewer(
            transport: try DatagramMailboxTests.transport(server.media, on: loop), room: room, formats: [],
            onConnected: {}, onEnd: { _, _ in })
        return WebRTCSession(
            id: "session \(number)", role: .viewer,
            description: PeerDescription(id: PeerID(number), protocol: .whep), peer: .viewer(viewer),
            entityTag: "\"x\"", ice: AnsweredICE(), tokenDigest: nil,
            ticket: ticket)
    }

    static func registry(sessions: Int = 1) -> SessionRegistry {
        var settings = ServerSettings()
        settings.maxSessions = sessions
        return SessionRegistry(limits: SessionLimits(settings))
    }

    @Test func aPlaceIsGivenBackHoweverItsSessionEnds() async throws {
        try await ServerHarness.with { server in
            let registry = Self.registry()
            func admit() async throws -> SessionLimits.Ticket {
                try await registry.admit(.viewer, room: Self.room, from: Self.address)
            }
            // Never made.
            await registry.abandon(try await admit())
            // Deleted: of two DELETEs one wins.
            var ticket = try await admit()
            await registry.add(try Self.session(server, 1, ticket))
            #expect(await registry.remove("session 1") != nil)
            #expect(await registry.remove("session 1") == nil)
            await registry.forget(PeerID(1), ticket)
            // Gone by itself.
            ticket = try await admit()
            await registry.add(try Self.session(server, 2, ticket))
            await #expect(throws: SessionLimits.Refusal.maxSessions) { _ = try await admit() }
            await registry.forget(PeerID(2), ticket)
            #expect(await registry.session("session 2") == nil)
            // Gone before it was added.
            ticket = try await admit()
            await registry.forget(PeerID(3), ticket)
            await registry.add(try Self.session(server, 3, ticket))
            #expect(await registry.count == 0)
            #expect(await registry.pendingCount == 0)
            _ = try await admit()
            #expect(await registry.refusals.first { $0.limit == .maxSessions }?.count == 1)
        }
    }
}
