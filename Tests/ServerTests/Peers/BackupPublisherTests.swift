import Codecs
import HTTP
import Streams
import TestKit
import Testing
import Wire

@testable import Server

/// Backup publishers over real sockets: `POST /{room}/whip?backup`.
@Suite(.timeLimit(.minutes(5))) struct BackupPublisherTests {
    /// Connects a publisher and waits until the server knows its stream.
    private static func publisher(_ server: ServerHarness, _ target: String) async throws -> (LiveClient, String) {
        let (client, location) = try await LivePeersTests.client(server, target, try Offers.publisher())
        try await client.connect()
        return (client, location)
    }

    private static func words(_ events: EventSubscription) -> [String] {
        events.takeAll().compactMap { record in
            switch record.event {
            case .standbyJoined: "waits"
            case .standbyLeft: "left"
            case .publisherSwitched(_, let old, let new, let reason):
                "switched \(old?.protocol.rawValue ?? "nobody") \(new.protocol.rawValue) \(reason.rawValue)"
            case .publisherReplaced(_, let old, let new): "replaced \(old.protocol.rawValue) \(new.protocol.rawValue)"
            case .trackAdded(_, _, _, let codec): "track \(codec.rawValue)"
            case .trackCodecChanged(_, _, let old, let new): "track \(old.rawValue) to \(new.rawValue)"
            default: nil
            }
        }
    }

    @Test func viewersGoOnWithTheBackupOnTheSameStream() async throws {
        // However slow the machine is, nobody counts as silent here.
        try await ServerHarness.with(.made { $0.everyPath { $0.backupSilenceTimeout = .seconds(60) } }) { server in
            let events = server.hub.subscribe()
            let (primary, _) = try await Self.publisher(server, "/a/whip")
            let (backup, _) = try await Self.publisher(server, "/a/whip?backup")
            let (viewer, _) = try await LivePeersTests.client(server, "/a/whep", try Offers.viewer())
            try await viewer.connect()
            await primary.send(rtp: (1...5).map { LivePeersTests.video($0, key: $0 == 1) })
            await backup.send(rtp: (100...105).map { LivePeersTests.video($0, key: $0 == 100) })
            await viewer.wait { $0.receivedRTP.count == 5 }
            await primary.hangUp()
            // The backup is asked for the keyframe it begins with.
            await backup.wait { $0.receivedRTCP.contains { TestPackets.hasPictureLossIndication($0) } }
            await backup.send(rtp: (106...110).map { LivePeersTests.video($0, key: $0 == 106) })
            await viewer.wait { $0.receivedRTP.count == 10 }
            let numbers = await viewer.received.map { UInt16($0[2]) << 8 | UInt16($0[3]) }
            #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $1 &- $0 == 1 })
            #expect(Set(await viewer.received.map { Array($0[8..<12]) }).count == 1)
            #expect(Self.words(events) == ["track VP8", "track opus", "waits", "switched nobody whip ended"])
            for client in [primary, backup, viewer] { await client.stop() }
        }
    }

    @Test func aBackupTooManyIsToldSo() async throws {
        try await ServerHarness.with(.made { $0.everyPath { $0.maxBackupPublishers = 1 } }) { server in
            let offer = try Offers.publisher()
            _ = try await server.session("/a/whip", offer)
            _ = try await server.session("/a/whip?backup", offer)
            let refused = try await server.post("/a/whip?backup=yes", offer)
            #expect(refused.status == 503 && refused.headers["Retry-After"] == "10")
            #expect(bodyText(refused).contains("maxBackupPublishers"))
            #expect(await server.service.registry.count == 2)
            #expect(server.service.peers.count == 2)
            // No backup after all: it takes the room over.
            let events = server.hub.subscribe()
            _ = try await server.session("/a/whip?backup=no", offer)
            #expect(await eventually { await server.service.registry.count == 2 })
            #expect(Self.words(events) == ["replaced whip whip"])
            for session in await server.service.registry.all { _ = await server.service.end(session.id, .deleted) }
            #expect(await eventually { server.service.peers.count == 0 })
            #expect(await eventually { await server.directory.count == 0 })
        }
    }

    @Test func theSettingsOfAPathBecomeTheRoomsPolicy() throws {
        let settings = try SettingsLoader.load(
            yaml: Array(
                """
                paths:
                  a: {publisherHoldTimeout: 1m, backupPublishers: always, maxBackupPublishers: 0, backupSilenceTimeout: 700ms, backupReturn: never}
                  b: {backupReturn: immediately}
                  c: {backupReturn: 1s500ms}
                """.utf8)
        ).settings
        func policy(_ room: String) throws -> RoomPolicy { RoomPolicy(try #require(settings.room(named: room))) }
        let a = try policy("a")
        #expect(a.publisherAbsenceNanoseconds == 60_000_000_000)
        #expect(a.standby.everyFurtherPublisherWaits && a.standby.maximumBackups == 0)
        #expect(a.standby.silenceNanoseconds == 700_000_000 && a.standby.returning == .never)
        #expect(try policy("b").standby.returning == .afterNanoseconds(0))
        #expect(try policy("c").standby.returning == .afterNanoseconds(1_500_000_000))
        #expect(throws: (any Error).self) {
            try SettingsLoader.load(yaml: Array("paths:\n  a: {backupReturn: soon}".utf8))
        }
    }
}
