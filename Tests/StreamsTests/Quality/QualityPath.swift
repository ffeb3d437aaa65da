import Codecs
import ICE
import RTP
import SDP
import Secure
import TestKit
import Testing
import WebRTC
import Wire

@testable import Streams

/// A publisher, a room and a viewer, each end of both links with the whole of ICE, DTLS and SRTP, on virtual time.
///
/// The links are perfect until both ends have keys; then ``uplink`` and ``downlink`` may be given conditions.
final class QualityPath {
    enum End: Equatable {
        case server(port: UInt16)
        case client(port: UInt16)
    }

    /// One link: the client's end, the server's end and what lies between.
    final class Link {
        let client: TestClient
        let engine: TransportEngine
        var up: LossyNetwork<End>
        var down: LossyNetwork<End>

        init(seed: UInt64, limits: ICELimits, at now: Instant) throws {
            let own = try QualityIdentities.server
            let other = try QualityIdentities.client
            let credentials = ICECredentials(ufrag: "martletUfrag", password: "passwordOfTheServerItself+/01")
            engine = TransportEngine(
                TransportConfiguration(
                    localCredentials: credentials, remoteCredentials: TestClient.credentials,
                    remoteFingerprints: [try other.sha256()], role: .server, identity: own, iceLimits: limits,
                    checkSecret: Array(1...32)),
                startedAt: now)
            client = TestClient(
                identity: other, role: .client, remoteFingerprint: try own.sha256(), remote: credentials)
            client.consentMilliseconds = 500
            up = LossyNetwork(seed: seed)
            down = LossyNetwork(seed: seed + 1)
        }

        func setBoth(_ conditions: NetworkConditions) {
            up.conditions = conditions
            down.conditions = conditions
        }

        static func tuple(_ port: UInt16) -> TransportTuple {
            TransportTuple(
                local: SocketAddress(ipv4: 0xC000_0201, port: 8189),
                remote: SocketAddress(ipv4: 0xC633_6407, port: port))
        }

        func sendDown(_ datagram: [UInt8], at now: Instant) {
            guard let tuple = engine.selectedTuple else { return }
            down.send(datagram, to: .client(port: tuple.remote.port), at: now)
        }

        /// Moves everything that is due, and lends what the server got decrypted.
        func move(at now: Instant, _ received: (ReceivedDatagram, RawSpan) -> Void) {
            SystemClock.at(now) { moveAll(at: now, received) }
        }

        private func moveAll(at now: Instant, _ received: (ReceivedDatagram, RawSpan) -> Void) {
            if let due = client.nextDeadline, due <= now { client.deadlineReached(at: now) }
            if let due = engine.nextDeadline, due <= now { engine.deadlineReached(at: now) }
            while let (end, datagram) = up.receive(at: now) {
                guard case .server(let port) = end else { continue }
                var datagram = datagram
                datagram.withMutableBytes { bytes in
                    let result = engine.received(&bytes, on: Self.tuple(port), at: now)
                    received(result, bytes.bytes)
                }
            }
            while let (end, datagram) = down.receive(at: now) {
                // What is sent to a port the client has left reaches nobody.
                if end == .client(port: client.port) { client.received(datagram, at: now) }
            }
            for (port, datagram) in client.outbox { up.send(datagram, to: .server(port: port), at: now) }
            client.outbox = []
            engine.drainOutput { tuple, bytes in
                down.send(bytes.array, to: .client(port: tuple.remote.port), at: now)
            }
        }
    }

    static let publisherSSRC: UInt32 = 1_000
    static let soundSSRC: UInt32 = 1_002
    private static let viewerID = PeerID(2)

    private let clock = VirtualClock()
    let loop: ManualLoop
    let uplink: Link
    let downlink: Link
    let ingest: IngestEngine
    let room: Room
    let sink: EngineSink
    private let publication: Publication
    private let publisher: KeyframeDoor
    /// One for each layer.
    var cameras: [Camera]
    var camera: Camera {
        get { cameras[0] }
        set { cameras[0] = newValue }
    }
    var microphone = Microphone(ssrc: soundSSRC)
    var viewer = QualityViewer()
    /// What the server takes for the viewer's round trip.
    var roundTripNanoseconds: UInt64 = 0
    /// What was published lately, by source and number.
    private var history: [UInt64: [UInt8]] = [:]
    private var nextRepair: UInt16 = 5
    private var mediaBegan: Instant?
    /// When the pictures of all cameras were captured, by their count.
    private var pictureTimes: [Instant] = []

