import Codecs
import Conversion
import Foundation
import Glibc
import Loop
import RTP
import Streams
import Synchronization
import TestKit
import Testing
import Wire

@testable import Server

/// Conversions with a program of a few lines in the transcoder's place.
@Suite struct SoundConversionTests {
    /// Says that it is ready, and makes an Opus packet of two bytes of every frame, at the frame's own time.
    private static let obliging = """
        #!/bin/bash
        while m=$(dd bs=65536 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \\n') && [ -n "$m" ]; do
          case $m in
            0101*) printf '\\x01\\x81\\x00\\x04fake1' >&3 ;;
            0102*) t=${m:6:16}; printf "$(sed 's/../\\\\x&/g' <<< "0182${t}fc09")" >&3 ;;
          esac
        done
        """
    private static let refusing = """
        #!/bin/bash
        dd bs=65536 count=1 <&3 >/dev/null 2>&1
        printf '\\x01\\x83\\x01no such decoder' >&3
        read -r never <&3
        """
    /// Answers two beginnings after the second of them, each with a packet.
    private static let late = """
        #!/bin/bash
        n=0
        while m=$(dd bs=65536 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \\n') && [ -n "$m" ]; do
          case $m in 0101*) n=$((n+1)) ;; *) continue ;; esac
          [ $n = 2 ] || continue
          for t in 1 2; do
            printf '\\x01\\x81\\x00\\x04fake1' >&3
            printf "\\x01\\x82\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x0$t\\xfc\\x09" >&3
          done
        done
        """
    private static let deaf = "#!/bin/bash\nsleep 1000\n"

    private static let aac = TrackFormat(
        codec: .otherAudio, channels: 2,
        parameters: [
            .init(name: "mode", value: "AAC-hbr"), .init(name: "sizelength", value: "13"),
            .init(name: "indexlength", value: "3"), .init(name: "indexdeltalength", value: "3"),
            .init(name: "config", value: "1190"),
        ], encodingName: "MPEG4-GENERIC", clockRate: 48_000)

    private final class Publisher: PublisherHandle {
        let peerID = PeerID(1_000)
        func requestKeyframe(_ kind: MediaKind, layer: Int) {}
        func wasReplaced() {}
    }

    private final class Viewer: ViewerHandle {
        let peerID = PeerID(1_001)
        private let state = Mutex([ViewerEnd]())
        func end(_ reason: ViewerEnd) { state.withLock { $0.append(reason) } }
        var ends: [ViewerEnd] { state.withLock { $0 } }
    }

    /// A room with AAC whose conversions use `program`.
    private struct Scene {
        let harness: ServerHarness
        let conversions: SoundConversions
        let entry: RoomEntry
        var publication: Publication
        let sink = FakeSink()
        let viewer = Viewer()
        let events: EventNames
        let current: CurrentSettings
        /// Of the program.
        let file: String

        func conversion() async throws -> SoundConversion {
            try #require(await entry.room.soundConverter as? SoundConversion)
        }

        /// A listener to what WHEP viewers are offered.
        func listen() async throws {
            let formats = await harness.service.viewerFormats(of: entry.room)
            let format = try #require(formats.first { $0.codec == .opus })
            let (room, sink) = (entry.room, sink)
            try await room.join(viewer)
            let wasAdded = await entry.loop.run {
                room.onLoop { room in
                    let made = DownTrackFormat(
                        track: format, payloadType: 111, ssrc: 43, extensions: HeaderExtensionMap(), mid: [],
                        firstSequenceNumber: 1, firstTimestamp: 0, canonicalName: "viewer")
                    return room.add(DownTrack(viewer: PeerID(1_001), format: made, sink: sink))
                }
            }
            #expect(wasAdded)
        }

        /// One packet of one AAC frame.
        ///
        /// - Parameter time: of its sound; nil for what follows from the number.
        func send(_ number: Int, time: Int? = nil) async {
            var packet: [UInt8] = [0x80, 0x80 | 97]
            packet.append(bigEndian: UInt16(truncatingIfNeeded: number))
            packet.append(bigEndian: UInt32(truncatingIfNeeded: time ?? number * 1_024))
            packet.append(bigEndian: UInt32(0xABCD))
            packet += [0, 16, 0, 4 << 3, 1, 2, 3, 4]
            let (room, generation, bytes) = (entry.room, publication.generation, packet)
            let now = MonotonicClock.now
            await entry.loop.run {
                bytes.withBytes { bytes in
                    guard let header = try? RTPHeader(parsing: bytes) else { return }
                    _ = room.onLoop {
                        $0.receive(bytes, header: header, kind: .audio, layer: 0, generation: generation, at: now)
                    }
                }
            }
        }

