public import Wire

/// Spreads one viewer's packets over time so that they do not fill a queue on the way (RTP-97).
///
/// A leaky bucket: every packet fills it, the pacing rate empties it, and while it holds more than a burst, packets wait.
/// Audio never waits, but fills the bucket; retransmissions go before video. Without a rate everything passes.
///
/// Video that cannot leave in time is refused by whole frames: the caller asks ``admitsFrame(isKeyframe:at:)`` before the
/// first packet of each, so that a refused frame costs no sequence numbers. After a refusal only a keyframe is
/// admitted again, once the queue has drained.
public struct Pacer: ~Copyable {
    /// How often waiting packets are sent.
    public static let tickNanoseconds: UInt64 = 5_000_000
    /// A frame is refused when what waits before it takes longer than this, and longer than until the next keyframe.
    public static let queueLimitMilliseconds = 500.0
    /// On a link that is too small keyframes come so far apart: two seconds at least, for the sake of the other viewers,
    /// and the way of a request to its keyframe; more when keyframes would take most of the link. What waits may fill
    /// the time until then, so that the link is never idle.
    static let keyframeCycles = 2200.0...3000.0
    /// A keyframe takes a fifth of its cycle.
    static let keyframesPerCycle = 5.0
    /// A keyframe is admitted after a refusal when what waits before it takes no longer than this.
    public static let resumeLimitMilliseconds = 100.0
    /// What waits may never take longer than this, and never be more than ``byteLimit``.
    public static let hardLimitMilliseconds = 3000.0
    public static let byteLimit = 4 << 20
    /// For so long a keyframe may keep what follows it waiting longer than the limit; the allowance shrinks in the while.
    static let keyframeAllowanceNanoseconds: Int64 = 3_000_000_000
    /// What may leave at once on a link that was not full lately.
    static let relaxedBurstMilliseconds = 40.0
    static let relaxedBurstBytes = 16_000.0
    /// From this factor on the link counts as not full.
    static let relaxedFactor = 1.5
    /// Retransmissions that wait longer than this come too late.
    static let retransmissionLimitMilliseconds = 250.0
    /// Between requests for keyframes. Each costs every viewer of the source: no more than broadcasters send anyway.
    static let requestIntervals: ClosedRange<Int64> = 1_000_000_000...2_000_000_000
    static let calmNanoseconds: Int64 = 20_000_000_000

    @frozen public struct Statistics: Hashable, Sendable {
        public var packetsPassed: UInt64 = 0
        public var packetsQueued: UInt64 = 0
        public var framesRefused: UInt64 = 0
        public var packetsRefused: UInt64 = 0
        /// Times at which video stopped to be admitted.
        public var stops: UInt64 = 0

        public init() {}
    }

    /// Bytes per second at which the bucket empties; nil when everything passes.
    private var rate: Double?
    private var burst = 0.0
    private var level = 0.0
    private var updated = Instant(nanoseconds: 0)
    private var lastTick = Instant(nanoseconds: 0)
    private var retransmissions = PacketQueue()
    private var video = PacketQueue()

    private var isInKeyframe = false
    private var keyframeBytes = 0
    private var keyframeAt = Instant(nanoseconds: 0)
    private var stopped: Instant?
    private var requestInterval = requestIntervals.lowerBound
    private var nextRequest = Instant(nanoseconds: 0)

    public private(set) var statistics = Statistics()

    public init() {}

    /// Sets the pace. `factor` near 1 marks a link that was full lately: packets then leave in bursts of one tick only.
    public mutating func setRate(bitsPerSecond: UInt64?, factor: Double, at now: Instant) {
        drain(to: now)
        guard let bitsPerSecond else {
            rate = nil
            return
        }
        let bytesPerSecond = max(Double(bitsPerSecond) * factor / 8, 1000)
        rate = bytesPerSecond
        burst = bytesPerSecond * Double(Self.tickNanoseconds) / 1e9
        if factor >= Self.relaxedFactor {
            burst = max(bytesPerSecond * Self.relaxedBurstMilliseconds / 1000, Self.relaxedBurstBytes)
        }
    }

