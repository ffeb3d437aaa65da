import Codecs
public import RTP
public import Wire

/// One viewer's side of a track: which layer it gets, under which numbers.
///
/// Made by the viewer's peer and handed to the track, which owns it from then on; it lives on the room's loop.
/// It rewrites packets and hands them to the viewer's transport, where they are numbered and encrypted.
public final class DownTrack {
    public let viewer: PeerID
    public let format: DownTrackFormat
    private let sink: any PacketSink
    private let packetClass: PacketClass
    private let payloadType: UInt8
    private let ssrc: UInt32

    private var rewriter: StreamRewriter
    private var pictures: PictureRewriter
    private let extensions: HeaderExtensionForwarding
    /// The layer that is being forwarded; nil until a keyframe of the wanted one arrives.
    private var layer: Int?
    /// The publisher's SSRC of that layer.
    private var source: UInt32 = 0
    private var reported = false
    /// nil when the viewer cannot ask for packets again.
    private var gate: RetransmissionGate?
    /// The next sequence number of the stream for retransmissions.
    private var nextRepair: UInt16 = 0

    public private(set) var sent = SenderStatistics()
    /// Whether the viewer waits for a random access point.
    var needsKeyframe: Bool { packetClass == .video && wantsKeyframe }
    private var wantsKeyframe = true
    /// Whether media has been sent without a report yet.
    var needsFirstReport: Bool { !reported && sent.packets > 0 }

    public init(viewer: PeerID, format: DownTrackFormat, sink: any PacketSink) {
        self.viewer = viewer
        self.format = format
        self.sink = sink
        payloadType = format.payloadType
        ssrc = format.ssrc
        let isVideo = format.track.kind == .video
        packetClass = isVideo ? .video : .audio
        rewriter = StreamRewriter(
            firstSequenceNumber: format.firstSequenceNumber, firstTimestamp: format.firstTimestamp,
            clockRate: format.track.codec.clockRate, framesEndWithMarker: isVideo)
        pictures = PictureRewriter(codec: format.track.codec, firstPictureID: format.firstSequenceNumber)
        extensions = HeaderExtensionForwarding(viewer: format.extensions, mid: format.mid)
        if let repair = format.repair {
            gate = RetransmissionGate()
            if case .ownStream(_, _, let first) = repair { nextRepair = first }
        }
    }

    /// Another publication feeds the track: packets pass again from its first keyframe on.
    func sourceChanged() {
        layer = nil
        wantsKeyframe = true
        reported = false
    }

    // MARK: packets

    /// Forwards one packet, holds it back, or goes over to its layer when that is the wanted one and can start here.
    func forward(_ entry: RunEntry, _ packet: RawSpan, targetLayer: Int, statistics: inout TrackStatistics) {
        // An encoder that restarts comes back under another SSRC, with numbers of its own (RTP-8).
        if entry.layer == layer, entry.header.ssrc != source { layer = nil }
        if layer != targetLayer, entry.layer == targetLayer, canStart(at: entry) { start(at: entry, packet) }
        wantsKeyframe = layer != targetLayer
        guard entry.layer == layer else {
            statistics.packetsHeldBack &+= 1
            return
        }
        guard !entry.header.payload.isEmpty else {
            rewriter.drop(
                sequenceNumber: entry.header.sequenceNumber, timestamp: entry.header.timestamp, captured: entry.captured
            )
            statistics.packetsHeldBack &+= 1
            return
        }
        guard
            let position = rewriter.rewrite(
                sequenceNumber: entry.header.sequenceNumber, timestamp: entry.header.timestamp,
                marker: entry.header.marker, captured: entry.captured)
        else {
            statistics.packetsHeldBack &+= 1
            return
        }
        if send(entry, packet, position) {
            sent.sent(payloadSize: entry.header.payload.count)
            statistics.packetsSent &+= 1
            statistics.bytesSent &+= UInt64(packet.byteCount)
        } else {
            statistics.packetsRefused &+= 1
        }
    }

    private func canStart(at entry: RunEntry) -> Bool {
        if entry.header.payload.isEmpty { return false }
        return packetClass == .audio || entry.summary.isKeyframeStart
    }

    private func start(at entry: RunEntry, _ packet: RawSpan) {
        rewriter.switchSource(
            to: StreamRewriter.SourceStart(
                sequenceNumber: entry.header.sequenceNumber, timestamp: entry.header.timestamp,
                captured: entry.captured))
        pictures.switchSource(packet.extracting(entry.header.payload))
        layer = entry.layer
        source = entry.header.ssrc
    }

