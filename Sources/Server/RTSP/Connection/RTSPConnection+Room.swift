import Loop
import RTSP
import Secure
import Streams
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
        eventLoop.execute { self.onLoop { $0.close(PeerEnd(reason)) } }
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

    let announced: RTSPAnnouncement
    private var room: Room?
    private var publication: Publication?
    private var ticket: SessionLimits.Ticket?
    private var ingest: RTSPIngest
    var report: [UInt8] = []

    init(_ announced: RTSPAnnouncement) {
        self.announced = announced
        ingest = RTSPIngest(announced.media, localSSRC: SecureRandom.uint32(), canonicalName: "martlet")
    }

    /// The room took the publisher in; a source of the server's own has no ticket.
    func began(in room: Room, _ publication: Publication, _ ticket: SessionLimits.Ticket?) {
        self.room = room
        self.publication = publication
        self.ticket = ticket
    }

    func received(_ packet: RawSpan, track: Int, isControl: Bool, at now: Instant) {
        guard let room, let publication else { return }
        guard !isControl else {
            ingest.receivedControl(packet, track: track, at: now) { report, kind in
                publication.onLoop { $0.receive(report, kind: kind, layer: 0, at: now) }
            }
            return
        }
        guard let (kind, header) = ingest.received(packet, track: track, at: now) else { return }
        let generation = publication.generation
        _ = room.onLoop {
            $0.receive(packet, header: header, kind: kind, layer: 0, generation: generation, at: now)
        }
    }

    func writeReport(of track: Int, at now: Instant) -> Bool { ingest.writeReport(of: track, into: &report, at: now) }

    func leave(_ connection: RTSPConnection, _ end: PeerEnd) {
        guard let room, let ticket else { return }
        room.onLoop { $0.unpublish(connection.peerID, reason: PublicationEnd(end.reason)) }
        let service = connection.service
        service.hub.publish(.publisherStopped(room: room.name, connection.description, end.reason))
        Task { await service.registry.leave(ticket) }
        self.room = nil
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
    /// The multicast groups of tracks that were set up so.
    var leases: [Int: RTSPMulticastLease] = [:]
}

/// A reader over RTSP. Confined to its connection's loop.
final class RTSPReading {
    var offer: RTSPReaderOffer
    private var ticket: SessionLimits.Ticket?

    init(_ offer: RTSPReaderOffer) { self.offer = offer }

    var hasJoined: Bool { ticket != nil }

    func joined(_ ticket: SessionLimits.Ticket) { self.ticket = ticket }

    func leave(_ connection: RTSPConnection, _ end: PeerEnd) {
        offer.leases = [:]
        guard let ticket else { return }
        self.ticket = nil
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