    // MARK: frames

    /// Whether the video frame that begins now can be sent in time. Must be asked once for every frame.
    public mutating func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool {
        guard let rate else {
            if isKeyframe { stopped = nil }
            return stopped == nil
        }
        isInKeyframe = false
        let waiting = Double(video.byteCount + retransmissions.byteCount)
        guard waiting <= longestQueue(rate, at: now), stopped == nil || isKeyframe else {
            statistics.framesRefused &+= 1
            if stopped == nil { stop(at: now) }
            return false
        }
        if isKeyframe {
            isInKeyframe = true
            keyframeBytes = 0
            keyframeAt = now
            stopped = nil
        }
        return true
    }

    /// Whether a keyframe should be asked for now: video was stopped, there is room again, and the last request of
    /// this kind is long enough ago. Saying yes counts as a request.
    public mutating func takeKeyframeRequest(at now: Instant) -> Bool {
        drain(to: now)
        guard stopped != nil, now >= nextRequest, hasRoomForKeyframe else { return false }
        // A link that stays too small asks less often than one that was too small once.
        nextRequest = now.advanced(byNanoseconds: UInt64(requestInterval))
        requestInterval = min(2 * requestInterval, Self.requestIntervals.upperBound)
        return true
    }

    /// Whether video waits for a keyframe since a frame was refused.
    public var isStopped: Bool { stopped != nil }

    /// Stops to admit frames, as a refusal does.
    public mutating func stopVideo(at now: Instant) {
        statistics.framesRefused &+= 1
        if stopped == nil { stop(at: now) }
    }

    private var hasRoomForKeyframe: Bool {
        guard let rate else { return true }
        return Double(video.byteCount + retransmissions.byteCount) <= rate * Self.resumeLimitMilliseconds / 1000
    }

    private mutating func stop(at now: Instant) {
        if now.nanoseconds(since: nextRequest) > Self.calmNanoseconds {
            requestInterval = Self.requestIntervals.lowerBound
        }
        stopped = now
        isInKeyframe = false
        statistics.stops &+= 1
    }

    /// Bytes behind which a frame is still admitted.
    private func longestQueue(_ rate: Double, at now: Instant) -> Double {
        guard stopped == nil else { return rate * Self.resumeLimitMilliseconds / 1000 }
        let usual = rate * Self.queueLimitMilliseconds / 1000 + allowance(at: now)
        guard keyframeBytes > 0 else { return usual }
        let age = Double(max(now.nanoseconds(since: keyframeAt), 0)) / 1e6
        let wanted = Self.keyframesPerCycle * Double(keyframeBytes) / rate * 1000
        let cycle = min(max(wanted, Self.keyframeCycles.lowerBound), Self.keyframeCycles.upperBound)
        return max(usual, rate * (cycle - age) / 1000)
    }

    /// Bytes by which a recent keyframe lengthens the queue for a while: it is larger than what the link carries
    /// in a frame's time, and refusing what follows it would only cost another one.
    private func allowance(at now: Instant) -> Double {
        let age = now.nanoseconds(since: keyframeAt)
        guard age < Self.keyframeAllowanceNanoseconds else { return 0 }
        return Double(keyframeBytes) * (1 - Double(max(age, 0)) / Double(Self.keyframeAllowanceNanoseconds))
    }

    // MARK: packets

    /// Whether a packet of `byteCount` bytes may leave at once; it is then accounted for. Otherwise it must be queued.
    public mutating func passes(_ packetClass: PacketClass, byteCount: Int, at now: Instant) -> Bool {
        if isInKeyframe, packetClass == .video { keyframeBytes += byteCount }
        guard rate != nil else {
            statistics.packetsPassed &+= 1
            return video.isEmpty && retransmissions.isEmpty || packetClass == .audio
        }
        drain(to: now)
        switch packetClass {
        case .audio: break
        case .retransmission: guard retransmissions.isEmpty, level < burst else { return false }
        case .video, .padding:
            guard video.isEmpty, retransmissions.isEmpty, level < burst else { return false }
        }
        level += Double(byteCount)
        statistics.packetsPassed &+= 1
        return true
    }

