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
    private var packetsAtReport: UInt64 = 0

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

    // MARK: reports

    /// Sends a sender report with the CNAME, in the time base that audio and video of the publisher share (RTP-70).
    /// Nothing when nothing was sent since the last one: a silent source is no sender (RFC 3550, section 6.4).
    func sendReport(mapping: TimestampMapping, wallClock: WallClock, at now: Instant, into scratch: inout [UInt8]) {
        guard sent.packets > packetsAtReport,
            let made = sent.makeReport(
                ssrc: format.ssrc, rewriter: rewriter, mapping: mapping, wallClock: wallClock, at: now)
        else { return }
        reported = true
        packetsAtReport = sent.packets
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
