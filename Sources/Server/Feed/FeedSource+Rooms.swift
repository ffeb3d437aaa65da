import Loop
import RTP
import Streams
import Synchronization
import Wire

extension FeedSource {
    /// Looks at the rooms of a running server, on the control path.
    init(directory: RoomDirectory, registry: SessionRegistry) {
        let sampler = QualitySampler(directory: directory, registry: registry)
        self.init(
            room: { name in
                guard let entry = await directory.room(named: name) else { return nil }
                let snapshot = await entry.room.snapshot
                // A room without anybody is about to be forgotten, or not yet published to.
                guard snapshot.publisher != nil || !snapshot.viewers.isEmpty else { return nil }
                return FeedRoom(
                    name: name, numericID: entry.numericID,
                    publisher: snapshot.publisher.map {
                        FeedRoom.Publisher(
                            peer: $0, protocol: snapshot.origin.flatMap { PeerProtocol(rawValue: $0) } ?? .internal,
                            isConnected: false)
                    },
                    standbys: snapshot.standbys,
                    tracks: snapshot.formats.map { FeedRoom.Track(kind: $0.kind, codec: $0.codec) },
                    viewers: snapshot.viewers.count)
            },
            quality: { await sampler.sample() })
    }
}

/// Makes rates out of the rooms' counters.
private actor QualitySampler {
    private struct Reading {
        var at: Instant
        var bytesReceived: UInt64
        var bytesSent: UInt64
    }

    private let directory: RoomDirectory
    private let registry: SessionRegistry
    private var readings: [String: Reading] = [:]
    /// Packets that each viewer had reported lost.
    private var lostBefore: [PeerID: Int64] = [:]

    init(directory: RoomDirectory, registry: SessionRegistry) {
        self.directory = directory
        self.registry = registry
    }

    func sample() async -> [RoomQuality] {
        var lost: [String: Int64] = [:]
        var lostNow: [PeerID: Int64] = [:]
        var times: [String: [Double]] = [:]
        var slowest: [String: UInt64] = [:]
        var heldBack: [String: Int] = [:]
        for session in await registry.all {
            guard case .viewer(let viewer) = session.peer else { continue }
            if let link = await viewer.transport.snapshot.congestion {
                if let estimate = link.estimatedBitsPerSecond {
                    slowest[session.roomName] = min(slowest[session.roomName] ?? .max, estimate)
                }
                if link.isVideoStopped { heldBack[session.roomName, default: 0] += 1 }
            }
            for reception in await viewer.reception {
                lostNow[viewer.peerID, default: 0] += Int64(reception.cumulativeLost)
                if let time = reception.roundTripNanoseconds {
                    times[session.roomName, default: []].append(Double(time) / 1e6)
                }
            }
            let total = lostNow[viewer.peerID] ?? 0
            lost[session.roomName, default: 0] += total - (lostBefore[viewer.peerID] ?? 0)
        }
        lostBefore = lostNow
        var qualities: [RoomQuality] = []
        var current: [String: Reading] = [:]
        for entry in await directory.all {
            let name = entry.room.name
            let snapshot = await entry.room.snapshot
            let now = MonotonicClock.now
            let reading = Reading(at: now, bytesReceived: snapshot.bytesReceived, bytesSent: snapshot.bytesSent)
            current[name] = reading
            guard let previous = readings[name], snapshot.publisher != nil else { continue }
            let times = times[name] ?? []
            qualities.append(
                RoomQuality(
                    room: name,
                    bitrateIn: Self.rate(previous.bytesReceived, reading.bytesReceived, previous.at, now),
                    bitrateOut: Self.rate(previous.bytesSent, reading.bytesSent, previous.at, now),
                    packetsLost: UInt64(max(0, lost[name] ?? 0)),
                    meanRoundTripMilliseconds: times.isEmpty ? nil : times.reduce(0, +) / Double(times.count),
                    worstRoundTripMilliseconds: times.max(),
                    slowestLink: slowest[name], viewersHeldBack: heldBack[name] ?? 0))
        }
        readings = current
        return qualities
    }

    /// Bits per second; 0 when the room is another one of the same name, whose counters began again.
    private static func rate(_ before: UInt64, _ after: UInt64, _ from: Instant, _ to: Instant) -> UInt64 {
        let milliseconds = to.milliseconds(since: from)
        guard after > before, milliseconds > 0 else { return 0 }
        return UInt64(Double(after - before) * 8_000 / Double(milliseconds))
    }
}
