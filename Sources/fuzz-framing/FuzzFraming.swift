import FuzzKit
import ICE
import Wire

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
///
/// However a stream is cut, the same packets come out of it and the reader ends in the same way. The first byte says how.
func tryInput(_ input: RawSpan) {
    guard !input.isEmpty else { return }
    let stream = input.extracting(1..<input.byteCount)
    let whole = read(stream, pieces: max(1, stream.byteCount))
    let cut = read(stream, pieces: Int(input[0]) % 64 + 1)
    precondition(whole.packets == cut.packets && whole.outcome == cut.outcome)
}

private func read(_ stream: RawSpan, pieces size: Int) -> (packets: [[UInt8]], outcome: StreamFrameReader.Outcome) {
    var reader = StreamFrameReader()
    var packets: [[UInt8]] = []
    var offset = 0
    while offset < stream.byteCount {
        let end = min(stream.byteCount, offset + size)
        let outcome = reader.read(stream.extracting(offset..<end)) { packet in
            packets.append(packet.array)
            return true
        }
        precondition(reader.pendingCount < StreamFrameReader.headerSize + StreamFrameReader.maximumFrameSize)
        guard outcome == .more else { return (packets, outcome) }
        offset = end
    }
    return (packets, .more)
}

@main struct FuzzFraming {
    static func main() { fuzz(tryInput) }
}