    /// Lets a packet of at most `maximumSize` bytes wait; `false` when it was refused, and nothing written.
    public mutating func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, at now: Instant,
        _ write: (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        let rate = rate ?? .infinity
        let accepted: Bool
        if packetClass == .retransmission {
            let isLate =
                Double(retransmissions.byteCount + maximumSize) > rate * Self.retransmissionLimitMilliseconds / 1000
            accepted = !isLate && retransmissions.append(maximumSize: maximumSize, write)
        } else {
            let waiting = video.byteCount + maximumSize
            let isOver = waiting > Self.byteLimit || Double(waiting) > rate * Self.hardLimitMilliseconds / 1000
            // The frame is lost for good; what waits of it is sent, for part of it is on its way already.
            if isOver, stopped == nil { stop(at: now) }
            accepted = !isOver && stopped == nil && video.append(maximumSize: maximumSize, write)
        }
        if accepted { statistics.packetsQueued &+= 1 } else { statistics.packetsRefused &+= 1 }
        return accepted
    }

    /// Sends what is due: calls `send` for each packet that may leave now. Call when ``nextDeadline`` has passed.
    public mutating func sendDue(
        at now: Instant, _ send: (PacketClass, RawSpan, PacketSlots) -> Void
    ) {
        drain(to: now)
        lastTick = now
        while rate == nil || level < burst {
            guard let size = takeFirst(send) else { return }
            level += Double(size)
        }
    }

    /// Sends the first packet that waits although it is not due yet, as part of a probe.
    ///
    /// - Returns: its size; nil when none waits.
    public mutating func sendEarly(at now: Instant, _ send: (PacketClass, RawSpan, PacketSlots) -> Void) -> Int? {
        drain(to: now)
        let size = takeFirst(send)
        level += Double(size ?? 0)
        return size
    }

    private mutating func takeFirst(_ send: (PacketClass, RawSpan, PacketSlots) -> Void) -> Int? {
        var size: Int?
        let isRepair = retransmissions.takeFirst { packet, slots in
            size = packet.byteCount
            send(.retransmission, packet, slots)
        }
        if isRepair { return size }
        _ = video.takeFirst { packet, slots in
            size = packet.byteCount
            send(.video, packet, slots)
        }
        return size
    }

    /// When packets that wait are due; nil when none wait.
    public var nextDeadline: Instant? {
        guard !video.isEmpty || !retransmissions.isEmpty else { return nil }
        return lastTick.advanced(byNanoseconds: Self.tickNanoseconds)
    }

    public var queuedBytes: Int { video.byteCount + retransmissions.byteCount }

    /// How long what waits takes to leave.
    public var queueMilliseconds: Double {
        guard let rate else { return 0 }
        return Double(queuedBytes) * 1000 / rate
    }

    /// Forgets what waits, when nobody is there to get it any more.
    public mutating func removeAll() {
        video.removeAll()
        retransmissions.removeAll()
    }

    /// Forgets video that waits, because something else takes its place.
    ///
    /// - Parameter body: lent each retransmission that is forgotten, in order.
    public mutating func withdrawVideo(_ body: (RawSpan) -> Void) {
        video.removeAll()
        while retransmissions.takeFirst({ packet, _ in body(packet) }) {}
    }

    private mutating func drain(to now: Instant) {
        let step = now.nanoseconds(since: updated)
        guard step > 0 else { return }
        updated = now
        guard let rate else {
            level = 0
            return
        }
        level = max(level - rate * Double(min(step, 1_000_000_000)) / 1e9, 0)
    }
}
