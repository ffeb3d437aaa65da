import ICE
import RTP
import Secure
import Streams
import TestKit
import WebRTC
import Wire

/// A viewer's end of its transport as a sink of packets: encrypts at once what it is given.
final class EngineSink: PacketSink, @unchecked Sendable {
    let engine: TransportEngine
    var outgoing: [[UInt8]] = []
    private(set) var bytes = 0
    private(set) var retransmissions = 0

    init(_ engine: TransportEngine) { self.engine = engine }

    func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        guard engine.isConnected, engine.selectedTuple != nil else { return false }
        if packetClass == .retransmission { retransmissions += 1 }
        let datagram = [UInt8].written(capacity: maximumSize + SRTPProfile.maximumTagLength) { output in
            _ = write(&output)
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

    func videoBitsPerSecond(at now: Instant) -> UInt64? { nil }
    func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool { true }
}

/// What a browser does with what a viewer gets: restores retransmissions, asks for what is missing, for a keyframe when
/// it has been stuck for three seconds, and plays.
struct QualityViewer {
    static let videoSSRC: UInt32 = 7_000
    static let repairSSRC: UInt32 = 7_001
    static let audioSSRC: UInt32 = 7_002
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

    init() {
        // libwebrtc asks at the next turn of a loop of 20 ms, and again after 100 ms as long as it knows no round trip.
        var limits = NackGenerator.Limits()
        limits.reorderMilliseconds = 10
        limits.retryMilliseconds = 100
        losses = NackGenerator(limits: limits)
    }

    var missing: Int { losses.missingCount }
    var abandoned: UInt64 { losses.statistics.abandoned }

    mutating func received(_ datagram: [UInt8], captured: (PictureMark) -> Instant, at now: Instant) {
        if began == nil { began = now }
        guard let header = datagram.withBytes({ try? RTPHeader(parsing: $0) }) else {
            malformed += 1
            return
        }
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
        if let asked = Self.playoutDelay(packet) { player.asked = asked }
        guard let mark = PictureMark(packet) else {
            malformed += 1
            return
        }
        player.received(mark, captured: captured(mark), at: now)
    }

    /// How long the packet asks to hold pictures back at least, in nanoseconds; nil when it says nothing.
    private static func playoutDelay(_ packet: [UInt8]) -> Int64? {
        packet.withBytes { bytes -> Int64? in
            guard let header = try? RTPHeader(parsing: bytes) else { return nil }
            var elements = HeaderExtensionIterator(header)
            while let element = elements.next(in: bytes) {
                guard element.id == playoutDelayID, element.value.count == 3 else { continue }
                let value = bytes.extracting(element.value)
                return (Int64(value[0]) << 4 | Int64(value[1]) >> 4) * 10_000_000
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
