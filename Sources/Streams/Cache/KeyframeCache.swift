import RTP
import Wire

/// Where in a track's history the latest keyframe of each layer begins, so that a viewer who comes late can begin
/// there when the publisher is not to be had for a fresh one (RTP-63).
///
/// It holds no packets: it tells the history from where on to keep them. A keyframe that the history has no room for,
/// or that is too old, is of no use until the next one comes.
struct KeyframeCache {
    /// What has to be decoded before the live edge is never more than this.
    static let maximumAgeMilliseconds: Int64 = 15_000

    /// The beginning of a keyframe.
    struct Start {
        /// Its first packet by sequence number, at which a viewer's numbers begin.
        fileprivate(set) var first: Int64
        /// Its first packet by arrival; all the others lie behind.
        fileprivate(set) var position: Int64
        fileprivate(set) var sequenceNumber: UInt16
        let timestamp: UInt32
        let ssrc: UInt32
        let arrival: Instant
        /// Of the layer's packets since.
        fileprivate(set) var byteCount = 0
    }

    private var starts: [Start?]
    /// Keyframes that became useless because what followed them was too much or lasted too long.
    private(set) var overflows: UInt64 = 0

    init(layerCount: Int) { starts = Array(repeating: nil, count: layerCount) }

    /// The beginning of the layer's latest keyframe; nil when there is none of use.
    subscript(layer: Int) -> Start? { starts.indices.contains(layer) ? starts[layer] : nil }

    /// The same for a viewer who begins now: a publisher that stood still since lets no keyframe grow old by itself.
    func start(of layer: Int, at now: Instant) -> Start? {
        self[layer].flatMap { now.milliseconds(since: $0.arrival) <= Self.maximumAgeMilliseconds ? $0 : nil }
    }

    /// From where on packets are needed; beyond every position when none are.
    var oldestPosition: Int64 { starts.reduce(.max) { min($0, $1?.position ?? .max) } }

    /// Bytes of all that follows the keyframes of use.
    var byteCount: Int { starts.reduce(0) { $0 + ($1?.byteCount ?? 0) } }

    /// A packet that lies in the history came.
    ///
    /// - Parameter firstPosition: of the first packet by arrival, when a keyframe begins with this one.
    mutating func received(_ entry: RunEntry, byteCount: Int, firstPosition: Int64) {
        guard starts.indices.contains(entry.layer), entry.position >= 0 else { return }
        let header = entry.header
        if let start = starts[entry.layer], start.ssrc != header.ssrc { starts[entry.layer] = nil }
        if entry.summary.isKeyframeStart {
            if starts[entry.layer]?.timestamp != header.timestamp {
                starts[entry.layer] = Start(
                    first: entry.position, position: firstPosition, sequenceNumber: header.sequenceNumber,
                    timestamp: header.timestamp, ssrc: header.ssrc, arrival: entry.arrival)
            } else if let start = starts[entry.layer], header.sequenceNumber.isBefore(start.sequenceNumber) {
                starts[entry.layer]?.first = entry.position
                starts[entry.layer]?.sequenceNumber = header.sequenceNumber
            }
        }
        starts[entry.layer]?.byteCount += byteCount
    }

    /// Lets keyframes go that the history no longer has in full or that are too old.
    ///
    /// - Parameter answersRequests: fresh keyframes are to be had, so that old ones need no memory.
    mutating func expire(historyFrom first: Int64, answersRequests: Bool, at now: Instant) {
        for layer in starts.indices {
            guard let start = starts[layer] else { continue }
            let age = now.milliseconds(since: start.arrival)
            if start.position < first || age > Self.maximumAgeMilliseconds {
                overflows &+= 1
                starts[layer] = nil
            } else if answersRequests, age > PacketHistory.Limits.video.ageMilliseconds {
                starts[layer] = nil
            }
        }
    }
}

extension UInt16 {
    /// Whether this sequence number lies before `other`.
    func isBefore(_ other: UInt16) -> Bool { Int16(bitPattern: self &- other) < 0 }
}
