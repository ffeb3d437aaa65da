import Codecs
import RTP
import Wire

/// What changes in a ``DownTrack`` with every packet, as one value.
///
/// A value of its own so that a whole run is forwarded under one access to it: the exclusivity of a class's properties
/// is checked at run time, and a check for each of them and each packet costs as much as the forwarding.
struct StreamForwarder {
    private let sink: any PacketSink
    private let packetClass: PacketClass
    private let payloadType: UInt8
    private let ssrc: UInt32
    private let extensions: HeaderExtensionForwarding

    private(set) var rewriter: StreamRewriter
    private var pictures: PictureRewriter
    /// The layer that is being forwarded; nil until a keyframe of the wanted one arrives.
    private(set) var layer: Int?
    /// The publisher's SSRC of that layer.
    private var source: UInt32 = 0
    private var wantsKeyframe = true
    private(set) var sent = SenderStatistics()

    init(format: DownTrackFormat, sink: any PacketSink) {
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

    /// Whether the viewer waits for a random access point.
    var needsKeyframe: Bool { packetClass == .video && wantsKeyframe }

    mutating func sourceChanged() {
        layer = nil
        wantsKeyframe = true
    }

    mutating func forward(_ run: borrowing PacketRun, targetLayer: Int, statistics: inout TrackStatistics) {
        run.lendEach { entry, packet in
            forward(entry, packet, targetLayer: targetLayer, statistics: &statistics)
        }
    }

    /// Forwards one packet, holds it back, or goes over to its layer when that is the wanted one and can start here.
    private mutating func forward(
        _ entry: RunEntry, _ packet: RawSpan, targetLayer: Int, statistics: inout TrackStatistics
    ) {
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

    private mutating func start(at entry: RunEntry, _ packet: RawSpan) {
        rewriter.switchSource(
            to: StreamRewriter.SourceStart(
                sequenceNumber: entry.header.sequenceNumber, timestamp: entry.header.timestamp,
                captured: entry.captured))
        pictures.switchSource(packet.extracting(entry.header.payload))
        layer = entry.layer
        source = entry.header.ssrc
    }

    private mutating func send(_ entry: RunEntry, _ packet: RawSpan, _ position: RewrittenPosition) -> Bool {
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
}
