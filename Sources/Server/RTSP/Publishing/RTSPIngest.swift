import RTP
import Streams
import Wire

extension ServerSettings {
    /// What is left of a datagram's payload for a whole RTP packet: less the authentication tag and the header
    /// extensions that viewers get.
    var maximumRTPPacketSize: Int { udpMaxPayloadSize - 52 }
}

/// The receiving side of a publisher over RTSP: which track a packet belongs to, what was lost, what it is told.
///
/// Packets go on as they came. Confined to the publisher's loop.
struct RTSPIngest {
    struct Drops: Sendable, Hashable {
        /// Not RTP or not RTCP.
        var malformed: UInt64 = 0
        /// Of a payload type or a track that was not announced, or of a codec that is not known.
        var unknown: UInt64 = 0
        var duplicates: UInt64 = 0
    }

    private struct Stream {
        var kind: MediaKind?
        var payloadType: UInt8
        var ssrc: UInt32?
        var statistics: ReceiveStatistics
        var clockRate: UInt32
        /// Makes packets that fit a datagram; nil before media is expected.
        var splitter: OversizedPacketSplitter?
        var markers = MarkerRepair()
        /// Of sound in the format of RFC 3640.
        var headers: ADTSRemoval?
        /// What the track's sound is taken for, and since when.
        var sound: (format: TrackFormat, configuration: [UInt8], since: Instant)?
    }

    /// A stream that says something else with every frame is believed so often.
    private static let refinementMilliseconds: Int64 = 2_000

    private var streams: [Stream]
    private let localSSRC: UInt32
    private let canonicalName: String
    private(set) var drops = Drops()
    private(set) var packets: UInt64 = 0

    /// - Parameters:
    ///   - media: in the order of the description; only the first of a kind feeds the room (RTSP-Q7).
    init(_ media: [RTSPAnnouncedMedia], localSSRC: UInt32, canonicalName: String) {
        self.localSSRC = localSSRC
        self.canonicalName = canonicalName
        var kinds: Set<MediaKind> = []
        streams = media.map { item in
            let kind = item.format.flatMap { kinds.insert($0.kind).inserted ? $0.kind : nil }
            return Stream(
                kind: kind, payloadType: item.payloadType, statistics: ReceiveStatistics(clockRate: item.clockRate),
                clockRate: item.clockRate)
        }
    }

    /// What the publication brings, one lane of a kind.
    static func lanes(of media: [RTSPAnnouncedMedia]) -> [PublicationLane] {
        var kinds: Set<MediaKind> = []
        return media.compactMap { item in
            guard let format = item.format, kinds.insert(format.kind).inserted else { return nil }
            return PublicationLane(
                format: format, extensions: HeaderExtensionMap(), parameterSets: format.announcedParameterSets,
                answersKeyframeRequests: false)
        }
    }

    /// Media is expected from now on: packets that are larger than `maximumPacketSize` are cut.
    mutating func begin(_ media: [RTSPAnnouncedMedia], maximumPacketSize: Int) {
        for (track, item) in media.enumerated() where streams.indices.contains(track) {
            streams[track].splitter = item.format.map {
                OversizedPacketSplitter($0.payloadDescription, maximumSize: maximumPacketSize)
            }
            streams[track].headers = item.format.flatMap { ADTSRemoval($0.payloadDescription) }
        }
    }

    /// Whether the stream is to say what decoders of its sound are set up with, and none of it has come.
    var awaitsConfiguration: Bool {
        streams.contains { $0.kind == .audio && $0.headers?.awaitsConfiguration == true }
    }

    /// What the stream says that its sound is, where that is not what it was taken for.
    mutating func refinedSound(
        _ media: [RTSPAnnouncedMedia], at now: Instant
    ) -> (track: Int, format: TrackFormat)? {
        guard let track = streams.firstIndex(where: { $0.kind == .audio }), media.indices.contains(track),
            let configuration = streams[track].headers?.configuration,
            configuration != streams[track].sound?.configuration, let announced = media[track].format
        else { return nil }
        if let since = streams[track].sound?.since, now.milliseconds(since: since) < Self.refinementMilliseconds {
            return nil
        }
        let refined = announced.refined(configuration: configuration)
        let former = streams[track].sound?.format ?? announced
        streams[track].sound = (refined, configuration, now)
        guard refined != former else { return nil }
        streams[track].splitter?.refine(refined.payloadDescription)
        return (track, refined)
    }