    /// - Parameters:
    ///   - cameras: one for each layer.
    ///   - repairDelayMilliseconds: the longest that the viewer is asked to hold video back; nil for one that cannot be
    ///     asked, and whose buffer follows the lateness it sees.
    ///   - looksAfterLink: whether the viewer's link is estimated and paced, for which the viewer gives feedback.
    init(
        seed: UInt64 = 1, cameras: [Camera] = [Camera(ssrc: publisherSSRC)], repairDelayMilliseconds: Int? = nil,
        looksAfterLink: Bool = false, limits: ICELimits = ICELimits()
    ) throws {
        loop = ManualLoop(clock: clock)
        self.cameras = cameras
        uplink = try Link(seed: seed &* 4, limits: limits, at: clock.now)
        downlink = try Link(seed: seed &* 4 + 2, limits: limits, at: clock.now)
        ingest = IngestEngine(
            sections: try Self.sections(layers: cameras.count), localSSRC: 99, canonicalName: "cname",
            startedAt: clock.now)
        publisher = KeyframeDoor()
        sink = EngineSink(downlink.engine, looksAfterLink: looksAfterLink, at: clock.now)
        if looksAfterLink { viewer.givesFeedback() }
        room = Room(name: "cam", loop: loop, policy: RoomPolicy(), firstTrackID: 1) { _ in }
        let lanes = [TrackFormat(codec: .vp8), TrackFormat(codec: .opus, channels: 2)].map {
            PublicationLane(
                format: $0, extensions: HeaderExtensionMap(), layerCount: $0.kind == .video ? cameras.count : 1)
        }
        publication = try loop.run { [room, publisher] in try room.onLoop { try $0.publish(publisher, lanes: lanes) } }
        try connect()
        try join(lanes.map(\.format), repairDelayMilliseconds)
    }

    private func connect() throws {
        uplink.client.start(at: clock.now)
        downlink.client.start(at: clock.now)
        for _ in 0..<2_000 where !(uplink.client.isConnected && downlink.client.isConnected && bothConnected) {
            clock.advance(byMilliseconds: 1)
            uplink.move(at: clock.now) { _, _ in }
            downlink.move(at: clock.now) { _, _ in }
        }
        try #require(bothConnected)
    }

    private var bothConnected: Bool { uplink.engine.isConnected && downlink.engine.isConnected }

    private func join(_ formats: [TrackFormat], _ repairDelayMilliseconds: Int?) throws {
        viewer.player.followsLateness = repairDelayMilliseconds == nil
        let handle = FakeViewer(Self.viewerID.value)
        try loop.run { [room] in try room.onLoop { try $0.join(handle) } }
        for format in formats {
            let isVideo = format.kind == .video
            var wanted = DownTrackFormat(
                track: format, payloadType: isVideo ? 96 : 111,
                ssrc: isVideo ? QualityViewer.videoSSRC : QualityViewer.audioSSRC,
                extensions: HeaderExtensionMap(
                    [(.mid, 4), (.playoutDelay, QualityViewer.playoutDelayID)]
                        + (sink.congestion == nil ? [] : [(.transportWideCC, QualityViewer.numberID)])),
                mid: Array(isVideo ? "1".utf8 : "0".utf8),
                firstSequenceNumber: 32_000, firstTimestamp: 5, canonicalName: "cname")
            if isVideo {
                wanted.repair = .ownStream(
                    payloadType: 97, ssrc: QualityViewer.repairSSRC, firstSequenceNumber: 100)
                wanted.repairDelayMilliseconds = repairDelayMilliseconds ?? 0
            }
            let added = loop.run { [room, sink, wanted] in
                room.track(format.kind).onLoop {
                    $0.add(DownTrack(viewer: Self.viewerID, format: wanted, sink: sink))
                }
            }
            try #require(added)
        }
    }

