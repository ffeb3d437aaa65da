import RTP
import Wire

/// Reading and renumbering one packet.
enum PacketBenchmarks {
    static func run(_ bench: inout Bench) {
        var packet = SamplePacket.bytes()
        bench.measure("RTP header: parse") { index in
            SamplePacket.number(&packet, index, timestamp: 0)
            return packet.withBytes { Int((try? RTPHeader(parsing: $0))?.sequenceNumber ?? 0) }
        }
        guard let header = packet.withBytes({ try? RTPHeader(parsing: $0) }) else { return }
        bench.measure("header extensions: index") { _ in
            packet.withBytes { datagram in
                let index = HeaderExtensionIndex(header, in: datagram, map: SamplePacket.extensions)
                return Int(index.transportSequenceNumber(in: datagram) ?? 0)
            }
        }
        var rewriter = StreamRewriter(
            firstSequenceNumber: 7, firstTimestamp: 7, clockRate: 90_000, framesEndWithMarker: true)
        rewriter.switchSource(
            to: StreamRewriter.SourceStart(sequenceNumber: 0, timestamp: 0, captured: .seconds(1)))
        bench.measure("StreamRewriter: rewrite") { index in
            let milliseconds = UInt64(index / 10) * 33
            let position = rewriter.rewrite(
                sequenceNumber: UInt16(truncatingIfNeeded: index),
                timestamp: UInt32(truncatingIfNeeded: milliseconds * 90), marker: index % 10 == 9,
                captured: .milliseconds(1_000 + milliseconds))
            return Int(position?.sequenceNumber ?? 0)
        }
    }
}
