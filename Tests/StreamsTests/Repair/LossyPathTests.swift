import Codecs
import RTP
import SDP
import TestKit
import Testing
import WebRTC
import Wire

@testable import Streams

/// A publisher, the server's engines and a viewer over links that lose packets both ways, on virtual time.
@Suite struct LossyPathTests {
    static let link: NetworkConditions = {
        var conditions = NetworkConditions(loss: 0.1)
        conditions.latencyMilliseconds = 40
        return conditions
    }()

    @Test(arguments: [true, false])
    func ofTenPercentLostMoreThanNinetyNineAreRepaired(_ hasOwnStream: Bool) throws {
        let path = try LossyPath(Self.link, hasOwnStream: hasOwnStream)
        path.run(milliseconds: 20_000)
        // What was lost at the very end still has a second to come.
        path.isPublishing = false
        path.run(milliseconds: 1_000)

        let ingested = Double(path.arrived.count) / Double(path.published)
        let shown = Double(path.viewed.count) / Double(path.published)
        let lost = Double(path.uplink.lost + path.downlink.lost) / Double(path.uplink.sent + path.downlink.sent)
        #expect(path.published > 10_000)
        #expect((0.09...0.11).contains(lost))
        #expect(ingested > 0.999, "the server has \(ingested) of what was published")
        #expect(shown > 0.99, "the viewer has \(shown) of what was published")
        // Nothing came in another shape than it was first sent in.
        #expect(path.altered == 0)
        let repairs = path.statistics.repairs
        #expect(repairs.answered > 1_000)
        #expect(repairs.overBudget == 0)
        #expect(repairs.answered + repairs.suppressed + repairs.unanswerable == repairs.requested)
    }

    @Test func aCleanPathIsNotRepaired() throws {
        var link = Self.link
        link.loss = 0
        let path = try LossyPath(link, hasOwnStream: true)
        path.run(milliseconds: 3_000)
        #expect(path.engine.repairs == IngestRepairStatistics())
        #expect(path.statistics.repairs == RepairStatistics())
        #expect(path.viewed.count > 1_700)
    }

    /// RTP-47: however much is lost, repairs take a bounded share of what is sent.
    @Test func repairsOfAVeryBadLinkStayWithinTheirShare() throws {
        var link = Self.link
        link.loss = 0.5
        let path = try LossyPath(link, hasOwnStream: true)
        path.run(milliseconds: 10_000)
        let statistics = path.statistics
        let bound = statistics.bytesSent / 2 + UInt64(RetransmissionGate.initialBudget) + 2_000
        #expect(statistics.repairs.bytesSent <= bound)
        #expect(statistics.repairs.answered > 1_000)
    }
}

final class LossyPath {
    static let publisherSSRC: UInt32 = 1_000
    static let viewerSSRC: UInt32 = 7_000
    static let repairSSRC: UInt32 = 7_001

    private let clock = VirtualClock()
    let loop: ManualLoop
    let engine: IngestEngine
    let track: Track
    private let publication: Publication
    private let publisher = FakePublisher(1)
    private let sink = FakeSink()
    private(set) var uplinkNetwork: LossyNetwork<Bool>
    private(set) var downlinkNetwork: LossyNetwork<Bool>
    var uplink: (sent: Int, lost: Int) { (uplinkNetwork.sent, uplinkNetwork.lost) }
    var downlink: (sent: Int, lost: Int) { (downlinkNetwork.sent, downlinkNetwork.lost) }

    // The publisher.
    private var source = VideoSource(ssrc: publisherSSRC)
    private var history: [UInt16: [UInt8]] = [:]
    private var nextRepair: UInt16 = 5
    private let hasOwnStream: Bool
    var isPublishing = true
    private(set) var published = 0
    /// What the server's tracks were given, by the publisher's numbers.
    private(set) var arrived: Set<Int64> = []
    private var arrivedNumbers = SequenceUnwrapper()