    /// What a publisher of VP8 and Opus with retransmissions negotiated.
    static func sections(layers: Int = 1) throws -> [IngestSection] {
        let sources = (0..<layers).map { publisherSSRC + UInt32($0) * 10 }
        let lines =
            [
                "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1",
                "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=setup:actpass",
                "a=fingerprint:sha-256 " + Array(repeating: "AA", count: 32).joined(separator: ":"),
                "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=sendonly", "a=rtcp-mux", "a=rtcp-rsize",
                "a=rtpmap:111 opus/48000/2", "a=ssrc:1002 cname:x",
                "m=video 9 UDP/TLS/RTP/SAVPF 96 97", "a=mid:1", "a=sendonly", "a=rtcp-mux", "a=rtcp-rsize",
                "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtpmap:97 rtx/90000",
                "a=fmtp:97 apt=96",
            ] + sources.flatMap { ["a=ssrc:\($0) cname:x", "a=ssrc:\($0 + 1) cname:x"] }
            + sources.map { "a=ssrc-group:FID \($0) \($0 + 1)" }
            + (layers > 1 ? ["a=ssrc-group:SIM " + sources.map { "\($0)" }.joined(separator: " ")] : [])
        let offer = try WebRTCOffer(SessionDescription(parsing: Array(lines.map { $0 + "\r\n" }.joined().utf8)))
        let parameters = AnswerParameters(
            iceUfrag: "ufrag", icePassword: "password", fingerprintSHA256: Array(0..<32), candidates: [], sessionID: 1)
        return try offer.negotiate(.publish, with: parameters).sections.compactMap { IngestSection($0) }
    }

    var now: Instant { clock.now }

    // MARK: time

    func run(milliseconds: UInt64) {
        for _ in 0..<milliseconds {
            loop.advance(byMilliseconds: 1)
            sink.advance(to: clock.now)
            capture()
            loop.run {
                uplink.move(at: clock.now) { receivedFromPublisher($0, $1) }
                downlink.move(at: clock.now) { receivedFromViewer($0, $1) }
                for layer in publisher.take() { ingest.requestKeyframe(.video, layer: layer, at: clock.now) }
                ingest.deadlineReached(at: clock.now)
            }
            ingest.drainControl { compound in
                var control = compound.array
                if uplink.engine.protectControl(&control) { uplink.sendDown(control, at: clock.now) }
            }
            for datagram in sink.outgoing { downlink.sendDown(datagram, at: clock.now) }
            sink.outgoing = []
            publisherReceives()
            viewerReceives()
        }
    }

    private func capture() {
        let begin = mediaBegan ?? clock.now
        if mediaBegan == nil { mediaBegan = begin }
        let elapsed = UInt64(max(0, clock.now.milliseconds(since: begin)))
        while UInt64(camera.pictures) * 1_000 <= elapsed * UInt64(camera.framesPerSecond) {
            pictureTimes.append(clock.now)
            for index in cameras.indices {
                for packet in cameras[index].next() {
                    if let header = header(of: packet) { history[key(header.ssrc, header.sequenceNumber)] = packet }
                    publish(packet)
                }
            }
        }
        while UInt64(microphone.packets) * 20 <= elapsed {
            publish(microphone.next())
        }
    }

    private func publish(_ packet: [UInt8]) {
        uplink.up.send(uplink.client.protected(rtp: packet), to: .server(port: uplink.client.port), at: clock.now)
    }

    private func key(_ ssrc: UInt32, _ number: UInt16) -> UInt64 { UInt64(ssrc) << 16 | UInt64(number) }

    // MARK: the ends

    private func receivedFromPublisher(_ result: ReceivedDatagram, _ bytes: RawSpan) {
        guard case .rtp(let count) = result else { return }
        let packet = bytes.extracting(first: count)
        guard let taken = ingest.received(packet, at: clock.now) else { return }
        if taken.isRestored { ingest.withRestoredPacket { forward($0, taken) } } else { forward(packet, taken) }
    }

