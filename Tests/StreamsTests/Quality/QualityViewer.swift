import ICE
import RTP
import Secure
import Streams
import TestKit
import WebRTC
import Wire

/// A viewer's end of its transport as a sink of packets: estimates and paces if it is to, then encrypts, as the server does.
final class EngineSink: PacketSink, @unchecked Sendable {
    let engine: TransportEngine
    let congestion: CongestionController?
    private var now: Instant
    private var waitsForKeyframe = false
    /// Packets of video that got numbers, also those that nobody ever got.
    private(set) var videoNumbered = 0
    var outgoing: [[UInt8]] = []
    private(set) var bytes = 0
    private(set) var retransmissions = 0

    init(_ engine: TransportEngine, looksAfterLink: Bool, at now: Instant) {
        self.engine = engine
        self.now = now
        var configuration = CongestionController.Configuration()
        configuration.repairStream = RepairStream(
            ssrc: QualityViewer.repairSSRC, payloadType: 97, firstSequenceNumber: 100,
            extensions: HeaderExtensionForwarding(
                viewer: HeaderExtensionMap([(.transportWideCC, QualityViewer.numberID)]), mid: []))
        congestion = looksAfterLink ? CongestionController(configuration) : nil
    }

    /// Sends what waited for its turn.
    func advance(to now: Instant) {
        self.now = now
        guard let deadline = congestion?.nextDeadline, deadline <= now else { return }
        congestion?.sendDue(at: now) { _ = transmit($0, maximumSize: $1, $2) }
    }

    func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        if packetClass == .video { videoNumbered += 1 }
        guard let congestion else { return transmit(packetClass, maximumSize: maximumSize, write) }
        if packetClass == .retransmission, !congestion.admitsRepair(byteCount: maximumSize, at: now) { return false }
        if congestion.passes(packetClass, byteCount: maximumSize, at: now) {
            return transmit(packetClass, maximumSize: maximumSize, write)
        }
        return congestion.enqueue(packetClass, maximumSize: maximumSize, at: now, write)
    }

    private func transmit(
        _ packetClass: PacketClass, maximumSize: Int, _ write: (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        guard engine.canSend else { return false }
        if packetClass == .retransmission { retransmissions += 1 }
        let datagram = [UInt8].written(capacity: maximumSize + SRTPProfile.maximumTagLength) { output in
            let slots = write(&output)
            congestion?.stamp(
                packetClass, &output, slots, trailerSize: SRTPProfile.maximumTagLength, at: now)
            if !engine.protect(&output) { output.removeAll() }
        }
        bytes += datagram.count
        outgoing.append(datagram)
        return !datagram.isEmpty
    }

    func enqueueControl(_ packet: RawSpan) -> Bool {
        guard engine.isConnected, engine.selectedTuple != nil else { return false }
        var control = packet.array
        guard engine.protectControl(&control) else { return false }
        outgoing.append(control)
        return true
    }

    var canSend: Bool { engine.canSend }
    func videoBitsPerSecond(at now: Instant) -> UInt64? { congestion?.videoBitsPerSecond(at: now) }
    func wantsVideo(bitsPerSecond: UInt64?) { congestion?.wantsVideo(bitsPerSecond: bitsPerSecond) }

    func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool {
        guard engine.canSend else {
            congestion?.stopVideo(at: now)
            waitsForKeyframe = true
            return false
        }
        if let congestion { return congestion.admitsFrame(isKeyframe: isKeyframe, at: now) }
        if isKeyframe { waitsForKeyframe = false }
        return !waitsForKeyframe
    }

    func withdrawVideo() { congestion?.withdrawVideo() }

    func takesKeyframeRequest(at now: Instant) -> Bool {
        guard engine.canSend else { return false }
        return congestion?.takesKeyframeRequest(at: now) ?? waitsForKeyframe
    }
}

/// What a browser does with what a viewer gets: restores retransmissions, asks for what is missing, for a keyframe when
/// it has been stuck for three seconds, and plays.
struct QualityViewer {
    static let videoSSRC: UInt32 = 7_000
    static let repairSSRC: UInt32 = 7_001
    static let audioSSRC: UInt32 = 7_002
    /// The extension with the transport-wide number.
    static let numberID: UInt8 = 6
    static let playoutDelayID: UInt8 = 5
    static let stuckNanoseconds: Int64 = 3_000_000_000

    var player = PicturePlayer()
    private var losses: NackGenerator
    private var lastKeyframeRequest: Instant?
    private(set) var keyframeRequests = 0
    private(set) var requests = 0
    private(set) var videoPackets = 0
    private(set) var repairsReceived = 0
    private(set) var malformed = 0
    private(set) var soundReceived: Set<UInt32> = []
    private var began: Instant?
    private var wantsKeyframe = false
    private var feedback: TransportWideFeedback?

