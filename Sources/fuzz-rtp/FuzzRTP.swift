import FuzzKit
import RTP
import Wire

/// Reads a packet, its extensions under every id, routes it, and writes its extensions for a viewer.
private func readPacket(_ datagram: RawSpan) {
    guard let header = try? RTPHeader(parsing: datagram) else { return }
    precondition(header.payload.upperBound + header.paddingCount == datagram.byteCount)
    precondition(header.extensionBlock.upperBound <= header.headerSize)

    var elements = HeaderExtensionIterator(header)
    while let element = elements.next(in: datagram) {
        precondition(element.value.upperBound <= header.extensionBlock.upperBound)
    }
    var map = HeaderExtensionMap()
    for kind in HeaderExtension.allCases { map[kind] = kind.rawValue + 1 }
    let index = HeaderExtensionIndex(header, in: datagram, map: map)
    _ = index.transportSequenceNumber(in: datagram)
    _ = index.absSendTime(in: datagram)
    _ = index.absCaptureTime(in: datagram)
    _ = index.audioLevel(in: datagram)

    let sections = [
        StreamRouter.Section(mid: [48], payloadTypes: [96], repairPayloadTypes: [97], rids: [[104], [108]]),
        StreamRouter.Section(mid: [49], payloadTypes: [111]),
    ]
    var router = StreamRouter(sections: sections)
    for _ in 0..<2 { _ = router.route(header, extensions: index, in: datagram, at: .seconds(1)) }

    let forwarding = HeaderExtensionForwarding(viewer: map, mid: [48])
    let size = RTPHeader.minimumSize + forwarding.maximumSize(index)
    var batch = PacketBatch(byteCapacity: size, packetCapacity: 1)
    _ = batch.append(maximumSize: size) {
        RTPHeader.append(
            payloadType: header.payloadType, marker: header.marker, sequenceNumber: header.sequenceNumber,
            timestamp: header.timestamp, ssrc: header.ssrc, hasExtension: true, to: &$0)
        _ = forwarding.append(index, from: datagram, to: &$0)
    }
    let isReadable = batch.withPacket(at: 0) { (try? RTPHeader(parsing: $0)) != nil }
    precondition(isReadable)
}

/// Takes the packet for a retransmission, and wraps what comes out again.
private func repair(_ datagram: RawSpan) {
    guard let header = try? RTPHeader(parsing: datagram) else { return }
    var original: [UInt8] = []
    guard RetransmissionFormat.unwrap(datagram, header: header, ssrc: 7, payloadType: 96, into: &original) == .packet
    else { return }
    let isReadable = original.withBytes { bytes in
        guard let restored = try? RTPHeader(parsing: bytes) else { return false }
        return restored.ssrc == 7 && restored.payloadType == 96 && restored.timestamp == header.timestamp
            && bytes.byteCount <= datagram.byteCount
    }
    precondition(isReadable)
}

/// Takes the input as the numbers and times of a source, and checks what every viewer relies on.
private func rewrite(_ input: RawSpan) {
    var rewriter = StreamRewriter(
        firstSequenceNumber: 0, firstTimestamp: 0, clockRate: 90_000, framesEndWithMarker: true)
    var feedback = TransportWideFeedback()
    var statistics = ReceiveStatistics(clockRate: 90_000)
    var clock = PublisherClock()
    let lane = clock.addLane(clockRate: 90_000)
    var used: Set<Int64> = []
    var last: Int64?
    var position = 0
    while let action = input.integer(at: position, as: UInt8.self),
        let number = input.integer(at: position + 1, as: UInt16.self),
        let timestamp = input.integer(at: position + 3, as: UInt32.self),
        let time = input.integer(at: position + 7, as: UInt32.self)
    {
        position += 11
        let now = Instant.milliseconds(UInt64(time))
        let captured = clock.received(timestamp: timestamp, lane: lane, at: now)
        feedback.received(number, at: now)
        _ = statistics.received(sequenceNumber: number, timestamp: timestamp, byteCount: 10, at: now)
        switch action & 7 {
        case 0: rewriter.switchSource(to: .init(sequenceNumber: number, timestamp: timestamp, captured: captured))
        case 1: rewriter.drop(sequenceNumber: number, timestamp: timestamp, captured: captured)
        case 2:
            let report = SenderReport(
                ssrc: 1, ntp: UInt64(time) << 32 | UInt64(number), timestamp: timestamp, packetCount: 0, octetCount: 0)
            _ = clock.senderReportReceived(report, lane: lane, at: now)
        default:
            let result = rewriter.rewrite(
                sequenceNumber: number, timestamp: timestamp, marker: action & 8 != 0, captured: captured)
            guard let result else { continue }
            precondition(used.insert(result.extendedSequenceNumber).inserted)
            if let last { precondition(abs(result.extendedSequenceNumber - last) < 32_768) }
            last = result.extendedSequenceNumber
        }
    }
    var output: [UInt8] = []
    feedback.append(sender: 1, media: 2, to: &output)
    output.withBytes { datagram in
        var packets = RTCPIterator()
        while let packet = try? packets.next(in: datagram) {
            guard case .transportFeedback = packet else { preconditionFailure("feedback must be readable") }
        }
    }
    _ = statistics.makeReportBlock(ssrc: 1, at: .seconds(1))
}

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
func tryInput(_ input: RawSpan) {
    readPacket(input)
    repair(input)
    rewrite(input)
}

@main struct FuzzRTP {
    static func main() { fuzz(tryInput) }
}
