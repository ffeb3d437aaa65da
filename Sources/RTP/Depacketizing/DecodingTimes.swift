import Codecs
public import Wire

/// When each access unit of a stream is decoded; RTP tells only when it is shown (PAY-61).
///
/// Decoding times grow with every access unit and are never later than its presentation time. Where a stream
/// tells how deep it reorders (H.265; H.264 mostly) the times are those that its encoder had; where it does not they are
/// made so that what may come still finds room. Codecs that do not reorder are decoded when they are shown.
public struct DecodingTimes: Sendable {
    /// The times of one access unit, in ticks of the RTP clock.
    public struct Times: Hashable, Sendable {
        /// As it came, unless that was not after the decoding time before (PAY-67: timestamps that are equal, or go back): then
        /// it is moved on.
        public var presentation: Int64
        /// nil where the stream tells its order in a way that is not read.
        public var decoding: Int64?
        /// Nothing can be said about how much time has passed since the access unit before: it is the first, or its time
        /// is somewhere else altogether (PAY-65).
        public var startsEpoch: Bool
    }

    /// A step of time so large, which the clock of arrival knows nothing of, begins an epoch.
    static let epochSeconds: Int64 = 10

    private let clockRate: UInt32
    private let reorders: Bool
    private var reader: (any PictureOrderReader)?
    private var depth = ReorderDepth()
    private var queue = ReorderQueue()
    private var former: (presentation: Int64, arrival: Instant)?
    /// Presentation times that were moved.
    public private(set) var moved: UInt64 = 0

    /// - Parameter description: H.264 and H.265 need their parameter sets; those it announces hold until others come.
    public init(_ description: PayloadDescription) {
        clockRate = max(1, description.clockRate)
        switch description.codec {
        case .h264: reader = H264PictureOrderReader()
        case .h265: reader = H265PictureOrderReader()
        default: break
        }
        // MPEG video reorders too, and tells nothing of it here.
        reorders = reader != nil || description.codec == .otherVideo
        for unit in ParameterSets.announced(description.codec, description.parameter) {
            unit.withBytes { reader?.take($0) }
        }
    }

    /// The stream tells its order in a way that is not read, and does not say how deep it reorders either: H.264 with
    /// `pic_order_cnt_type` 1. No encoder of live video is known to use it.
    public var isRefused: Bool { reader.map { $0.isUnsupported && $0.reorderDepth == nil } ?? false }

    /// Pictures whose timestamps contradict their picture order counts.
    public var misordered: UInt64 { depth.misordered }

    /// Another source begins, whose times have nothing to do with those before.
    public mutating func restart() {
        former = nil
        depth.restart()
        queue.clear()
    }

    /// Takes the next access unit in decoding order.
    public mutating func next(_ unit: AccessUnit, presentation: Int64, arrival: Instant) -> Times {
        for part in unit.parts { unit.bytes.withBytes { reader?.take($0.extracting(part)) } }
        let order = reader?.endOfUnit()
        if let former, isJump(presentation &- former.presentation, arrival.milliseconds(since: former.arrival)) {
            restart()
        }
        let startsEpoch = former == nil
        former = (presentation, arrival)
        guard !isRefused else { return Times(presentation: presentation, decoding: nil, startsEpoch: startsEpoch) }

        var (depth, earliest): (Int, Int64?) = (0, nil)
        var duration = (reader?.frameDuration ?? .usual).ticks(clockRate: clockRate)
        if reorders {
            let fields = order?.isSingleField == true ? 2 : 1
            duration /= Int64(fields)
            (depth, earliest) = self.depth.note(
                presentation, order, announced: reader?.reorderDepth.map { $0 * fields })
        }
        let times = queue.add(presentation, depth: depth, earliest: earliest, duration: max(1, duration))
        if times.presentation != presentation { moved &+= 1 }
        return Times(presentation: times.presentation, decoding: times.decoding, startsEpoch: startsEpoch)
    }

    private func isJump(_ ticks: Int64, _ milliseconds: Int64) -> Bool {
        let limit = Self.epochSeconds * Int64(clockRate)
        guard ticks > limit || ticks < -limit else { return false }
        let elapsed = min(max(0, milliseconds), 1 << 30) * Int64(clockRate) / 1_000
        return ticks > elapsed &+ limit || ticks < -limit
    }
}
