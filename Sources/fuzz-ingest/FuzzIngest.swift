import FuzzKit
import RTP
import SDP
import WebRTC
import Wire

/// A publisher of VP8 in two layers and Opus, with retransmissions on streams of their own.
private func sections() -> [IngestSection] {
    let lines = [
        "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1",
        "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=setup:actpass",
        "a=fingerprint:sha-256 " + Array(repeating: "AA", count: 32).joined(separator: ":"),
        "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=sendonly", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97", "a=mid:1", "a=sendonly", "a=rtcp-mux", "a=rtcp-rsize",
        "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 transport-cc",
        "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid", "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        "a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "a=rid:l send", "a=rid:h send", "a=simulcast:send l;h",
    ]
    let parameters = AnswerParameters(
        iceUfrag: "ufrag", icePassword: "password", fingerprintSHA256: Array(0..<32), candidates: [], sessionID: 1)
    guard
        let offer = try? WebRTCOffer(SessionDescription(parsing: Array(lines.map { $0 + "\r\n" }.joined().utf8))),
        let session = try? offer.negotiate(.publish, with: parameters)
    else { preconditionFailure("the offer is well formed") }
    return session.sections.compactMap { IngestSection($0) }
}

private let publisher = sections()

/// Takes the input as what a publisher sends, datagram by datagram: media, retransmissions and reports.
private func receive(_ input: RawSpan) {
    let engine = IngestEngine(
        sections: publisher, localSSRC: 9, canonicalName: "fuzz", startedAt: .seconds(1))
    var now = Instant.seconds(1)
    var position = 0
    while let kind = input.integer(at: position, as: UInt8.self),
        let size = input.integer(at: position + 1, as: UInt8.self),
        let elapsed = input.integer(at: position + 2, as: UInt8.self)
    {
        position += 3
        let end = min(position + Int(size), input.byteCount)
        var datagram: [UInt8] = []
        datagram.append(contentsOf: input.extracting(position..<end))
        position = end
        now = now.advanced(byMilliseconds: UInt64(elapsed))
        if kind & 1 == 0 {
            give(media: &datagram, kind, to: engine, at: now)
        } else {
            give(control: datagram, engine, now)
        }
        if engine.nextDeadline <= now { engine.deadlineReached(at: now) }
        engine.drainControl { compound in
            precondition(compound.byteCount <= 1_500)
            var packets = RTCPIterator()
            do { while try packets.next(in: compound) != nil {} } catch {
                preconditionFailure("RTCP of its own must read")
            }
        }
    }
    precondition(engine.repairs.repaired <= engine.repairs.requested)
}

private func give(media datagram: inout [UInt8], _ kind: UInt8, to engine: IngestEngine, at now: Instant) {
    // So that most of the input gets past the header: version, payload type, and one of a few sources.
    if datagram.count >= 12 {
        datagram[0] = 0x80 | datagram[0] & 0x3F
        datagram[1] = datagram[1] & 0x80 | [96, 97, 97, 111][Int(kind >> 1 & 3)]
        datagram.replaceSubrange(8..<12, with: [0, 0, 0, 1 + (kind >> 3 & 7)])
    }
    datagram.withBytes { bytes in
        guard let packet = engine.received(bytes, at: now) else { return }
        guard packet.isRestored else {
            precondition(packet.header.payload.upperBound <= bytes.byteCount)
            return
        }
        engine.withRestoredPacket { original in
            guard let header = try? RTPHeader(parsing: original) else { preconditionFailure("restored and unreadable") }
            precondition(header.sequenceNumber == packet.header.sequenceNumber)
            precondition(header.payload == packet.header.payload && header.payload.upperBound <= original.byteCount)
        }
        engine.keyframeReceived(packet.kind, layer: packet.layer)
    }
}

private func give(control datagram: [UInt8], _ engine: IngestEngine, _ now: Instant) {
    datagram.withBytes { engine.receivedControl($0, at: now) { _ in } }
    engine.requestKeyframe(.video, layer: 1, at: now)
}

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
func tryInput(_ input: RawSpan) {
    receive(input)
}

@main struct FuzzIngest {
    static func main() { fuzz(tryInput) }
}