    // The viewer.
    private var losses = NackGenerator()
    private var viewedNumbers = SequenceUnwrapper()
    private(set) var viewed: Set<Int64> = []
    private var firstSent: [UInt16: [UInt8]] = [:]
    private(set) var altered = 0

    init(_ conditions: NetworkConditions, hasOwnStream: Bool) throws {
        self.hasOwnStream = hasOwnStream
        loop = ManualLoop(clock: clock)
        uplinkNetwork = LossyNetwork(conditions, seed: 10)
        downlinkNetwork = LossyNetwork(conditions, seed: 20)
        engine = IngestEngine(
            sections: try Self.sections(), localSSRC: 99, canonicalName: "cname", startedAt: clock.now)
        let lane = PublicationLane(format: TrackFormat(codec: .vp8), extensions: HeaderExtensionMap())
        publication = Publication(generation: 1, lanes: [lane], loop: loop)
        track = Track(id: TrackID(1), kind: .video, loop: loop)
        source.size = 1_000
        var format = DownTrackFormat(
            track: lane.format, payloadType: 96, ssrc: Self.viewerSSRC, extensions: HeaderExtensionMap([(.mid, 4)]),
            mid: Array("1".utf8), firstSequenceNumber: 32_000, firstTimestamp: 5, canonicalName: "cname")
        format.repair =
            hasOwnStream ? .ownStream(payloadType: 97, ssrc: Self.repairSSRC, firstSequenceNumber: 100) : .sameStream
        loop.run {
            track.onLoop { [publication, publisher, sink, format] in
                _ = $0.attach(publication, lane: lane, publisher: publisher)
                _ = $0.add(DownTrack(viewer: PeerID(2), format: format, sink: sink))
            }
        }
    }

    static func sections() throws -> [IngestSection] {
        let lines = [
            "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0",
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97", "a=mid:0", "a=sendonly", "a=rtcp-mux", "a=rtcp-rsize",
            "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96", "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=setup:actpass",
            "a=fingerprint:sha-256 " + Array(repeating: "AA", count: 32).joined(separator: ":"),
        ]
        let offer = try WebRTCOffer(SessionDescription(parsing: Array(lines.map { $0 + "\r\n" }.joined().utf8)))
        let parameters = AnswerParameters(
            iceUfrag: "ufrag", icePassword: "password", fingerprintSHA256: Array(0..<32), candidates: [], sessionID: 1)
        return try offer.negotiate(.publish, with: parameters).sections.compactMap { IngestSection($0) }
    }

    /// A frame of 20 packets every 33 ms, which is about 5 Mbit/s.
    func run(milliseconds: UInt64) {
        for millisecond in 0..<milliseconds {
            if isPublishing, millisecond % 33 == 0 { publish(key: published == 0) }
            clock.advance(byMilliseconds: 1)
            loop.run {
                while let (isForServer, datagram) = uplinkNetwork.receive(at: clock.now) {
                    if isForServer { serverReceived(datagram) } else { publisherReceived(datagram) }
                }
                while let (isForServer, datagram) = downlinkNetwork.receive(at: clock.now) {
                    if isForServer { serverReceived(request: datagram) } else { viewerReceived(datagram) }
                }
                engine.deadlineReached(at: clock.now)
            }
            engine.drainControl { uplinkNetwork.send($0.array, to: false, at: clock.now) }
            for packet in sink.packets { downlinkNetwork.send(note(packet), to: false, at: clock.now) }
            sink.forget()
            viewerAsks()
        }
    }

    var statistics: TrackStatistics { loop.run { track.onLoop { $0.statistics } } }

    // MARK: the publisher

    private func publish(key: Bool) {
        for packet in source.frame(key: key, packets: 20) {
            published += 1
            history[number(of: packet)] = packet
            // The stream begins with a packet that arrives; what is lost before it is nobody's.
            if published == 1 { serverReceived(packet) } else { uplinkNetwork.send(packet, to: true, at: clock.now) }
        }
    }