    init() {
        // libwebrtc asks with the packet that shows a gap (NackRequester::OnReceivedPacket waits for no later ones as its
        // statistics of reordering are never fed), and again after 100 ms as long as it knows no round trip.
        var limits = NackGenerator.Limits()
        limits.reorderMilliseconds = 0
        limits.maximumReorderMilliseconds = 0
        limits.retryMilliseconds = 100
        losses = NackGenerator(limits: limits)
    }

    var missing: Int { losses.missingCount }
    var abandoned: UInt64 { losses.statistics.abandoned }

    /// Tells the server when each packet came, as browsers do.
    mutating func givesFeedback() { feedback = TransportWideFeedback(intervalMilliseconds: 50) }

    /// Whether packets came that it has not told of yet.
    var owesFeedback: Bool { feedback?.nextDeadline != nil }

    private mutating func note(_ header: RTPHeader, _ datagram: [UInt8], at now: Instant) {
        guard feedback != nil else { return }
        let number: UInt16? = datagram.withBytes { bytes in
            let index = HeaderExtensionIndex(
                header, in: bytes, map: HeaderExtensionMap([(.transportWideCC, Self.numberID)]))
            return index[.transportWideCC].flatMap { bytes.integer(at: $0.lowerBound) }
        }
        if let number { feedback?.received(number, at: now) }
    }

    mutating func received(_ datagram: [UInt8], captured: (PictureMark) -> Instant, at now: Instant) {
        if began == nil { began = now }
        guard let header = datagram.withBytes({ try? RTPHeader(parsing: $0) }) else {
            malformed += 1
            return
        }
        note(header, datagram, at: now)
        var packet = datagram
        var sequenceNumber = header.sequenceNumber
        switch header.ssrc {
        case Self.audioSSRC:
            if let mark = PictureMark(packet) { soundReceived.insert(mark.picture) } else { malformed += 1 }
            return
        case Self.videoSSRC: videoPackets += 1
        case Self.repairSSRC:
            repairsReceived += 1
            packet = []
            let result = datagram.withBytes {
                RetransmissionFormat.unwrap($0, header: header, ssrc: Self.videoSSRC, payloadType: 96, into: &packet)
            }
            if result == .probe { return }
            guard result == .packet, let original = packet.withBytes({ try? RTPHeader(parsing: $0) }) else {
                malformed += 1
                return
            }
            sequenceNumber = original.sequenceNumber
        default:
            malformed += 1
            return
        }
        if losses.received(sequenceNumber, at: now) { wantsKeyframe = true }
        if let asked = Self.playoutDelay(packet) { (player.asked, player.askedAtMost) = asked }
        guard let mark = PictureMark(packet) else {
            malformed += 1
            return
        }
        player.received(mark, captured: captured(mark), at: now)
    }

    /// How long the packet asks to hold pictures back at least and at most, in nanoseconds; nil when it says nothing.
    private static func playoutDelay(_ packet: [UInt8]) -> (least: Int64, most: Int64)? {
        packet.withBytes { bytes -> (least: Int64, most: Int64)? in
            guard let header = try? RTPHeader(parsing: bytes) else { return nil }
            var elements = HeaderExtensionIterator(header)
            while let element = elements.next(in: bytes) {
                guard element.id == playoutDelayID, element.value.count == 3 else { continue }
                let value = bytes.extracting(element.value)
                let least = Int64(value[0]) << 4 | Int64(value[1]) >> 4
                let most = Int64(value[1] & 15) << 8 | Int64(value[2])
                return (least * 10_000_000, most * 10_000_000)
            }
            return nil
        }
    }

    /// The RTCP that it has to send now; nil for nothing.
    mutating func control(at now: Instant) -> [UInt8]? {
        var numbers: [UInt16] = []
        losses.deadlineReached(at: now, into: &numbers)
        var control: [UInt8] = []
        if !numbers.isEmpty {
            requests += 1
            RTCPWriter.appendNegativeAcknowledgement(
                sender: 5, media: Self.videoSSRC, sequenceNumbers: numbers, to: &control)
        }
        if let deadline = feedback?.nextDeadline, deadline <= now {
            feedback?.append(sender: 5, media: Self.videoSSRC, to: &control)
        }
        if let since = player.lastDecodable ?? began, let began {
            let stuck = now.nanoseconds(since: max(since, lastKeyframeRequest ?? began)) > Self.stuckNanoseconds
            if stuck || wantsKeyframe {
                wantsKeyframe = false
                lastKeyframeRequest = now
                keyframeRequests += 1
                RTCPWriter.appendPictureLossIndication(sender: 5, media: Self.videoSSRC, to: &control)
            }
        }
        return control.isEmpty ? nil : control
    }

    mutating func forget() {
        player.forget()
        keyframeRequests = 0
        requests = 0
        videoPackets = 0
        repairsReceived = 0
    }

    mutating func finish(at now: Instant) { player.finish(at: now) }
}
