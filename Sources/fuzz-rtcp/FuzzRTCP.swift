import FuzzKit
import RTP
import Wire

/// Reads every packet of a compound datagram and every list in them to the end.
private func readCompound(_ datagram: RawSpan) {
    var packets = RTCPIterator()
    while let packet = try? packets.next(in: datagram) { read(packet, in: datagram) }
}

private func read(_ packet: RTCPPacket, in datagram: RawSpan) {
    switch packet {
    case .senderReport(_, let blocks), .receiverReport(_, let blocks):
        for index in 0..<blocks.count {
            guard let block = blocks.block(at: index, in: datagram) else { preconditionFailure("block is missing") }
            _ = block.roundTripNanoseconds(arrivalNTP: 1 << 40)
        }
        precondition(blocks.block(at: blocks.count, in: datagram) == nil)
    case .sourceDescription(let list):
        list.forEachCNAME(in: datagram) { precondition($1.upperBound <= datagram.byteCount) }
    case .receiverEstimatedBitrate(let estimate, let list):
        for index in 0..<list.count { precondition(list.ssrc(at: index, in: datagram) != nil) }
        var estimator = BandwidthEstimator()
        estimator.received(receiverEstimate: estimate.bitsPerSecond, at: .seconds(1))
        check(estimator, at: .seconds(2))
    case .goodbye(let list):
        for index in 0..<list.count { precondition(list.ssrc(at: index, in: datagram) != nil) }
    case .fullIntraRequest(_, let list):
        for index in 0..<list.count { precondition(list.entry(at: index, in: datagram) != nil) }
    case .negativeAcknowledgement(_, _, let list):
        var count = 0
        list.forEach(in: datagram) { _ in count += 1 }
        precondition(count >= list.itemCount && count <= 17 * list.itemCount)
    case .extendedReport(_, let list):
        list.forEach(in: datagram) { _ in }
    case .transportFeedback(let feedback):
        var statuses = TransportFeedbackIterator(feedback)
        var count = 0
        while statuses.next(in: datagram) != nil { count += 1 }
        precondition(count == feedback.statusCount)
        believe(feedback, in: datagram)
    case .pictureLossIndication, .unknown: break
    }
}

/// Whatever feedback claims, the estimate stays within its bounds.
private func believe(_ feedback: TransportFeedback, in datagram: RawSpan) {
    var estimator = BandwidthEstimator()
    for round in 0..<4 {
        for index in 0..<100 {
            _ = estimator.numbered(byteCount: 1_200, at: .milliseconds(1_000 + UInt64(100 * round + index)))
        }
        let now = Instant.milliseconds(1_100 + UInt64(100 * round))
        estimator.received(feedback, in: datagram, at: now)
        if estimator.beginProbe(wanted: 1e9, at: now) { _ = estimator.probeBytesDue(at: now) }
        check(estimator, at: now)
    }
}

private func check(_ estimator: BandwidthEstimator, at now: Instant) {
    let bounds = BandwidthEstimator.Settings()
    guard let estimate = estimator.bitsPerSecond(at: now) else { return }
    precondition(Double(estimate) >= bounds.leastBitsPerSecond && Double(estimate) <= bounds.mostBitsPerSecond)
}

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
func tryInput(_ input: RawSpan) {
    readCompound(input)
}

@main struct FuzzRTCP {
    static func main() { fuzz(tryInput) }
}