    private func forward(_ bytes: RawSpan, _ packet: IngestedPacket) {
        let (generation, now) = (publication.generation, clock.now)
        let isKeyframe = room.track(packet.kind).onLoop {
            $0.receive(bytes, header: packet.header, layer: packet.layer, generation: generation, at: now)
        }
        if isKeyframe { ingest.keyframeReceived(packet.kind, layer: packet.layer) }
    }

    private func receivedFromViewer(_ result: ReceivedDatagram, _ bytes: RawSpan) {
        guard case .rtcp(let count) = result else { return }
        let compound = bytes.extracting(first: count)
        let (roundTrip, now) = (roundTripNanoseconds, clock.now)
        var packets = RTCPIterator()
        while let packet = try? packets.next(in: compound) {
            if case .transportFeedback(let feedback) = packet {
                sink.congestion?.received(feedback, in: compound, at: now)
                let news = sink.congestion?.videoNews ?? []
                room.track(.video).onLoop {
                    $0.heard(news, of: Self.viewerID, roundTripNanoseconds: roundTrip, at: now)
                }
            }
            room.track(.video).onLoop { track in
                switch packet {
                case .pictureLossIndication: track.pictureLost(by: Self.viewerID)
                case .negativeAcknowledgement(_, QualityViewer.videoSSRC, let lost):
                    track.sendAgain(
                        lost, in: compound, to: Self.viewerID, roundTripNanoseconds: roundTrip, at: now)
                default: break
                }
            }
        }
    }

    private func publisherReceives() {
        for compound in uplink.client.takeReceived().rtcp {
            compound.withBytes { bytes in
                var packets = RTCPIterator()
                while let packet = try? packets.next(in: bytes) {
                    switch packet {
                    case .pictureLossIndication(_, let source):
                        for index in cameras.indices where cameras[index].ssrc == source {
                            cameras[index].wantsKeyframe = true
                        }
                    case .negativeAcknowledgement(_, let source, let lost):
                        lost.forEach(in: bytes) { sendAgain(source, $0) }
                    default: break
                    }
                }
            }
        }
    }

    private func sendAgain(_ source: UInt32, _ number: UInt16) {
        guard let packet = history[key(source, number)], let header = header(of: packet) else { return }
        var repair: [UInt8] = []
        packet.withBytes {
            RetransmissionFormat.wrap(
                $0, header: header, ssrc: source + 1, payloadType: 97, sequenceNumber: nextRepair,
                into: &repair)
        }
        nextRepair &+= 1
        publish(repair)
    }

    private func viewerReceives() {
        for packet in downlink.client.takeReceived().rtp {
            viewer.received(packet, captured: { self.pictureTimes[Int($0.picture)] }, at: clock.now)
        }
        guard let control = viewer.control(at: clock.now) else { return }
        downlink.up.send(
            downlink.client.protected(rtcp: control), to: .server(port: downlink.client.port), at: clock.now)
    }

    private func header(of packet: [UInt8]) -> RTPHeader? { packet.withBytes { try? RTPHeader(parsing: $0) } }

    var statistics: TrackStatistics { loop.run { room.track(.video).onLoop { $0.statistics } } }
}

/// Notes which layers a keyframe is asked for; the path asks its ingest.
private final class KeyframeDoor: PublisherHandle, @unchecked Sendable {
    let peerID = PeerID(1)
    private var layers: [Int] = []

    func requestKeyframe(_ kind: MediaKind, layer: Int) { layers.append(layer) }
    func wasReplaced() {}

    func take() -> [Int] {
        defer { layers = [] }
        return layers
    }
}

/// Two identities that every test may use; making them is not what is tested.
enum QualityIdentities {
    private static let made = Result { () throws(SecureError) in
        (try DTLSIdentity.generate(), try DTLSIdentity.generate())
    }
    static var server: DTLSIdentity { get throws { try made.get().0 } }
    static var client: DTLSIdentity { get throws { try made.get().1 } }
}

extension DTLSIdentity {
    func sha256() throws -> CertificateFingerprint {
        try #require(CertificateFingerprint(algorithm: .sha256, bytes: fingerprintSHA256))
    }
}