    private func publisherReceived(_ compound: [UInt8]) {
        forEachLost(in: compound) { number in
            guard let packet = history[number], let header = header(of: packet) else { return }
            guard hasOwnStream else { return uplinkNetwork.send(packet, to: true, at: clock.now) }
            var repair: [UInt8] = []
            packet.withBytes {
                RetransmissionFormat.wrap(
                    $0, header: header, ssrc: Self.publisherSSRC + 1, payloadType: 97, sequenceNumber: nextRepair,
                    into: &repair)
            }
            nextRepair &+= 1
            uplinkNetwork.send(repair, to: true, at: clock.now)
        }
    }

    // MARK: the server

    private func serverReceived(_ datagram: [UInt8]) {
        let now = clock.now
        datagram.withBytes { bytes in
            guard let packet = engine.received(bytes, at: now) else { return }
            arrived.insert(arrivedNumbers.unwrap(packet.header.sequenceNumber))
            if packet.isRestored { engine.withRestoredPacket { forward($0, packet) } } else { forward(bytes, packet) }
        }
    }

    private func forward(_ bytes: RawSpan, _ packet: IngestedPacket) {
        let now = clock.now
        loop.run {
            _ = track.onLoop { $0.receive(bytes, header: packet.header, layer: 0, generation: 1, at: now) }
        }
    }

    private func serverReceived(request compound: [UInt8]) {
        let now = clock.now
        compound.withBytes { bytes in
            var packets = RTCPIterator()
            while let packet = try? packets.next(in: bytes) {
                guard case .negativeAcknowledgement(_, Self.viewerSSRC, let lost) = packet else { continue }
                loop.run {
                    track.onLoop {
                        $0.sendAgain(
                            lost, in: bytes, to: PeerID(2), roundTripNanoseconds: 80_000_000, at: now)
                    }
                }
            }
        }
    }

    /// Remembers in what shape a packet was first sent.
    private func note(_ packet: [UInt8]) -> [UInt8] {
        guard let header = header(of: packet), header.ssrc == Self.viewerSSRC else { return packet }
        let former = firstSent.updateValue(packet, forKey: header.sequenceNumber)
        if !hasOwnStream, let former, former != packet { altered += 1 }
        return packet
    }

    // MARK: the viewer

    private func viewerReceived(_ datagram: [UInt8]) {
        guard var header = header(of: datagram) else { return }
        var packet = datagram
        if header.ssrc == Self.repairSSRC {
            packet = []
            let result = datagram.withBytes {
                RetransmissionFormat.unwrap($0, header: header, ssrc: Self.viewerSSRC, payloadType: 96, into: &packet)
            }
            guard result == .packet, let original = self.header(of: packet) else {
                altered += 1
                return
            }
            header = original
        }
        if packet != firstSent[header.sequenceNumber] { altered += 1 }
        viewed.insert(viewedNumbers.unwrap(header.sequenceNumber))
        _ = losses.received(header.sequenceNumber, at: clock.now)
    }

    private func viewerAsks() {
        var numbers: [UInt16] = []
        losses.deadlineReached(at: clock.now, into: &numbers)
        guard !numbers.isEmpty else { return }
        var request: [UInt8] = []
        RTCPWriter.appendNegativeAcknowledgement(
            sender: 1, media: Self.viewerSSRC, sequenceNumbers: numbers, to: &request)
        downlinkNetwork.send(request, to: true, at: clock.now)
    }

    // MARK: parts

    private func header(of packet: [UInt8]) -> RTPHeader? { packet.withBytes { try? RTPHeader(parsing: $0) } }
    private func number(of packet: [UInt8]) -> UInt16 { header(of: packet)?.sequenceNumber ?? 0 }

    private func forEachLost(in compound: [UInt8], _ body: (UInt16) -> Void) {
        compound.withBytes { bytes in
            var packets = RTCPIterator()
            while let packet = try? packets.next(in: bytes) {
                guard case .negativeAcknowledgement(_, _, let lost) = packet else { continue }
                lost.forEach(in: bytes) { body($0) }
            }
        }
    }
}
