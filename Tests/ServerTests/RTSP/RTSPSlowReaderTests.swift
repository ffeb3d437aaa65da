import Loop
import RTSP
import Streams
import Synchronization
import Testing
import Wire

@testable import Server

/// Readers that do not take what they are sent (RTSP-28).
@Suite struct RTSPSlowReaderTests {
    private typealias Client = RTSPServerTests.Client
    private static let packetsPerRound: UInt16 = 100

    /// Publishes packets, a keyframe first, and reads them with whoever keeps up.
    private static func round(
        _ publisher: Client, _ reader: Client, from first: UInt16, size: Int = 1_300
    ) async -> UInt16 {
        for number in first..<first + packetsPerRound {
            let packet = RTSPServerTests.packet(number, isKeyframe: number == first, size: size)
            await publisher.raw.send(RTSPServerTests.frame(packet))
        }
        for _ in 0..<packetsPerRound { #expect(await reader.packet().count == size + 14) }
        return first + packetsPerRound
    }

    /// A publisher, a reader that keeps up, and one that has stopped reading.
    private struct Scene {
        let server: MartletServer
        let publisher: Client
        let reader: Client
        let stalled: Client

        static func with(
            writeTimeout: Duration? = nil, _ body: (Scene) async throws -> Void
        ) async throws {
            try await RTSPServerTests.withServer {
                $0.writeQueueSize = 64
                if let writeTimeout { $0.writeTimeout = writeTimeout }
            } _: { server, address, loop in
                let url = "rtsp://\(address)/cam1"
                var publisher = try await Client(address, loop)
                _ = await publisher.publish(url)
                var stalled = try await Client(address, loop)
                var reader = try await Client(address, loop)
                _ = await stalled.play(url)
                _ = await reader.play(url)
                await stalled.raw.pauseReading()
                try await body(Scene(server: server, publisher: publisher, reader: reader, stalled: stalled))
            }
        }

        func round(from first: UInt16) async -> UInt16 {
            await RTSPSlowReaderTests.round(publisher, reader, from: first)
        }
    }

    @Test func aReaderThatFallsBehindGoesOnAtAKeyframe() async throws {
        try await Scene.with { scene in
            let (server, stalled) = (scene.server, scene.stalled)
            let counters = try #require(await server.running?.rtsp?.service).counters
            var sent: UInt16 = 0
            while sent < 20_000, counters.slowReaderSkips.load(ordering: .relaxed) == 0 {
                sent = await scene.round(from: sent)
            }
            #expect(counters.slowReaderSkips.load(ordering: .relaxed) == 1)
            await stalled.raw.resumeReading()
            // Whole packets come, and behind the gap in the numbers the first begins a keyframe.
            var parser = RTSPStreamParser()
            var previous: UInt16?
            var gaps = 0
            while gaps == 0 {
                let bytes = await stalled.raw.takeReceived()
                try #require(!bytes.isEmpty, "the reader was ended")
                bytes.withBytes { parser.append($0) }
                while case .frame(0, let range)? = try parser.next() {
                    let packet = parser.withBytes(range) { $0.array }
                    let number = Self.number(of: packet)
                    if let previous, number != previous &+ 1 {
                        gaps += 1
                        #expect(packet[12] == 0x65)
                    }
                    previous = number
                }
                sent = await scene.round(from: sent)
            }
            #expect(gaps == 1)
            #expect(counters.slowReadersEnded.load(ordering: .relaxed) == 0)
        }
    }

    /// More than may wait for a connection is sent bit by bit: a late reader does not wait for the next keyframe.
    @Test func aLateReaderOfALongGroupBeginsAtItsKeyframe() async throws {
        try await RTSPServerTests.withServer {
            $0.writeQueueSize = 64
        } _: { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            _ = await publisher.publish(url)
            var reader = try await Client(address, loop)
            _ = await reader.play(url)
            let count = 1_500 as UInt16
            for number in 0..<count {
                let packet = RTSPServerTests.packet(number, isKeyframe: number == 0, size: 1_300)
                await publisher.raw.send(RTSPServerTests.frame(packet))
                if number % 50 == 49 {
                    for _ in 0..<50 { #expect(await reader.packet().count == 1_314) }
                }
            }
            var late = try await Client(address, loop)
            _ = await late.play(url)
            var first: UInt16?
            for index in 0..<count {
                let packet = await late.packet()
                try #require(packet.count == 1_314)
                let number = Self.number(of: packet)
                if index == 0 { #expect(packet[12] == 0x65) }
                #expect(number == (first ?? number) &+ index)
                first = first ?? number
            }
            let counters = try #require(await server.running?.rtsp?.service).counters
            #expect(counters.startsAbandoned.load(ordering: .relaxed) == 0)
        }
    }

    @Test func aReaderThatTakesNothingForWriteTimeoutIsEnded() async throws {
        try await Scene.with(writeTimeout: .milliseconds(50)) { scene in
            let server = scene.server
            let ends = Mutex<[EndReason]>([])
            let token = server.events.subscribe { record in
                if case .viewerLeft(_, _, let reason) = record.event { ends.withLock { $0.append(reason) } }
            }
            let service = try #require(await server.running?.rtsp?.service)
            var sent: UInt16 = 0
            while sent < 60_000, service.counters.slowReadersEnded.load(ordering: .relaxed) == 0 {
                sent = await scene.round(from: sent)
            }
            #expect(service.counters.slowReadersEnded.load(ordering: .relaxed) == 1)
            // The other goes on, and the end has been told.
            _ = await scene.round(from: sent)
            #expect(ends.withLock { $0 } == [.tooSlow])
            server.events.cancel(token)
        }
    }

    private static func number(of packet: [UInt8]) -> UInt16 { UInt16(packet[2]) << 8 | UInt16(packet[3]) }
}

/// When runs of packets go out.
@Suite struct RTSPGatheringTests {
    private func patience(_ gathering: RTSPGathering, marker: Bool) -> UInt64? {
        ([0x80, marker ? 0xE0 : 0x60, 0, 1] as [UInt8]).withBytes { gathering.patience(after: $0) }
    }

    @Test func withFewReadersNothingWaits() {
        for kind in [MediaKind.video, .audio] {
            var gathering = RTSPGathering(kind: kind)
            gathering.readerCount = RTSPGathering.readers - 1
            gathering.isAccompanied = true
            #expect(patience(gathering, marker: false) == nil)
        }
    }

    @Test func withManyReadersVideoWaitsForTheEndOfItsFrameAndAudioForVideo() {
        var video = RTSPGathering(kind: .video)
        video.readerCount = RTSPGathering.readers
        #expect(patience(video, marker: false) == RTSPGathering.frameMilliseconds)
        #expect(patience(video, marker: true) == nil)
        var audio = RTSPGathering(kind: .audio)
        audio.readerCount = RTSPGathering.readers
        #expect(patience(audio, marker: true) == nil)
        audio.isAccompanied = true
        #expect(patience(audio, marker: true) == RTSPGathering.audioMilliseconds)
    }
}