    /// Takes a packet.
    ///
    /// - Parameter body: is lent what goes on: the packet as it came, or the pieces of one that is too large.
    mutating func received(
        _ packet: RawSpan, track: Int, at now: Instant, _ body: (RawSpan, RTPHeader, MediaKind) -> Void
    ) {
        guard let (kind, header) = received(packet, track: track, at: now) else { return }
        if streams[track].splitter == nil { return body(packet, header, kind) }
        guard kind == .video else { return receivedSound(packet, header, track: track) { body($0, $1, kind) } }
        var markers = streams[track].markers
        streams[track].splitter?.receive(packet, header: header) { packet, header in
            markers.receive(packet, header: header) { body($0, $1, kind) }
        }
        streams[track].markers = markers
    }

    private mutating func receivedSound(
        _ packet: RawSpan, _ header: RTPHeader, track: Int, _ body: (RawSpan, RTPHeader) -> Void
    ) {
        guard var headers = streams[track].headers else {
            streams[track].splitter?.receive(packet, header: header, body)
            return
        }
        // Held twice it would be copied.
        streams[track].headers = nil
        let dropped = headers.statistics.dropped
        headers.receive(packet, header: header) { streams[track].splitter?.receive($0, header: $1, body) }
        drops.malformed &+= headers.statistics.dropped &- dropped
        streams[track].headers = headers
    }

    /// What became of packets that are too large for a datagram.
    var oversized: OversizedPacketSplitter.Statistics {
        streams.reduce(into: OversizedPacketSplitter.Statistics()) { sum, stream in
            guard let one = stream.splitter?.statistics else { return }
            sum.oversized &+= one.oversized
            sum.pieces &+= one.pieces
            sum.uncut &+= one.uncut
        }
    }

    /// Looks at a packet; nil when it goes nowhere.
    private mutating func received(
        _ packet: RawSpan, track: Int, at now: Instant
    ) -> (kind: MediaKind, header: RTPHeader)? {
        guard streams.indices.contains(track) else { return nil }
        guard let header = try? RTPHeader(parsing: packet) else {
            drops.malformed &+= 1
            return nil
        }
        guard let kind = streams[track].kind, header.payloadType == streams[track].payloadType else {
            drops.unknown &+= 1
            return nil
        }
        if streams[track].ssrc != header.ssrc {
            streams[track].ssrc = header.ssrc
            streams[track].statistics = ReceiveStatistics(clockRate: streams[track].clockRate)
        }
        let outcome = streams[track].statistics.received(
            sequenceNumber: header.sequenceNumber, timestamp: header.timestamp, byteCount: header.payload.count, at: now
        )
        switch outcome {
        case .duplicate:
            drops.duplicates &+= 1
            return nil
        case .accepted, .restarted, .unexpected: break
        }
        packets &+= 1
        return (kind, header)
    }

    /// Reads the publisher's RTCP; `report` gets its sender reports.
    mutating func receivedControl(
        _ compound: RawSpan, track: Int, at now: Instant, _ report: (SenderReport, MediaKind) -> Void
    ) {
        guard streams.indices.contains(track), let kind = streams[track].kind else { return }
        var packets = RTCPIterator()
        do throws(WireError) {
            while let packet = try packets.next(in: compound) {
                guard case .senderReport(let sent, _) = packet else { continue }
                streams[track].statistics.senderReportReceived(ntp: sent.ntp, at: now)
                report(sent, kind)
            }
        } catch {
            drops.malformed &+= 1
        }
    }

    /// Writes the receiver report of a track (RTSP-27); `false` when nothing has come of it.
    mutating func writeReport(of track: Int, into output: inout [UInt8], at now: Instant) -> Bool {
        guard streams.indices.contains(track), let ssrc = streams[track].ssrc,
            let block = streams[track].statistics.makeReportBlock(ssrc: ssrc, at: now)
        else { return false }
        output.removeAll(keepingCapacity: true)
        RTCPWriter.appendReceiverReport(ssrc: localSSRC, blocks: [block], to: &output)
        RTCPWriter.appendSourceDescription(ssrc: localSSRC, cname: canonicalName, to: &output)
        return true
    }

    var trackCount: Int { streams.count }
    var lostPackets: Int64 { streams.reduce(0) { $0 + $1.statistics.cumulativeLost } }
    /// Of the track where it is greatest.
    var jitterSeconds: Double {
        streams.map { Double($0.statistics.jitter) / Double(max(1, $0.clockRate)) }.max() ?? 0
    }
    /// Of the first track, in units of its clock.
    var jitter: UInt32 { streams.first?.statistics.jitter ?? 0 }
}
