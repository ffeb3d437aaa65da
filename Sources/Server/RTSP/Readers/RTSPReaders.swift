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
    private let counters: RTSPCounters
    private var outputs: [MediaKind: RTSPTrackOutput] = [:]
    private var readers: [PeerID: any ViewerHandle] = [:]
    /// Multicast readers, who share an output of the same way.
    private var groups: [Group] = []
    private let canonicalName = "martlet-" + String(SecureRandom.uint32(), radix: 16)

    private struct Group {
        var kind: MediaKind
        var tuples: RTSPTuples
        /// Who the track's output takes it for.
        var output: PeerID
        var members: Set<PeerID>
    }

    private init(_ entry: RoomEntry, counters: RTSPCounters, peerID: PeerID) {
        self.peerID = peerID
        self.counters = counters
        room = entry.room
        eventLoop = entry.loop
        numericID = entry.numericID
    }

    /// The readers of a room, made if there are none. Room's loop only.
    static func of(_ entry: RoomEntry, counters: RTSPCounters, newPeerID: () -> PeerID) -> RTSPReaders {
        if let readers = entry.room.onLoop({ $0.bridge(RTSPReaders.self) }) { return readers }
        let readers = RTSPReaders(entry, counters: counters, peerID: newPeerID())
        entry.room.onLoop { $0.attach(readers) }
        return readers
    }

    /// The identifier of a track's packets, the same for all readers and as long as the room lives.
    static func ssrc(_ kind: MediaKind, numericID: UInt32) -> UInt32 {
        kind == .video ? numericID : numericID ^ 0x8000_0000
    }

    /// Begins to send a track to a reader; `false` when the room no longer has it in this format.
    ///
    /// - Parameter isShared: whether all readers with the same way are sent to once; the output is the group's then.
    func add(
        _ reader: any ViewerHandle, _ format: TrackFormat, _ output: RTSPReaderOutput, isShared: Bool = false
    ) -> Bool {
        guard let track = self.output(format) else { return false }
        readers[reader.peerID] = reader
        if !isShared || !joinGroup(reader.peerID, format.kind, output) { track.onLoop { $0.add(output) } }
        joinAudioToVideo()
        room.track(format.kind).onLoop { $0.requestKeyframe() }
        return true
    }

    /// `false` when the group had no reader, so that sending to it has to begin.
    private func joinGroup(_ reader: PeerID, _ kind: MediaKind, _ output: RTSPReaderOutput) -> Bool {
        guard case .datagrams(_, let tuples) = output.way else { return false }
        if let index = groups.firstIndex(where: { $0.kind == kind && $0.tuples == tuples }) {
            groups[index].members.insert(reader)
            return true
        }
        groups.append(Group(kind: kind, tuples: tuples, output: output.peerID, members: [reader]))
        return false
    }

    /// Takes a reader out of the groups of these kinds.
    ///
    /// - Returns: the output that is to go, of each kind: the reader's own, or that of a group it was the last one in.
    private func leaveGroups(_ reader: PeerID, _ kinds: Set<MediaKind>) -> [(MediaKind, PeerID)] {
        var gone: [(MediaKind, PeerID)] = []
        for kind in kinds {
            guard let index = groups.firstIndex(where: { $0.kind == kind && $0.members.contains(reader) }) else {
                gone.append((kind, reader))
                continue
            }
            groups[index].members.remove(reader)
            guard groups[index].members.isEmpty else { continue }
            gone.append((kind, groups.remove(at: index).output))
        }
        return gone
    }

    /// Where a reader that plays tracks of these kinds now begins, as far as it is known.
    func opening(_ kind: MediaKind, isShared: Bool) -> RTSPOpening? {
        outputs[kind]?.onLoop { $0.opening(isShared: isShared) }
    }

    /// Multicast groups that are sent to now.
    var groupCount: Int { groups.count }

    private func output(_ format: TrackFormat) -> RTSPTrackOutput? {
        let track = room.track(format.kind)
        if let output = outputs[format.kind] {
            guard output.format.isInterchangeable(with: format) else { return nil }
            track.onLoop { $0.share(peerID, withToldParameterSets: format.announcedParameterSets) }
            return output
        }
        let output = RTSPTrackOutput(format: format, loop: eventLoop, counters: counters) { [weak track, eventLoop] in
            track?.onLoop { $0.beginsAtRecoveryPoints(at: eventLoop.now) } ?? false
        }
        var description = DownTrackFormat(
            track: format, payloadType: RTSPDescriptionWriter.payloadType(of: format),
            ssrc: Self.ssrc(format.kind, numericID: numericID), extensions: HeaderExtensionMap(), mid: [],
            firstSequenceNumber: UInt16(truncatingIfNeeded: SecureRandom.uint32()),
            firstTimestamp: SecureRandom.uint32(), canonicalName: canonicalName)
        // FFmpeg leaves at a BYE, and would miss the publisher that comes back; those who stay away end connections.
        description.saysGoodbye = false
        description.toldParameterSets = format.announcedParameterSets
        let downTrack = DownTrack(viewer: peerID, format: description, sink: output)
        guard track.onLoop({ $0.add(downTrack) }) else { return nil }
        outputs[format.kind] = output
        return output
    }

    private func joinAudioToVideo() {
        guard let video = outputs[.video], let audio = outputs[.audio] else { return }
        video.onLoop { $0.accompany(audio) }
    }

    /// Takes a reader's tracks away, or all of them.
    func remove(_ reader: PeerID, kinds: Set<MediaKind>? = nil) {
        for (kind, output) in leaveGroups(reader, kinds ?? Set(outputs.keys)) {
            outputs[kind]?.onLoop { $0.remove(output) }
        }
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

    /// What one reader was sent and lost of all its tracks; nil when it shares the output of others.
    func traffic(of reader: PeerID) -> (packets: UInt64, discarded: UInt64)? {
        let found = outputs.values.compactMap { $0.onLoop { $0.traffic(of: reader) } }
        return found.isEmpty ? nil : found.reduce((0, 0)) { ($0.0 &+ $1.packets, $0.1 &+ $1.discarded) }
    }

    /// What the readers were sent, and with how many system calls on their connections.
    var totals: (RTSPTrackOutput.Statistics, sendCalls: UInt64) {
        let connections = readers.values.compactMap { $0 as? RTSPConnection }
        return (statistics, connections.reduce(0) { $0 &+ $1.onLoop { $0.sendCalls } })
    }

    /// A track changed its codec: who reads it has to describe the room again.
    nonisolated func end(_ reason: ViewerEnd) {
        onLoop { for reader in $0.readers.values { reader.end(reason) } }
    }
}
