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

/// Programs of a few lines in the transcoder's place.
enum FakeTranscoder {
    /// Says that it is ready, and makes an Opus packet of two bytes of every frame, at the frame's own time. Its log has the
    /// configuration in hexadecimal.
    static let obliging = """
        #!/bin/bash
        while m=$(dd bs=65536 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \\n') && [ -n "$m" ]; do
          case $m in
            0101*) echo "begins with ${m:24}" >&2; printf '\\x01\\x81\\x00\\x04fake1' >&3 ;;
            0102*) t=${m:6:16}; printf "$(sed 's/../\\\\x&/g' <<< "0182${t}fc09")" >&3 ;;
          esac
        done
        """
    static let refusing = """
        #!/bin/bash
        dd bs=65536 count=1 <&3 >/dev/null 2>&1
        printf '\\x01\\x83\\x01no such decoder' >&3
        read -r never <&3
        """
    /// Answers two beginnings after the second of them, each with a packet.
    static let late = """
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
    static let deaf = "#!/bin/bash\nsleep 1000\n"
}

final class SoundPublisher: PublisherHandle {
    let peerID = PeerID(1_000)
    func requestKeyframe(_ kind: MediaKind, layer: Int) {}
    func wasReplaced() {}
}

final class SoundViewer: ViewerHandle {
    let peerID = PeerID(1_001)
    private let state = Mutex([ViewerEnd]())
    func end(_ reason: ViewerEnd) { state.withLock { $0.append(reason) } }
    var ends: [ViewerEnd] { state.withLock { $0 } }
}

/// A room with sound, and what converts it.
struct SoundScene {
    let harness: ServerHarness
    let conversions: SoundConversions
    let entry: RoomEntry
    var publication: Publication
    let sink = FakeSink()
    let viewer = SoundViewer()
    let events: SoundEvents
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

    static let aac = TrackFormat(
        codec: .otherAudio, channels: 2,
        parameters: [
            .init(name: "mode", value: "AAC-hbr"), .init(name: "sizelength", value: "13"),
            .init(name: "indexlength", value: "3"), .init(name: "indexdeltalength", value: "3"),
            .init(name: "config", value: "1190"),
        ], encodingName: "MPEG4-GENERIC", clockRate: 48_000)

    static let aacPayload: [UInt8] = [0, 16, 0, 4 << 3, 1, 2, 3, 4]

    /// One packet with one frame.
    ///
    /// - Parameter time: of its sound; nil for what follows from the number.
    func send(_ number: Int, time: Int? = nil, payload: [UInt8] = aacPayload) async {
        var packet: [UInt8] = [0x80, 0x80 | 97]
        packet.append(bigEndian: UInt16(truncatingIfNeeded: number))
        packet.append(bigEndian: UInt32(truncatingIfNeeded: time ?? number * 1_024))
        packet.append(bigEndian: UInt32(0xABCD))
        packet += payload
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
    func sendUntil(
        from first: Int = 0, payload: [UInt8] = aacPayload, _ condition: () async -> Bool
    ) async -> Bool {
        var number = first
        return await eventually(seconds: 20) {
            await send(number, payload: payload)
            number += 1
            return await condition()
        }
    }

    /// - Parameter program: what the transcoder's file contains; nil for none.
    static func with(
        _ program: String?, publishing format: TrackFormat = aac,
        timing: SoundConversionTiming = SoundConversionTiming(),
        _ change: (inout PathSettings) -> Void = { _ in }, _ body: (SoundScene) async throws -> Void
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
            let events = SoundEvents()
            let token = harness.hub.subscribe { events.note($0.event) }
            defer { harness.hub.cancel(token) }
            let logger = Logger(Log(level: .debug, sinks: [harness.records]))
            let current = CurrentSettings(fixed)
            let conversions = SoundConversions(hub: harness.hub, logger: logger, timing: timing) { current.value }
            let room = try #require(fixed.room(named: "cam1"))
            let entry = try await harness.directory.open("cam1", policy: RoomPolicy(room), limit: 10)
            conversions.attend(entry)
            let lane = PublicationLane(format: format, extensions: HeaderExtensionMap())
            let publication = try await entry.room.publish(SoundPublisher(), lanes: [lane])
            try await body(
                SoundScene(
                    harness: harness, conversions: conversions, entry: entry, publication: publication, events: events,
                    current: current, file: file))
        }
    }
}

/// Settings that a test reloads.
final class CurrentSettings: Sendable {
    private let state: Mutex<ServerSettings>

    init(_ settings: ServerSettings) { state = Mutex(settings) }

    var value: ServerSettings { state.withLock { $0 } }
    func change(_ body: (inout ServerSettings) -> Void) { state.withLock { body(&$0) } }
}

/// What operators were told about sound.
final class SoundEvents: Sendable {
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
    func run<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in execute { continuation.resume(returning: body()) } }
    }
}
