import Loop
import RTSP
import Streams
import Synchronization
import Testing
import Wire

@testable import Server

/// How long sources live, and who waits for them.
@Suite struct RTSPSourceTests {
    typealias Client = RTSPServerTests.Client

    private func demand(_ settings: inout PathSettings, _ origin: SocketAddress, waits: Duration = .seconds(60)) {
        settings.source = RTSPURL("rtsp://\(origin)/cam").map { .rtsp($0) } ?? .publisher
        settings.sourceOnDemand = true
        settings.sourceOnDemandStartTimeout = waits
        settings.sourceOnDemandCloseAfter = .zero
        settings.rtspTransport = .tcp
    }

    private func room(_ name: String, _ server: MartletServer) async throws -> RoomSettings {
        try #require(await server.running?.rtsp?.service.settings().room(named: name))
    }

    /// Each viewer waits as long as the settings say, whenever the others came.
    @Test func whoComesLaterWaitsLonger() async throws {
        try await RTSPServerTests.withServer { _, origin, loop in
            // The source agrees to play and has nothing yet.
            var publisher = try await Client(origin, loop)
            _ = await publisher.publish("rtsp://\(origin)/cam")
            try await RTSPServerTests.withServer { settings in
                settings.everyPath { demand(&$0, origin, waits: .seconds(6)) }
            } _: { server, _, _ in
                let (settings, pauses) = (try await room("pulled", server), HeldPauses())
                let source = RTSPSource(
                    try #require(settings.path.source.rtspURL), settings: settings,
                    service: try #require(await server.running?.rtsp?.service), resolver: HostResolver(),
                    pause: { await pauses.hold($0) })
                let first = Task { await source.bring() }
                #expect(await eventually { pauses.lengths == [.seconds(6)] })
                let second = Task { await source.bring() }
                #expect(await eventually { pauses.lengths == [.seconds(6), .seconds(6)] })
                pauses.end(0)
                #expect(await first.value == false)
                #expect(await source.waiterCount == 1)
                await publisher.raw.send(RTSPServerTests.frame(RTSPServerTests.packet(1, isKeyframe: true)))
                #expect(await second.value == true)
                await source.end()
            }
        }
    }

    /// A pattern's rooms are named by those who watch: what nobody watches any more leaves nothing behind.
    @Test func sourcesOfPatternsGoWithTheirViewers() async throws {
        try await RTSPServerTests.withServer { origin, originAddress, loop in
            var publisher = try await Client(originAddress, loop)
            _ = await publisher.publish("rtsp://\(originAddress)/cam")
            try await RTSPServerTests.withServer { settings in
                settings.everyPath { demand(&$0, originAddress) }
            } _: { server, address, _ in
                let sources = try #require(await server.running?.sources)
                try await RTSPServerTests.feeding(publisher) {
                    for round in 1...2 {
                        for name in ["a", "b"] {
                            var reader = try await Client(address, loop)
                            #expect(await reader.play("rtsp://\(address)/\(name)").last == RTSPServerTests.success)
                            #expect(await reader.packet().count == 54)
                            #expect(sources.patternedCount >= 1)
                            await reader.raw.abort()
                        }
                        #expect(await eventually { sources.patternedCount == 0 }, "round \(round)")
                    }
                }
                let directory = try #require(await origin.running?.directory)
                let room = try #require(await directory.room(named: "cam")).room
                #expect(await eventually { await room.snapshot.viewers.isEmpty })
            }
        }
    }

    /// One whose source is not there leaves nothing behind either.
    @Test func aSourceThatNeverPlayedIsForgotten() async throws {
        try await RTSPServerTests.withServer { settings in
            guard let nowhere = SocketAddress(host: "127.0.0.1", port: 1) else { return }
            settings.everyPath { demand(&$0, nowhere, waits: .milliseconds(10)) }
        } _: { server, address, loop in
            let sources = try #require(await server.running?.sources)
            var reader = try await Client(address, loop)
            #expect(await reader.ask("DESCRIBE rtsp://\(address)/a").hasPrefix("RTSP/1.0 404"))
            #expect(await eventually { sources.patternedCount == 0 })
        }
    }

    @Test func soManySourcesOfPatternsAndNoMore() async throws {
        try await RTSPServerTests.withServer { _, origin, _ in
            try await RTSPServerTests.withServer { settings in
                settings.everyPath { demand(&$0, origin) }
            } _: { server, _, _ in
                let service = try #require(await server.running?.rtsp?.service)
                let sources = RTSPSources(service: service, maximumPatterned: 2)
                let rooms = [try await room("a", server), try await room("b", server), try await room("c", server)]
                let waiting = rooms[..<2].map { room in Task { await sources.bring(room) } }
                #expect(await eventually { sources.patternedCount == 2 })
                #expect(await sources.bring(rooms[2]) == .tooMany)
                #expect(service.clientCounters.sourcesRefused.load(ordering: .relaxed) == 1)
                // Those that are there may have any number of viewers.
                let another = Task { await sources.bring(rooms[0]) }
                await sources.stop()
                for task in waiting { #expect(await task.value != .plays) }
                #expect(await another.value != .plays)
                #expect(await sources.bring(rooms[0]) == .tooMany)
                #expect(sources.patternedCount == 0)
                // It is a limit that a viewer meets, and no other session in the way.
                let signaling = try #require(await server.running?.service)
                signaling.use(sources)
                let request = SignalingRequest(
                    room: rooms[0], offer: Array(try Offers.viewer().utf8), remote: SocketAddress(ipv4: 1, port: 1),
                    isForwarded: false)
                do throws(SignalingError) {
                    _ = try await signaling.view(request)
                    Issue.record("a viewer got in")
                } catch {
                    #expect(error.reason == .limitReached && error.detail.contains("maximumPatterned"))
                }
            }
        }
    }
}

/// Pauses that end when the test says so, and not with time.
private final class HeldPauses: Sendable {
    private let all = Mutex<[(length: Duration, end: AsyncStream<Void>.Continuation)]>([])

    var lengths: [Duration] { all.withLock { $0.map(\.length) } }

    func hold(_ length: Duration) async {
        let (pause, end) = AsyncStream.makeStream(of: Void.self)
        all.withLock { $0.append((length, end)) }
        for await _ in pause {}
    }

    func end(_ index: Int) { all.withLock { $0[index].end }.finish() }
}
