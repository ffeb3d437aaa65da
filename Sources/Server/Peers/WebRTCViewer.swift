import Loop
import RTP
import Streams
import WebRTC
import Wire

/// A viewer's session over WebRTC: it has one DownTrack on each track it negotiated, and its RTCP steers them.
actor WebRTCViewer: LoopActor, TransportOwner, ViewerHandle {
    nonisolated let peerID: PeerID
    nonisolated let room: Room
    nonisolated let transport: PeerTransport
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    /// What the viewer last reported about one of its streams.
    struct Reception: Sendable {
        var ssrc: UInt32
        var kind: MediaKind
        var fractionLost: UInt8 = 0
        var cumulativeLost: Int32 = 0
        /// In units of the stream's clock.
        var jitter: UInt32 = 0
        var roundTripNanoseconds: UInt64?
        var repeatedRequests = FullIntraRequestFilter()
    }

    private let formats: [DownTrackFormat]
    private var receptions: [Reception]
    private let onConnected: @Sendable () -> Void
    private let onEnd: @Sendable (PeerEnd, TransportProgress) -> Void
    private var control: [UInt8] = []
    private var hasJoined = false
    private var end: PeerEnd?

    private(set) var malformedControl: UInt64 = 0
    private(set) var keyframeRequests: UInt64 = 0

    init(
        transport: PeerTransport, room: Room, formats: [DownTrackFormat], onConnected: @escaping @Sendable () -> Void,
        onEnd: @escaping @Sendable (PeerEnd, TransportProgress) -> Void
    ) {
        peerID = transport.peerID
        self.transport = transport
        self.room = room
        eventLoop = transport.eventLoop
        self.formats = formats
        receptions = formats.map { Reception(ssrc: $0.ssrc, kind: $0.track.kind) }
        self.onConnected = onConnected
        self.onEnd = onEnd
    }

    /// Joins the room, or throws and leaves everything as it was.
    func start() throws(RoomError) {
        try room.onLoop { room throws(RoomError) in try room.join(self) }
        hasJoined = true
        transport.onLoop { $0.start(owner: self, congestion: CongestionController.Configuration(formats)) }
    }

    // MARK: transport

    nonisolated func transportConnected() {
        onLoop { $0.subscribe() }
    }

    /// Media is asked for only now that it can be sent, so that the first keyframe is not lost.
    private func subscribe() {
        guard hasJoined else { return }
        for format in formats {
            let downTrack = DownTrack(viewer: peerID, format: format, sink: transport)
            guard room.onLoop({ $0.add(downTrack) }) else {
                return end(ViewerEnd.codecChanged)
            }
        }
        onConnected()
    }

    nonisolated func transportReceived(rtp packet: RawSpan, at now: Instant) {
        // A viewer negotiated to send nothing; what comes all the same is dropped.
    }

    nonisolated func transportReceived(rtcp compound: RawSpan, at now: Instant) {
        onLoop { $0.receivedControl(compound, at: now) }
    }

    private func receivedControl(_ compound: RawSpan, at now: Instant) {
        var packets = RTCPIterator()
        do throws(WireError) {
            while let packet = try packets.next(in: compound) { handle(packet, compound, at: now) }
        } catch {
            malformedControl &+= 1
        }
    }

    private func handle(_ packet: RTCPPacket, _ compound: RawSpan, at now: Instant) {
        switch packet {
        case .senderReport(_, let blocks), .receiverReport(_, let blocks):
            for index in 0..<blocks.count {
                if let block = blocks.block(at: index, in: compound) { note(block, at: now) }
            }
        case .pictureLossIndication(_, let media):
            if receptions.contains(where: { $0.ssrc == media && $0.kind == .video }) { requestKeyframe() }
        case .negativeAcknowledgement(_, let media, let lost):
            guard let reception = receptions.first(where: { $0.ssrc == media }) else { return }
            room.track(reception.kind).onLoop {
                $0.sendAgain(
                    lost, in: compound, to: peerID, roundTripNanoseconds: reception.roundTripNanoseconds ?? 0, at: now)
            }
        case .transportFeedback(let feedback):
            let news = transport.onLoop { $0.received(feedback, in: compound, at: now) }
            guard let reception = receptions.first(where: { $0.kind == .video }) else { return }
            room.track(.video).onLoop {
                $0.heard(
                    news, of: peerID, roundTripNanoseconds: reception.roundTripNanoseconds ?? 0, at: now)
            }
        case .receiverEstimatedBitrate(let estimate, let sources):
            guard names(sources, in: compound) else { return }
            transport.onLoop { $0.received(receiverEstimate: estimate.bitsPerSecond, at: now) }
        case .extendedReport(let sender, let blocks): answer(blocks, of: sender, in: compound)
        case .fullIntraRequest(_, let entries):
            for index in 0..<entries.count {
                guard let entry = entries.entry(at: index, in: compound),
                    let position = receptions.firstIndex(where: { $0.ssrc == entry.ssrc && $0.kind == .video }),
                    receptions[position].repeatedRequests.isNew(entry.sequenceNumber)
                else { continue }
                requestKeyframe()
            }
        default: break
        }
    }

    /// Whether a list of sources holds one that is sent to this viewer (RTP-95).
    private func names(_ sources: SSRCList, in compound: RawSpan) -> Bool {
        for index in 0..<sources.count {
            guard let ssrc = sources.ssrc(at: index, in: compound) else { return false }
            if formats.contains(where: { $0.ssrc == ssrc || $0.repairSSRC == ssrc }) { return true }
        }
        return false
    }

    /// Answers a viewer's receiver reference time, so that it knows its round trip (RTP-75): how long it waits for
    /// packets to be sent again follows from that. One answer to a compound packet.
    private func answer(_ blocks: ExtendedReportList, of sender: UInt32, in compound: RawSpan) {
        guard let format = formats.last else { return }
        var latest: UInt64?
        blocks.forEach(in: compound) { if case .receiverReferenceTime(let ntp) = $0 { latest = ntp } }
        guard let latest else { return }
        control.removeAll(keepingCapacity: true)
        RTCPWriter.appendReceiverReport(ssrc: format.ssrc, blocks: [], to: &control)
        RTCPWriter.appendDelaySinceLastReceiverReport(
            sender: format.ssrc, ssrc: sender, lastReceiverReport: UInt32(truncatingIfNeeded: latest >> 16), delay: 0,
            to: &control)
        _ = control.withBytes { transport.enqueueControl($0) }
    }

    private func requestKeyframe() {
        keyframeRequests &+= 1
        room.track(.video).onLoop { $0.pictureLost(by: peerID) }
    }

    private func note(_ block: ReportBlock, at now: Instant) {
        guard let index = receptions.firstIndex(where: { $0.ssrc == block.ssrc }) else { return }
        receptions[index].fractionLost = block.fractionLost
        receptions[index].cumulativeLost = block.cumulativeLost
        receptions[index].jitter = block.jitter
        receptions[index].roundTripNanoseconds = block.roundTripNanoseconds(
            arrivalNTP: eventLoop.wallClock.ntp(at: now))
        if receptions[index].kind == .video {
            transport.onLoop { $0.received(fractionLost: block.fractionLost, at: now) }
        }
    }

    nonisolated func transportClosed(_ reason: TransportCloseReason) {
        onLoop { $0.finish(PeerEnd(reason)) }
    }

    // MARK: end

    nonisolated func end(_ reason: ViewerEnd) {
        // The room is in the middle of a change; the session ends after it.
        eventLoop.execute { self.onLoop { $0.close(PeerEnd(reason)) } }
    }

    /// Ends the session from this side: the viewer gets a BYE for each of its streams.
    func close(_ end: PeerEnd) {
        guard self.end == nil else { return }
        self.end = end
        var farewell: [UInt8] = []
        for (index, format) in formats.enumerated() {
            if index == 0 { RTCPWriter.appendReceiverReport(ssrc: format.ssrc, blocks: [], to: &farewell) }
            RTCPWriter.appendGoodbye(ssrc: format.ssrc, to: &farewell)
        }
        transport.onLoop { $0.close(farewell: farewell) }
        finish(end)
    }

    private func finish(_ reason: PeerEnd) {
        guard hasJoined else { return }
        hasJoined = false
        room.onLoop { $0.leave(peerID) }
        onEnd(end ?? reason, transport.onLoop { $0.progress })
    }

    var reception: [Reception] { receptions }
}
