import RTP
import TestKit
import Testing
import Wire

@testable import WebRTC

/// An ingest engine on virtual time, whose RTCP is collected and read.
final class IngestHarness {
    static let transportCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    static let midURI = "urn:ietf:params:rtp-hdrext:sdes:mid"
    static let ridURI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
    static let start = Instant.seconds(1_000)
    static let localSSRC: UInt32 = 0xFEED

    /// What a test's packet looks like on the wire.
    struct Packet {
        var payloadType: UInt8 = 96
        var ssrc: UInt32 = 1_000
        var sequenceNumber: UInt16 = 0
        var timestamp: UInt32 = 0
        var mid: String?
        var rid: String?
        var transportNumber: UInt16?
        var payload: [UInt8] = [0x10, 1, 2, 3]
        var padding: UInt8 = 0

        var bytes: [UInt8] {
            var packet = [UInt8].written(capacity: 600) { output in
                let hasExtension = mid != nil || rid != nil || transportNumber != nil
                RTPHeader.append(
                    payloadType: payloadType, marker: false, sequenceNumber: sequenceNumber, timestamp: timestamp,
                    ssrc: ssrc, hasExtension: hasExtension, to: &output)
                if hasExtension {
                    let writer = HeaderExtensionWriter(twoByte: false, to: &output)
                    if let mid { Array(mid.utf8).withBytes { _ = writer.append(id: 1, $0, to: &output) } }
                    if let rid { Array(rid.utf8).withBytes { _ = writer.append(id: 2, $0, to: &output) } }
                    if let transportNumber { writer.append(id: 3, transportNumber, to: &output) }
                    writer.finish(&output)
                }
                payload.withBytes { output.append(contentsOf: $0) }
            }
            if padding > 0 {
                packet[0] |= 0x20
                packet += Array(repeating: 0, count: Int(padding) - 1) + [padding]
            }
            return packet
        }
    }

    let engine: IngestEngine
    private(set) var now = IngestHarness.start
    /// Compound packets the engine sent, with when.
    private(set) var sent: [(at: Instant, compound: [UInt8])] = []
    private(set) var deadlines = 0

    init(_ offer: OfferText) throws {
        let sections = try offer.published().sections.compactMap { IngestSection($0) }
        engine = IngestEngine(
            sections: sections, localSSRC: Self.localSSRC, canonicalName: "cname", startedAt: Self.start)
    }

    /// Audio with payload type 111 on mid 0 and video with 96 on mid 1, with these lines more in the video section.
    convenience init(video extra: [String] = ["a=rtcp-fb:96 nack pli"], everywhere: [String] = []) throws {
        var offer = OfferText()
        let mids = ["a=extmap:1 \(Self.midURI)"]
        offer.sections = [OfferText.audio + mids + everywhere, OfferText.video + mids + extra + everywhere]
        try self.init(offer)
    }

    static func simulcast() throws -> IngestHarness {
        try IngestHarness(video: [
            "a=rtcp-fb:96 nack pli", "a=extmap:2 \(ridURI)", "a=rid:h send", "a=rid:m send", "a=rid:l send",
            "a=simulcast:send h;m;l",
        ])
    }

    @discardableResult
    func send(_ packet: Packet) -> IngestedPacket? { send(packet.bytes) }

    @discardableResult
    func send(_ packet: [UInt8]) -> IngestedPacket? {
        defer { drain() }
        return packet.withBytes { engine.received($0, at: now) }
    }

    /// A packet of every stream there is: audio and one video source.
    func begin() {
        send(Packet(payloadType: 111, ssrc: 2_000))
        send(Packet())
    }

    func control(_ compound: [UInt8]) -> [IngestControl] {
        var found: [IngestControl] = []
        compound.withBytes { engine.receivedControl($0, at: now) { found.append($0) } }
        drain()
        return found
    }

    /// Lets time pass, with every deadline met.
    func run(milliseconds: UInt64) {
        let limit = now.advanced(byMilliseconds: milliseconds)
        while engine.nextDeadline <= limit {
            now = max(now, engine.nextDeadline)
            deadlines += 1
            guard deadlines < 100_000 else { return }
            engine.deadlineReached(at: now)
            drain()
        }
        now = limit
    }

    func drain() { engine.drainControl { sent.append((now, $0.array)) } }

    func forgetSent() { sent = [] }

    /// The packets of all compounds sent so far.
    var packets: [RTCPPacket] { sent.flatMap { Self.parse($0.compound) } }

    static func parse(_ compound: [UInt8]) -> [RTCPPacket] {
        compound.withBytes { bytes in
            var found: [RTCPPacket] = []
            var iterator = RTCPIterator()
            while let packet = try? iterator.next(in: bytes) { found.append(packet) }
            return found
        }
    }

    var pictureLossIndications: [UInt32] {
        packets.compactMap { if case .pictureLossIndication(_, let media) = $0 { media } else { nil } }
    }

    var feedbacks: [TransportFeedback] {
        packets.compactMap { if case .transportFeedback(let feedback) = $0 { feedback } else { nil } }
    }
}
