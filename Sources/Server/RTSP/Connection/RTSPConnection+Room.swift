import Loop
import RTP
import RTSP
import Secure
import Streams
import Synchronization
import Wire

// What the room asks of its peers.
extension RTSPConnection: PublisherHandle, ViewerHandle {
    nonisolated var origin: String { PeerProtocol.rtsp.rawValue }

    /// RTSP has no way to ask an encoder for a keyframe.
    nonisolated func requestKeyframe(_ kind: MediaKind, layer: Int) {}

    nonisolated func wasReplaced() {
        // The room is in the middle of a change; the connection ends after it.
        eventLoop.execute { self.onLoop { $0.close(.replaced) } }
    }

    nonisolated func end(_ reason: ViewerEnd) {
        eventLoop.execute {
            self.onLoop { connection in
                if reason == .codecChanged { connection.tellNewDescription() }
                connection.close(PeerEnd(reason))
            }
        }
    }
}

/// What a client announced, before and after it records.
struct RTSPAnnouncement: Sendable {
    var room: RoomSettings
    var media: [RTSPAnnouncedMedia]
}

/// A publisher over RTSP. Confined to its connection's loop.
final class RTSPPublishing {
    static let reportIntervalSeconds: UInt64 = 5
    private static let oversizedAdvice = "have the publisher send smaller ones (FFmpeg: -pkt_size 1400)"

    let announced: RTSPAnnouncement
    private var room: Room?
    private var publication: Publication?
    private var ticket: SessionLimits.Ticket?
    private var beganAt = Instant(nanoseconds: 0)
    private var ingest: RTSPIngest
    private var service: RTSPService?
    private var counted = OversizedPacketSplitter.Statistics()
    private var countedDrops = RTSPIngest.Drops()
    private var maximumPacketSize = OversizedPacketSplitter.defaultMaximumSize
    /// Told when the sound of a track proves to be of another format than was announced.
    var onRefined: ((_ track: Int, TrackFormat) -> Void)?
    var report: [UInt8] = []

    init(_ announced: RTSPAnnouncement) {
        self.announced = announced
        ingest = RTSPIngest(announced.media, localSSRC: SecureRandom.uint32(), canonicalName: "martlet")
    }

    /// The room took the publisher in; a source of the server's own has no ticket.
    func began(
        in room: Room, _ publication: Publication, _ ticket: SessionLimits.Ticket?, service: RTSPService
    ) {
        self.room = room
        self.publication = publication
        self.ticket = ticket
        self.service = service
        beganAt = MonotonicClock.now
        maximumPacketSize = service.settings().maximumRTPPacketSize
        ingest.begin(announced.media, maximumPacketSize: maximumPacketSize)
    }

    /// Whether the room took the publisher in, and has it still.
    var hasBegun: Bool { room != nil }

    func received(_ packet: RawSpan, track: Int, isControl: Bool, at now: Instant) {
        guard let room, let publication else { return }
        guard !isControl else {
            ingest.receivedControl(packet, track: track, at: now) { report, kind in
                publication.onLoop { $0.receive(report, kind: kind, layer: 0, at: now) }
            }
            return
        }
        let generation = publication.generation
        ingest.received(packet, track: track, at: now) { packet, header, kind in
            _ = room.onLoop {
                $0.receive(packet, header: header, kind: kind, layer: 0, generation: generation, at: now)
            }
        }
        guard let (track, sound) = ingest.refinedSound(announced.media, at: now) else { return }
        room.onLoop { $0.refine(sound, generation: generation) }
        onRefined?(track, sound)
        service?.logger.info(
            "the sound has headers (ADTS) that say what it is; it goes on without them",
            [LogField(.room, room.name), LogField(.reason, "config=\(sound["config"] ?? "")")])
    }

    /// Whether readers would not be told how to decode the sound, and the stream may say so.
    var awaitsConfiguration: Bool { ingest.awaitsConfiguration }

    /// Counts what was dropped or too large since the last call, and tells the operator once of what cannot be cut.
    func count() {
        guard let service, let room else { return }
        service.counters.count(ingest.drops, since: countedDrops)
        countedDrops = ingest.drops
        let oversized = ingest.oversized
        service.counters.oversizedCut.wrappingAdd(
            oversized.oversized &- oversized.uncut &- (counted.oversized &- counted.uncut), ordering: .relaxed)
        service.counters.oversizedUncut.wrappingAdd(oversized.uncut &- counted.uncut, ordering: .relaxed)
        if counted.oversized == 0, oversized.oversized > 0 {
            service.logger.info(
                "packets that are too large for a datagram are cut",
                [LogField(.room, room.name), LogField(.advice, Self.oversizedAdvice)])
        }
        if counted.uncut == 0, oversized.uncut > 0 {
            service.logger.warn(
                "packets that are too large for a datagram cannot be cut: viewers and readers over UDP may miss them",
                [LogField(.room, room.name), LogField(.advice, Self.oversizedAdvice)])
        }
        counted = oversized
    }

    func writeReport(of track: Int, at now: Instant) -> Bool {
        if track == 0 { count() }
        return ingest.writeReport(of: track, into: &report, at: now)
    }

    func leave(_ connection: RTSPConnection, _ end: PeerEnd) {
        count()
        guard let room, let ticket else { return }
        room.onLoop { $0.unpublish(connection.peerID, reason: PublicationEnd(end.reason)) }
        let service = connection.service
        service.hub.publish(.publisherStopped(room: room.name, connection.description, end.reason))
        if ingest.packets == 0 {
            let beganAt = beganAt
            connection.onLoop { $0.tellSilence(in: room.name, since: beganAt, end) }
        }
        Task { await service.registry.leave(ticket) }
        self.room = nil
    }

