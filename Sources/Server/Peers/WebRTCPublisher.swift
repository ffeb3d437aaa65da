import Loop
import RTP
import Streams
import WebRTC
import Wire

/// A publisher's session over WebRTC: its packets go to the tracks of its publication, its feedback goes back.
actor WebRTCPublisher: LoopActor, TransportOwner, PublisherHandle {
    nonisolated let peerID: PeerID
    nonisolated var origin: String { PeerProtocol.whip.rawValue }
    nonisolated let room: Room
    nonisolated let transport: PeerTransport
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private let isBackup: Bool
    private let ingest: IngestEngine
    private let onConnected: @Sendable () -> Void
    private let onEnd: @Sendable (PeerEnd, TransportProgress) -> Void
    private var publication: Publication?
    private var timer: (any LoopTimer)?
    private var end: PeerEnd?

    init(
        transport: PeerTransport, room: Room, sections: [IngestSection], localSSRC: UInt32, canonicalName: String,
        isBackup: Bool = false, startedAt now: Instant, onConnected: @escaping @Sendable () -> Void,
        onEnd: @escaping @Sendable (PeerEnd, TransportProgress) -> Void
    ) {
        peerID = transport.peerID
        self.transport = transport
        self.room = room
        eventLoop = transport.eventLoop
        self.isBackup = isBackup
        ingest = IngestEngine(
            sections: sections, localSSRC: localSSRC, canonicalName: canonicalName, startedAt: now)
        self.onConnected = onConnected
        self.onEnd = onEnd
    }

    /// Takes the room or waits in it, or throws and leaves everything as it was. Media is accepted from here on.
    func start(lanes: [PublicationLane]) throws(RoomError) {
        publication = try room.onLoop { room throws(RoomError) in
            try room.publish(self, lanes: lanes, isBackup: isBackup)
        }
        timer = eventLoop.makeTimer(name: "publisher feedback") { [weak self] in self?.onLoop { $0.feedbackDue() } }
        transport.onLoop { $0.start(owner: self) }
    }

    // MARK: transport

    nonisolated func transportReceived(rtp packet: RawSpan, at now: Instant) {
        onLoop { $0.received(packet, at: now) }
    }

    private func received(_ packet: RawSpan, at now: Instant) {
        let deadline = ingest.nextDeadline
        guard let ingested = ingest.received(packet, at: now), let publication else { return settle(unless: deadline) }
        let generation = publication.generation
        let startsKeyframe =
            ingested.isRestored
            ? ingest.withRestoredPacket { deliver($0, ingested, generation: generation, at: now) }
            : deliver(packet, ingested, generation: generation, at: now)
        if startsKeyframe { ingest.keyframeReceived(ingested.kind, layer: ingested.layer) }
        settle(unless: deadline)
    }

    private func deliver(_ packet: RawSpan, _ ingested: IngestedPacket, generation: UInt32, at now: Instant) -> Bool {
        room.onLoop {
            $0.receive(
                packet, header: ingested.header, kind: ingested.kind, layer: ingested.layer, generation: generation,
                at: now)
        }
    }

    nonisolated func transportReceived(rtcp compound: RawSpan, at now: Instant) {
        onLoop { $0.receivedControl(compound, at: now) }
    }

    private func receivedControl(_ compound: RawSpan, at now: Instant) {
        guard let publication else { return }
        ingest.receivedControl(compound, at: now) { control in
            guard case .senderReport(let report, let kind, let layer) = control else { return }
            publication.onLoop { $0.receive(report, kind: kind, layer: layer, at: now) }
        }
        settle(unless: nil)
    }

    nonisolated func transportConnected() {
        onLoop { publisher in
            publisher.timer?.schedule(at: publisher.ingest.nextDeadline)
            publisher.onConnected()
        }
    }

    nonisolated func transportClosed(_ reason: TransportCloseReason) {
        onLoop { $0.finish(PeerEnd(reason)) }
    }

    // MARK: feedback

    private func feedbackDue() {
        ingest.deadlineReached(at: eventLoop.now)
        settle(unless: nil)
    }

    private func settle(unless deadline: Instant?) {
        ingest.drainControl { _ = transport.enqueueControl($0) }
        let next = ingest.nextDeadline
        if next != deadline { timer?.schedule(at: next) }
    }

    nonisolated func requestKeyframe(_ kind: MediaKind, layer: Int) {
        onLoop { publisher in
            publisher.ingest.requestKeyframe(kind, layer: layer, at: publisher.eventLoop.now)
            publisher.settle(unless: nil)
        }
    }

    // MARK: end

    nonisolated func wasReplaced() {
        // The room is in the middle of a change; the session ends after it.
        eventLoop.execute { self.onLoop { $0.close(.replaced) } }
    }

    /// Ends the session from this side.
    func close(_ end: PeerEnd) {
        guard self.end == nil else { return }
        self.end = end
        var farewell: [UInt8] = []
        ingest.appendGoodbye(to: &farewell)
        transport.onLoop { $0.close(farewell: farewell) }
        finish(end)
    }

    private func finish(_ transportEnd: PeerEnd) {
        guard timer != nil || publication != nil else { return }
        timer?.cancel()
        timer = nil
        publication = nil
        let end = end ?? transportEnd
        let progress = ingest.received.isEmpty ? transport.onLoop { $0.progress } : .media
        room.onLoop { $0.unpublish(peerID, reason: PublicationEnd(end.reason)) }
        onEnd(end, progress)
    }

    /// What arrived and what was dropped, copied out.
    var drops: IngestDropCounters { ingest.drops }
    var repairs: IngestRepairStatistics { ingest.repairs }
    var keyframeRequestsSent: UInt64 { ingest.keyframeRequestsSent }
    var received: [(kind: MediaKind, layer: Int, statistics: ReceiveStatistics)] { ingest.received }
}

extension PublicationEnd {
    init(_ reason: EndReason) {
        self =
            switch reason {
            case .left: .stoppedByPublisher
            case .replaced: .replaced
            case .serverStopping, .roomClosed, .codecChanged, .publisherGone, .removedByOperator: .closedByServer
            default: .connectionLost
            }
    }
}
