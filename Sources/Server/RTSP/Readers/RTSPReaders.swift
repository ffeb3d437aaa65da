import Codecs
import Loop
import RTP
import Secure
import Streams
import Wire

/// The RTSP readers of one room, behind one DownTrack for each track. Made with the first reader, gone with the last.
actor RTSPReaders: LoopActor, ViewerHandle {
    nonisolated let peerID: PeerID
    nonisolated let room: Room
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private let numericID: UInt32
    private var outputs: [MediaKind: RTSPTrackOutput] = [:]
    private var readers: [PeerID: RTSPConnection] = [:]
    private let canonicalName = "martlet-" + String(SecureRandom.uint32(), radix: 16)

    private init(_ entry: RoomEntry, peerID: PeerID) {
        self.peerID = peerID
        room = entry.room
        eventLoop = entry.loop
        numericID = entry.numericID
    }

    /// The readers of a room, made if there are none. Room's loop only.
    static func of(_ entry: RoomEntry, newPeerID: () -> PeerID) -> RTSPReaders {
        if let readers = entry.room.onLoop({ $0.bridge(RTSPReaders.self) }) { return readers }
        let readers = RTSPReaders(entry, peerID: newPeerID())
        entry.room.onLoop { $0.attach(readers) }
        return readers
    }

    /// The identifier of a track's packets, the same for all readers and as long as the room lives.
    static func ssrc(_ kind: MediaKind, numericID: UInt32) -> UInt32 {
        kind == .video ? numericID : numericID ^ 0x8000_0000
    }

    /// Begins to send a track to a reader; `false` when the room no longer has it in this format.
    func add(_ reader: RTSPConnection, _ format: TrackFormat, _ output: RTSPReaderOutput) -> Bool {
        guard let track = self.output(format) else { return false }
        readers[reader.peerID] = reader
        track.onLoop { $0.add(output) }
        joinAudioToVideo()
        room.track(format.kind).onLoop { $0.requestKeyframe() }
        return true
    }

    private func output(_ format: TrackFormat) -> RTSPTrackOutput? {
        if let output = outputs[format.kind] { return output.format.isInterchangeable(with: format) ? output : nil }
        let output = RTSPTrackOutput(format: format, loop: eventLoop)
        let description = DownTrackFormat(
            track: format, payloadType: RTSPDescriptionWriter.payloadType(of: format),
            ssrc: Self.ssrc(format.kind, numericID: numericID), extensions: HeaderExtensionMap(), mid: [],
            firstSequenceNumber: UInt16(truncatingIfNeeded: SecureRandom.uint32()),
            firstTimestamp: SecureRandom.uint32(), canonicalName: canonicalName)
        let downTrack = DownTrack(viewer: peerID, format: description, sink: output)
        guard room.track(format.kind).onLoop({ $0.add(downTrack) }) else { return nil }
        outputs[format.kind] = output
        return output
    }

    private func joinAudioToVideo() {
        guard let video = outputs[.video], let audio = outputs[.audio] else { return }
        video.onLoop { $0.accompany(audio) }
    }

    /// Takes a reader's tracks away, or all of them.
    func remove(_ reader: PeerID, kinds: Set<MediaKind>? = nil) {
        for (kind, output) in outputs where kinds?.contains(kind) ?? true { output.onLoop { $0.remove(reader) } }
        joinAudioToVideo()
        if kinds == nil { readers[reader] = nil }
        guard readers.isEmpty else { return }
        outputs.removeAll()
        room.onLoop { $0.detach(peerID) }
    }

    var statistics: RTSPTrackOutput.Statistics {
        var sum = RTSPTrackOutput.Statistics()
        for output in outputs.values {
            let one = output.onLoop { $0.statistics }
            sum.packets &+= one.packets
            sum.discarded &+= one.discarded
            sum.overflowed &+= one.overflowed
        }
        return sum
    }

    /// What the readers were sent, and with how many system calls on their connections.
    var totals: (RTSPTrackOutput.Statistics, sendCalls: UInt64) {
        (statistics, readers.values.reduce(0) { $0 &+ $1.onLoop { $0.sendCalls } })
    }

    /// A track changed its codec: who reads it has to describe the room again.
    nonisolated func end(_ reason: ViewerEnd) {
        onLoop { for reader in $0.readers.values { reader.end(reason) } }
    }
}
