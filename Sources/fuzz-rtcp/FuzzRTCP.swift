import CFuzzer
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
    case .goodbye(let list), .receiverEstimatedBitrate(_, let list):
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
    case .pictureLossIndication, .unknown: break
    }
}

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
@_cdecl("LLVMFuzzerTestOneInput")
func tryInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
    unsafe readCompound(bytes.bytes)
    return 0
}

@main struct FuzzRTCP {
    static func main() { unsafe run_fuzzer(CommandLine.argc, CommandLine.unsafeArgv) }
}