        func packetCount() async -> Int {
            let sink = sink
            return await entry.loop.run { sink.packets.count }
        }

        /// Sends until `condition` holds.
        func sendUntil(from first: Int = 0, _ condition: () async -> Bool) async -> Bool {
            var number = first
            return await eventually(seconds: 20) {
                await send(number)
                number += 1
                return await condition()
            }
        }
    }

    private static func with(
        _ program: String?, timing: SoundConversionTiming = SoundConversionTiming(),
        _ change: (inout PathSettings) -> Void = { _ in }, _ body: (Scene) async throws -> Void
    ) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "transcoder-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        if let program {
            try Data(program.utf8).write(to: URL(fileURLWithPath: file))
            unsafe chmod(file, 0o755)
        }
        var settings = ServerSettings.made { $0.transcoder = file }
        settings.everyPath(change)
        let fixed = settings
        try await ServerHarness.with(fixed) { harness in
            let events = EventNames()
            let token = harness.hub.subscribe { events.note($0.event) }
            defer { harness.hub.cancel(token) }
            let logger = Logger(Log(level: .debug, sinks: [harness.records]))
            let current = CurrentSettings(fixed)
            let conversions = SoundConversions(hub: harness.hub, logger: logger, timing: timing) { current.value }
            let room = try #require(fixed.room(named: "cam1"))
            let entry = try await harness.directory.open("cam1", policy: RoomPolicy(room), limit: 10)
            conversions.attend(entry)
            let lane = PublicationLane(format: aac, extensions: HeaderExtensionMap())
            let publication = try await entry.room.publish(Publisher(), lanes: [lane])
            try await body(
                Scene(
                    harness: harness, conversions: conversions, entry: entry, publication: publication, events: events,
                    current: current, file: file))
        }
    }

    @Test func framesBecomePacketsWhileSomebodyListens() async throws {
        var timing = SoundConversionTiming()
        timing.stayMilliseconds = 20
        try await Self.with(Self.obliging, timing: timing) { scene in
            let conversion = try await scene.conversion()
            await scene.send(0)
            #expect(await conversion.processID == nil, "nobody listens")
            try await scene.listen()
            #expect(await scene.sendUntil(from: 1) { await scene.packetCount() >= 5 })
            #expect(await scene.entry.room.formats == [Self.aac])
            let sink = scene.sink
            let headers = await scene.entry.loop.run {
                sink.packets.compactMap { $0.withBytes { try? RTPHeader(parsing: $0) } }
            }
            for (last, next) in zip(headers, headers.dropFirst()) {
                #expect(next.sequenceNumber == last.sequenceNumber &+ 1)
                #expect((next.timestamp &- last.timestamp) % 1_024 == 0)
            }
            #expect(await eventually { scene.events.all.contains("converted AAC by fake 1") })
            let counters = scene.conversions.counters
            #expect(counters.running.load(ordering: .relaxed) == 1)
            #expect(counters.packets.load(ordering: .relaxed) >= 5)

            await scene.entry.room.leave(PeerID(1_001))
            #expect(await eventually { await conversion.processID == nil })
            #expect(counters.running.load(ordering: .relaxed) == 0)
            #expect(counters.restarts.load(ordering: .relaxed) == 0)
        }
    }

    @Test func aTranscoderThatEndsIsStartedAgain() async throws {
        try await Self.with(Self.obliging) { scene in
            try await scene.listen()
            let conversion = try await scene.conversion()
            #expect(await scene.sendUntil { await scene.packetCount() >= 3 })
            let first = try #require(await conversion.processID)
            kill(first, SIGKILL)
            let before = await scene.packetCount()
            #expect(
                await scene.sendUntil(from: 10_000) {
                    guard let second = await conversion.processID, second != first else { return false }
                    return await scene.packetCount() >= before + 3
                })
            #expect(scene.conversions.counters.restarts.load(ordering: .relaxed) == 1)
            #expect(scene.conversions.counters.restarting.load(ordering: .relaxed) == 0)
            #expect(await eventually { scene.harness.records.text.contains("ended by signal 9") })
        }
    }

    @Test func oneThatStandsStillIsReplacedAndNothingPilesUp() async throws {
        var timing = SoundConversionTiming()
        timing.stallMilliseconds = 50
        try await Self.with(Self.deaf, timing: timing) { scene in
            try await scene.listen()
            let counters = scene.conversions.counters
            #expect(await scene.sendUntil { counters.restarts.load(ordering: .relaxed) >= 1 })
            #expect(counters.droppedFrames.load(ordering: .relaxed) >= 1)
            // The log has a queue of its own.
            #expect(await eventually { scene.harness.records.text.contains("stood still") })
        }
    }

    @Test func oneThatAnsweredLongAgoForWantOfWorkIsNoneThatStandsStill() async throws {
        var timing = SoundConversionTiming()
        timing.stallMilliseconds = 50
        try await Self.with(Self.obliging, timing: timing) { scene in
            try await scene.listen()
            #expect(await scene.sendUntil { await scene.packetCount() >= 3 })
            let conversion = try await scene.conversion()
            let child = try #require(await conversion.processID)
            try await Task.sleep(for: .milliseconds(100))

            // A burst after a pause, up to the first frame that is not taken.
            kill(child, SIGSTOP)
            let counters = scene.conversions.counters
            let dropped = counters.droppedFrames.load(ordering: .relaxed)
            for number in 10_000..<20_000 where counters.droppedFrames.load(ordering: .relaxed) == dropped {
                await scene.send(number)
            }
            #expect(counters.droppedFrames.load(ordering: .relaxed) > dropped)
            #expect(await conversion.processID == child)
            kill(child, SIGCONT)
            let before = await scene.packetCount()
            #expect(await eventually { await scene.packetCount() > before })
            #expect(counters.restarts.load(ordering: .relaxed) == 0)
        }
    }

    @Test func packetsOfWhatCameBeforeAreNotPassedOn() async throws {
        try await Self.with(Self.late) { scene in
            try await scene.listen()
            await scene.send(0)
            let counters = scene.conversions.counters
            var number = 1
            let hasPacket = await eventually(seconds: 20) {
                await scene.send(number, time: 1_000_000 + number * 1_024)
                number += 1
                return counters.packets.load(ordering: .relaxed) >= 1
            }
            #expect(hasPacket)
            #expect(counters.packets.load(ordering: .relaxed) == 1)
        }
    }

    @Test func aRunningConversionFollowsReloadedSettings() async throws {
        var timing = SoundConversionTiming()
        timing.settingsMilliseconds = 0
        try await Self.with(Self.obliging, timing: timing) { scene in
            try await scene.listen()
            let conversion = try await scene.conversion()
            #expect(await scene.sendUntil { await scene.packetCount() >= 3 })
            scene.current.change { $0.everyPath { $0.convertAudio = false } }
            #expect(await scene.sendUntil(from: 1_000) { await conversion.processID == nil })
            let reason = "omitted AAC: convertAudio is off for this path"
            #expect(await eventually { scene.events.all.contains(reason) })
            #expect(scene.viewer.ends.isEmpty)

            let before = await scene.packetCount()
            scene.current.change { $0.everyPath { $0.convertAudio = true } }
            #expect(await scene.sendUntil(from: 30_000) { await scene.packetCount() >= before + 3 })
            #expect(scene.conversions.counters.restarts.load(ordering: .relaxed) == 0)
        }
    }

    @Test func noMoreTranscodersRunThanMay() async throws {
        try await Self.with(Self.obliging) { scene in
            scene.current.change { $0.maxTranscoders = 1 }
            try await scene.listen()
            let conversion = try await scene.conversion()
            #expect(await eventually { await conversion.processID != nil })
            let child = try #require(await conversion.processID)
            let counters = scene.conversions.counters
            // Another room's takes the place of this one's.
            counters.running.add(1, ordering: .relaxed)
            kill(child, SIGKILL)
            #expect(await eventually { counters.refused.load(ordering: .relaxed) >= 1 })
            #expect(await conversion.processID == nil)
            #expect(await scene.harness.service.viewerFormats(of: scene.entry.room) == [Self.aac])
            let reason = "omitted AAC: as many transcoders run as may: 1 (maxTranscoders)"
            #expect(await eventually { scene.events.all.contains(reason) })
            #expect(scene.events.all.count { $0 == reason } == 1, "said once")

            counters.running.subtract(1, ordering: .relaxed)
            #expect(await eventually { await conversion.processID != nil })
            #expect(counters.running.load(ordering: .relaxed) == 1)
        }
    }

    @Test func listenersOutliveAPublisherWhoReturnsWhileThereIsNoTranscoder() async throws {
        var timing = SoundConversionTiming()
        timing.lookupMilliseconds = 0
        timing.longestPauseMilliseconds = 400
        try await Self.with(Self.obliging, timing: timing) { scene in
            try await scene.listen()
            let conversion = try await scene.conversion()
            #expect(await eventually { await conversion.processID != nil })
            let child = try #require(await conversion.processID)
            let elsewhere = scene.file + ".away"
            defer { try? FileManager.default.removeItem(atPath: elsewhere) }
            try FileManager.default.moveItem(atPath: scene.file, toPath: elsewhere)
            kill(child, SIGKILL)
            #expect(await eventually { await conversion.processID == nil })

            let lane = PublicationLane(format: Self.aac, extensions: HeaderExtensionMap())
            await scene.entry.room.unpublish(PeerID(1_000), reason: .stoppedByPublisher)
            var changed = scene
            changed.publication = try await scene.entry.room.publish(Publisher(), lanes: [lane])
            #expect(scene.viewer.ends.isEmpty)
            #expect(await scene.harness.service.viewerFormats(of: scene.entry.room) == [Self.aac])

            try FileManager.default.moveItem(atPath: elsewhere, toPath: scene.file)
            let returned = changed
            #expect(await returned.sendUntil { await returned.packetCount() >= 3 })
            #expect(returned.viewer.ends.isEmpty)
        }
    }

    @Test func oneThatCannotConvertIsSaidSoAndViewersAreOfferedNoSound() async throws {
        try await Self.with(Self.refusing) { scene in
            try await scene.listen()
            #expect(await scene.sendUntil { scene.events.all.contains("omitted AAC: no such decoder") })
            #expect(await scene.harness.service.viewerFormats(of: scene.entry.room) == [Self.aac])
            #expect(scene.events.all.filter { $0.hasPrefix("omitted") }.count == 1, "said once")
        }
    }

    @Test func withoutATranscoderOperatorsAreToldWhatToDo() async throws {
        try await Self.with(nil) { scene in
            for _ in 0..<2 {
                #expect(await scene.harness.service.viewerFormats(of: scene.entry.room) == [Self.aac])
            }
            #expect(scene.events.all.count { $0.hasPrefix("omitted AAC: ") && $0.hasSuffix("cannot be executed") } == 1)
        }
    }

    @Test func aPathMayLeaveItOff() async throws {
        let isOff: (inout PathSettings) -> Void = { $0.convertAudio = false }
        try await Self.with(Self.obliging, isOff) { scene in
            #expect(await scene.harness.service.viewerFormats(of: scene.entry.room) == [Self.aac])
            #expect(scene.events.all.contains("omitted AAC: convertAudio is off for this path"))
        }
    }

    @Test func formatsOfPublishersAreWhatTheTranscoderKnows() {
        func converted(
            _ name: String, _ parameters: [String: String] = [:], rate: UInt32 = 48_000
        ) -> ConversionFormat? {
            let format = TrackFormat(
                codec: .otherAudio, channels: 2, parameters: parameters.map { .init(name: $0.key, value: $0.value) },
                encodingName: name, clockRate: rate)
            return ConversionFormat(format, bitRate: 64_000)
        }
        let layout = ["sizelength": "13", "indexlength": "3", "indexdeltalength": "3", "config": "1190"]
        #expect(converted("mpeg4-generic", layout)?.configuration == [0x11, 0x90])
        #expect(converted("MPEG4-GENERIC", layout)?.codec == .aac)
        #expect(converted("MPEG4-GENERIC", ["config": "1190"]) == nil, "frames cannot be told apart")
        #expect(converted("MPEG4-GENERIC", layout.filter { $0.key != "config" }) == nil)
        // 48 kHz stereo: the configuration begins in the middle of a byte.
        let latm = converted("MP4A-LATM", ["cpresent": "0", "config": "400023203FC0"])
        #expect(latm?.codec == .aac)
        #expect(latm?.configuration == [0x11, 0x90])
        #expect(converted("MPA", rate: 90_000)?.codec == .mpegAudio)
        #expect(converted("L16")?.codec == .l16)
        #expect(converted("AC3")?.codec == .ac3)
        #expect(converted("EAC3")?.bitRate == 64_000)
        #expect(converted("speex") == nil)
        #expect(converted("L16", rate: 500) == nil)
    }
}

/// Settings that a test reloads.
private final class CurrentSettings: Sendable {
    private let state: Mutex<ServerSettings>

    init(_ settings: ServerSettings) { state = Mutex(settings) }

    var value: ServerSettings { state.withLock { $0 } }
    func change(_ body: (inout ServerSettings) -> Void) { state.withLock { body(&$0) } }
}

/// What operators were told about sound.
private final class EventNames: Sendable {
    private let state = Mutex([String]())

    func note(_ event: ServerEvent) {
        switch event {
        case .soundConverted(_, let codec, let decoder):
            state.withLock { $0.append("converted \(codec) by \(decoder)") }
        case .soundOmitted(_, let codec, let reason, _):
            state.withLock { $0.append("omitted \(codec): \(reason)") }
        default: break
        }
    }

    var all: [String] { state.withLock { $0 } }
}

extension EventLoop {
    /// Runs `body` on this loop.
    fileprivate func run<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in execute { continuation.resume(returning: body()) } }
    }
}