    private func send(_ entry: RunEntry, _ packet: RawSpan, _ position: RewrittenPosition) -> Bool {
        let extensionSize = extensions.maximumSize(entry.extensions)
        let payload = packet.extracting(entry.header.payload)
        let maximumSize =
            RTPHeader.minimumSize + extensionSize + payload.byteCount
        let patch = pictures.rewrite(payload)
        if gate != nil, entry.position >= 0 {
            // Kept even when the transport refuses it: then a later request is answered with the first sending.
            gate?.sent(
                PacketRecord(position: entry.position, timestamp: position.timestamp, picture: patch.numbers),
                extendedSequenceNumber: position.extendedSequenceNumber, byteCount: packet.byteCount,
                startsKeyframe: entry.summary.isKeyframeStart, at: entry.arrival)
        }
        let marker = entry.header.marker
        let index = entry.extensions
        // Flat values: a captured format would be counted up and down for every packet.
        let (payloadType, ssrc, extensions) = (payloadType, ssrc, extensions)
        return sink.enqueue(packetClass, maximumSize: maximumSize) { output in
            RTPHeader.append(
                payloadType: payloadType, marker: marker, sequenceNumber: position.sequenceNumber,
                timestamp: position.timestamp, ssrc: ssrc, hasExtension: extensionSize > 0, to: &output)
            if extensionSize > 0 { _ = extensions.append(index, from: packet, to: &output) }
            patch.append(payload, to: &output)
        }
    }

    // MARK: repair

    /// What the viewer asked for again and what became of it.
    var repairs: RepairStatistics { gate?.statistics ?? RepairStatistics() }

    /// The viewer cannot go on without a keyframe.
    func pictureLost() { gate?.pictureLost() }

    /// The packet to send again for a viewer that misses `sequenceNumber`; nil when there is none or it had it often
    /// enough.
    func requested(
        _ sequenceNumber: UInt16, roundTripNanoseconds: UInt64, at now: Instant
    ) -> RetransmissionGate.Answer? {
        gate?.requested(sequenceNumber, roundTripNanoseconds: roundTripNanoseconds, at: now)
    }

    /// What ``requested(_:roundTripNanoseconds:at:)`` found is no longer in the track's history.
    func couldNotSendAgain() { gate?.couldNotSend() }

    /// Builds a packet again as it was sent (RTP-46) and sends it in the way the viewer negotiated.
    ///
    /// - Parameters:
    ///   - packet: as it came from the publisher.
    ///   - map: the publisher's extension ids.
    func sendAgain(
        _ answer: RetransmissionGate.Answer, _ packet: RawSpan, publisher map: HeaderExtensionMap, at now: Instant
    ) {
        guard let repair = format.repair, let header = try? RTPHeader(parsing: packet) else {
            gate?.couldNotSend()
            return
        }
        let index = HeaderExtensionIndex(header, in: packet, map: map)
        let extensionSize = extensions.maximumSize(index)
        let payload = packet.extracting(header.payload)
        let patch = pictures.patch(payload, with: answer.packet.picture)
        let maximumSize =
            RTPHeader.minimumSize + extensionSize + payload.byteCount + RetransmissionFormat.overhead
        let original = UInt16(truncatingIfNeeded: answer.number)
        let (format, extensions, next) = (format, extensions, nextRepair)
        let wasSent = sink.enqueue(.retransmission, maximumSize: maximumSize) { output in
            switch repair {
            case .sameStream:
                RTPHeader.append(
                    payloadType: format.payloadType, marker: header.marker, sequenceNumber: original,
                    timestamp: answer.packet.timestamp, ssrc: format.ssrc, hasExtension: extensionSize > 0, to: &output)
            case .ownStream(let payloadType, let ssrc, _):
                RTPHeader.append(
                    payloadType: payloadType, marker: header.marker, sequenceNumber: next,
                    timestamp: answer.packet.timestamp, ssrc: ssrc, hasExtension: extensionSize > 0, to: &output)
            }
            if extensionSize > 0 { _ = extensions.append(index, from: packet, to: &output) }
            if repair != .sameStream { output.append(bigEndian: original) }
            patch.append(payload, to: &output)
        }
        guard wasSent else {
            gate?.couldNotSend()
            return
        }
        if repair == .sameStream { sent.sent(payloadSize: payload.byteCount) } else { nextRepair &+= 1 }
        gate?.sentAgain(answer.number, byteCount: maximumSize, at: now)
    }

    // MARK: reports

    /// Sends a sender report with the CNAME, in the time base that audio and video of the publisher share (RTP-70).
    func sendReport(mapping: TimestampMapping, wallClock: WallClock, at now: Instant, into scratch: inout [UInt8]) {
        guard sent.packets > 0,
            let made = sent.makeReport(
                ssrc: format.ssrc, rewriter: rewriter, mapping: mapping, wallClock: wallClock, at: now)
        else { return }
        reported = true
        scratch.removeAll(keepingCapacity: true)
        RTCPWriter.append(made, to: &scratch)
        RTCPWriter.appendSourceDescription(ssrc: format.ssrc, cname: format.canonicalName, to: &scratch)
        _ = scratch.withBytes { sink.enqueueControl($0) }
    }

    /// Tells the viewer that the source is gone for now (RTP-31).
    func sendGoodbye(into scratch: inout [UInt8]) {
        guard sent.packets > 0 else { return }
        scratch.removeAll(keepingCapacity: true)
        RTCPWriter.appendReceiverReport(ssrc: format.ssrc, blocks: [], to: &scratch)
        RTCPWriter.appendGoodbye(ssrc: format.ssrc, to: &scratch)
        _ = scratch.withBytes { sink.enqueueControl($0) }
    }

    /// The layer forwarded now; nil while waiting for a keyframe.
    public var currentLayer: Int? { layer }
}
