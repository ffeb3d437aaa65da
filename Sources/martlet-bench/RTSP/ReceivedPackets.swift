import RTP
import Wire

/// Counts the RTP packets of one reader, and looks into them if asked to.
struct ReceivedPackets {
    struct Statistics: Sendable {
        var packets: UInt64 = 0
        /// What the sequence numbers say should have come.
        var expected: UInt64 = 0
        /// Packets whose content was as published.
        var intact: UInt64 = 0
        var damaged: UInt64 = 0

        static func += (left: inout Statistics, right: Statistics) {
            left.packets += right.packets
            left.expected += right.expected
            left.intact += right.intact
            left.damaged += right.damaged
        }
    }

    private struct Stream {
        var ssrc: UInt32
        var first: Int64
        var numbers = SequenceUnwrapper()
    }

    /// Whether contents are compared with what was published.
    let isChecking: Bool
    private var streams: [Stream] = []
    private var counts = Statistics()

    init(isChecking: Bool) { self.isChecking = isChecking }

    var streamCount: Int { streams.count }

    mutating func received(_ packet: RawSpan, isVideo: Bool) {
        guard let header = try? RTPHeader(parsing: packet) else {
            counts.damaged += 1
            return
        }
        counts.packets += 1
        let known = streams.firstIndex { $0.ssrc == header.ssrc }
        if known == nil { streams.append(Stream(ssrc: header.ssrc, first: 0)) }
        let index = known ?? streams.count - 1
        let number = streams[index].numbers.unwrap(header.sequenceNumber)
        if known == nil { streams[index].first = number }
        guard isChecking else { return }
        if SyntheticMedia.isIntact(packet.extracting(header.payload), isVideo: isVideo) {
            counts.intact += 1
        } else {
            counts.damaged += 1
        }
    }

    var statistics: Statistics {
        var sum = counts
        for stream in streams {
            sum.expected += UInt64(max(0, (stream.numbers.highest ?? stream.first) - stream.first + 1))
        }
        return sum
    }
}