    /// What is known of the way from the client; nil before it records.
    var quality: RTSPSessionQuality.Link? {
        guard room != nil else { return nil }
        var link = RTSPSessionQuality.Link(packets: ingest.packets, discarded: nil)
        link.lost = max(0, ingest.lostPackets)
        link.jitterSeconds = ingest.jitterSeconds
        return link
    }

    /// What GET_PARAMETER tells.
    var parameters: [String: String] {
        [
            "packets_received": String(ingest.packets), "packets_lost": String(max(0, ingest.lostPackets)),
            "jitter": String(ingest.jitter),
        ]
    }
}

/// What a client may read, before and after it plays.
struct RTSPReaderOffer: Sendable {
    var room: RoomSettings
    var entry: RoomEntry
    /// In the order of the description: a track's number is its place here.
    var formats: [TrackFormat]
    /// By which clients speak to the room's camera; its number is the one behind the last track's.
    var backChannel: RTSPBackChannel?
    /// The multicast groups of tracks that were set up so.
    var leases: [Int: RTSPMulticastLease] = [:]
}

/// A reader over RTSP. Confined to its connection's loop.
final class RTSPReading {
    var offer: RTSPReaderOffer
    private var ticket: SessionLimits.Ticket?
    /// What the client said last about what it gets, and of which track.
    private var report: ReportBlock?
    private var reports: [MediaKind: ReportBlock] = [:]
    private var roundTripNanoseconds: UInt64?

    init(_ offer: RTSPReaderOffer) { self.offer = offer }

    /// Reads the client's reports (R20).
    func receivedControl(_ compound: RawSpan, wallClock: WallClock, at now: Instant) {
        let kinds = offer.formats.map { (RTSPReaders.ssrc($0.kind, numericID: offer.entry.numericID), $0.kind) }
        var packets = RTCPIterator()
        while let packet = try? packets.next(in: compound) {
            let blocks: ReportBlockList
            switch packet {
            case .senderReport(_, let list), .receiverReport(_, let list): blocks = list
            default: continue
            }
            for index in 0..<blocks.count {
                guard let block = blocks.block(at: index, in: compound),
                    let (_, kind) = kinds.first(where: { $0.0 == block.ssrc })
                else { continue }
                report = block
                reports[kind] = block
                roundTripNanoseconds = block.roundTripNanoseconds(arrivalNTP: wallClock.ntp(at: now))
            }
        }
    }

    /// What GET_PARAMETER tells: what was sent, and the link as the client reported it last. Loop only.
    func parameters(of peer: PeerID) -> [String: String] {
        var parameters = [
            "packets_lost": String(report?.cumulativeLost ?? 0), "fraction_lost": String(report?.fractionLost ?? 0),
            "jitter": String(report?.jitter ?? 0),
        ]
        // Of a group nobody knows who got what.
        if let sent = hasJoined ? traffic(of: peer)?.packets : 0 {
            let lost = UInt64(max(0, reports.values.reduce(0) { $0 + Int64($1.cumulativeLost) }))
            parameters["packets_sent"] = String(sent)
            parameters["packets_received"] = String(sent - min(sent, lost))
        }
        if let roundTripNanoseconds {
            parameters["round_trip_time"] = String(Double(roundTripNanoseconds / 1_000) / 1_000_000)
        }
        return parameters
    }

    /// What is known of the way to the client; nil before it plays. Loop only.
    func quality(of peer: PeerID) -> RTSPSessionQuality.Link? {
        guard hasJoined else { return nil }
        let traffic = traffic(of: peer)
        var link = RTSPSessionQuality.Link(packets: traffic?.packets, discarded: traffic?.discarded)
        link.lost = reports.isEmpty ? nil : reports.values.reduce(0) { $0 + Int64($1.cumulativeLost) }
        link.fractionLost = reports.values.map { Double($0.fractionLost) / 256 }.max()
        link.jitterSeconds = offer.formats.compactMap { format in
            reports[format.kind].map { Double($0.jitter) / Double(max(1, format.clockRate)) }
        }.max()
        link.roundTripSeconds = roundTripNanoseconds.map { Double($0) / 1_000_000_000 }
        return link
    }

    private func traffic(of peer: PeerID) -> (packets: UInt64, discarded: UInt64)? {
        offer.entry.room.onLoop { $0.bridge(RTSPReaders.self) }?.onLoop { $0.traffic(of: peer) }
    }

    var hasJoined: Bool { ticket != nil }

    func joined(_ ticket: SessionLimits.Ticket) { self.ticket = ticket }

    func leave(_ connection: RTSPConnection, _ end: PeerEnd) {
        offer.leases = [:]
        guard let ticket else { return }
        self.ticket = nil
        if let channel = offer.backChannel, channel.eventLoop === connection.eventLoop {
            channel.onLoop { $0.left(connection.peerID) }
        }
        let room = offer.entry.room
        room.onLoop { $0.bridge(RTSPReaders.self) }?.onLoop { $0.remove(connection.peerID) }
        room.onLoop { $0.leave(connection.peerID) }
        let service = connection.service
        service.hub.publish(.viewerLeft(room: room.name, connection.description, end.reason))
        Task { await service.registry.leave(ticket) }
    }
}

extension RTSPConnection {
    nonisolated var description: PeerDescription {
        PeerDescription(id: peerID, protocol: .rtsp, remote: remoteAddress)
    }
}
