public import Wire

/// Everything between one viewer's rewritten packets and their encryption: one transport-wide count over all of its
/// streams (RTP-92), the estimate of its link, the pace, and probes of what more it carries.
///
/// Sans-IO, owned by one transport. For every packet the owner asks ``passes(_:byteCount:at:)``: a packet that passes is
/// written straight to where it leaves from; another is written by ``enqueue(_:maximumSize:at:_:)`` and comes back from
/// ``sendDue(at:_:)``. In either case ``stamp(_:_:_:trailerSize:at:)`` fills in, as the last thing before encryption,
/// what is known only then. Nothing here allocates per packet while packets pass.
public final class CongestionController {
    public struct Configuration: Sendable {
        public var estimator = BandwidthEstimator.Settings()
        /// Where padding may be sent; without it nothing is probed.
        public var repairStream: RepairStream?

        public init() {}
    }

    /// What is known about the link and what was done about it, copied out.
    @frozen public struct Statistics: Hashable, Sendable {
        /// nil while nothing is known.
        public var estimatedBitsPerSecond: UInt64?
        /// What the viewer says arrives; nil without transport-wide feedback.
        public var acknowledgedBitsPerSecond: UInt64?
        public var queueMilliseconds = 0.0
        public var queuedBytes = 0
        public var pacer = Pacer.Statistics()
        public var probes = ProbeStatistics()
        public var paddingBytes: UInt64 = 0
        /// Retransmissions refused because repairs would have taken too much of the link.
        public var repairsRefused: UInt64 = 0
        public var keyframeRequests: UInt64 = 0
        /// Whether video waits for a keyframe.
        public var isVideoStopped = false
    }

    /// The share of the link that is not given to video while other streams take theirs: never more than this.
    static let largestRepairShare = 0.3
    /// Repairs may take this share of the estimate (RTP-47), and so much time's worth of that at once.
    static let repairShare = 0.5
    static let repairBurstSeconds = 0.5
    static let leastRepairBurst = 16_000.0
    /// Nothing is probed when nothing was sent for so long.
    static let idleNanoseconds: Int64 = 1_000_000_000
    /// Video that does not pass is not known to want more than so many times what it took before, or than this.
    static let refusedGrowth = 3.0
    static let leastRefused = 2_000_000.0
    /// What packets of the wanted video take beside their payload.
    static let wantedOverhead = 1.05

    // Apart from each other: packets that are due are stamped while the pacer hands them out.
    private var estimator: BandwidthEstimator
    private var pacer = Pacer()
    private var repairStream: RepairStream?
    private var audio = RateMeter()
    private var repairs = RateMeter()
    private var video = RateMeter()
    /// The most that video has taken.
    private var usualVideo = 0.0
    private var repairAllowance = leastRepairBurst
    private var repairAllowanceUpdated = Instant(nanoseconds: 0)
    private var wantedVideo: UInt64?
    private var estimate: UInt64?
    private var lastSent = Instant(nanoseconds: 0)
    private var probeDeadline: Instant?
    private var statistics = Statistics()

    public init(_ configuration: Configuration) {
        estimator = BandwidthEstimator(configuration.estimator)
        repairStream = configuration.repairStream
    }

    // MARK: what is to be sent

    /// Whether a packet may leave at once; it is then accounted for. Otherwise it must be queued.
    public func passes(_ packetClass: PacketClass, byteCount: Int, at now: Instant) -> Bool {
        pacer.passes(packetClass, byteCount: byteCount, at: now)
    }

    /// Lets a packet wait; `false` when it was refused, and nothing written.
    public func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, at now: Instant,
        _ write: (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        pacer.enqueue(packetClass, maximumSize: maximumSize, at: now, write)
    }

    /// Whether a retransmission may be sent: repairs never take more than their share, so that they do not hold up
    /// what is new (RTP-47).
    public func admitsRepair(byteCount: Int, at now: Instant) -> Bool {
        guard let estimate else { return true }
        let perSecond = Double(estimate) / 8 * Self.repairShare
        let elapsed = Double(max(now.nanoseconds(since: repairAllowanceUpdated), 0)) / 1e9
        repairAllowanceUpdated = now
        repairAllowance = min(
            repairAllowance + elapsed * perSecond, max(perSecond * Self.repairBurstSeconds, Self.leastRepairBurst))
        guard repairAllowance >= Double(byteCount) else {
            statistics.repairsRefused &+= 1
            return false
        }
        repairAllowance -= Double(byteCount)
        return true
    }

    /// Numbers a packet that leaves now and fills in its send time. Exactly once for each packet, in the order of leaving.
    ///
    /// - Parameter trailerSize: bytes that encryption will append.
    public func stamp(
        _ packetClass: PacketClass, _ packet: inout OutputRawSpan, _ slots: PacketSlots, trailerSize: Int,
        at now: Instant
    ) {
        let byteCount = packet.byteCount + trailerSize
        lastSent = now
        switch packetClass {
        case .audio: audio.count(byteCount, at: now)
        case .retransmission:
            repairs.count(byteCount, at: now)
            repairStream?.renumber(&packet)
        case .padding: statistics.paddingBytes &+= UInt64(byteCount)
        case .video: video.count(byteCount, at: now)
        }
        if let offset = slots.transportSequenceNumber {
            let number = estimator.numbered(byteCount: byteCount, video: video(packetClass, packet), at: now)
            packet.set(bigEndian: number, at: offset)
        } else {
            estimator.sent(byteCount: byteCount, at: now)
        }
        if let offset = slots.absSendTime {
            // Seconds as 6.18 fixed point.
            let time = (now.nanoseconds % 64_000_000_000 << 18) / 1_000_000_000
            packet.set(bigEndian: UInt8(truncatingIfNeeded: time >> 16), at: offset)
            packet.set(bigEndian: UInt16(truncatingIfNeeded: time), at: offset + 1)
        }
    }

    /// Which packet of video this is. Of what is sent again the original's number stands before the payload.
    private func video(_ packetClass: PacketClass, _ packet: borrowing OutputRawSpan) -> SentVideo? {
        let bytes = packet.bytes
        switch packetClass {
        case .video:
            return bytes.integer(at: 2, as: UInt16.self).map { SentVideo(sequenceNumber: $0, isRepair: false) }
        case .retransmission:
            guard let repairStream, bytes.integer(at: 8, as: UInt32.self) == repairStream.ssrc,
                let start = bytes.integer(at: 0, as: UInt8.self)
            else { return nil }
            var offset = RTPHeader.minimumSize
            if start & 0x10 != 0 {
                guard let words = bytes.integer(at: offset + 2, as: UInt16.self) else { return nil }
                offset += 4 + 4 * Int(words)
            }
            return bytes.integer(at: offset, as: UInt16.self).map { SentVideo(sequenceNumber: $0, isRepair: true) }
        case .audio, .padding: return nil
        }
    }

    /// Hands out what may leave now: packets that waited, and padding. Call when ``nextDeadline`` has passed.
    public func sendDue(
        at now: Instant,
        _ send: (PacketClass, _ maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots) -> Void
    ) {
        if let deadline = pacer.nextDeadline, deadline <= now {
            pacer.sendDue(at: now) { Self.hand($0, $1, $2, to: send) }
        }
        if let probeDeadline, probeDeadline <= now { sendProbe(at: now, send) }
    }

    private static func hand(
        _ packetClass: PacketClass, _ packet: RawSpan, _ slots: PacketSlots,
        to send: (PacketClass, _ maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots) -> Void
    ) {
        send(packetClass, packet.byteCount) { output in
            output.append(contentsOf: packet)
            return slots
        }
    }

    /// Fills up what leaves to the rate that is probed: with packets that wait, then with padding.
    private func sendProbe(
        at now: Instant,
        _ send: (PacketClass, _ maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots) -> Void
    ) {
        guard var due = estimator.probeBytesDue(at: now) else {
            probeDeadline = nil
            return
        }
        probeDeadline = now.advanced(byNanoseconds: Pacer.tickNanoseconds)
        while due > 0 {
            guard let early = pacer.sendEarly(at: now, { Self.hand($0, $1, $2, to: send) }) else { break }
            due -= early
        }
        while due > 0, let padding = repairStream?.takePadding(), let size = repairStream?.maximumPaddingSize {
            send(.padding, size) { padding.append(to: &$0) }
            due -= size
        }
    }

    /// When ``sendDue(at:_:)`` must be called; nil when nothing waits.
    public var nextDeadline: Instant? {
        guard let queued = pacer.nextDeadline else { return probeDeadline }
        return probeDeadline.map { min($0, queued) } ?? queued
    }

    /// Forgets what waits, when nobody is there to get it any more.
    public func removeAll() {
        pacer.removeAll()
        probeDeadline = nil
    }

    /// Video that waits is of no use any more, for the viewer goes on with something smaller.
    public func withdrawVideo() {
        pacer.withdrawVideo { repairStream?.withdrew($0) }
    }

    // MARK: what comes back

    /// Takes transport-wide feedback (RTP-93).
    public func received(_ feedback: TransportFeedback, in datagram: RawSpan, at now: Instant) {
        estimator.received(feedback, in: datagram, at: now)
        refresh(at: now)
    }

    /// What the last transport-wide feedback said of video that was lost, for whoever can send it again.
    public var videoNews: [VideoNews] { estimator.videoNews }

    /// Takes a receiver's own estimate (RTP-95). The caller has made sure that it names a stream sent to this viewer.
    public func received(receiverEstimate bitsPerSecond: UInt64, at now: Instant) {
        estimator.received(receiverEstimate: bitsPerSecond, at: now)
        refresh(at: now)
    }

    /// Takes the share lost of one of the viewer's streams, in 1/256 (RTP-100).
    public func received(fractionLost: UInt8, at now: Instant) {
        estimator.received(fractionLost: fractionLost, at: now)
        refresh(at: now)
    }

    private func refresh(at now: Instant) {
        estimate = estimator.bitsPerSecond(at: now)
        usualVideo = max(usualVideo, video.bitsPerSecond(at: now))
        pacer.setRate(bitsPerSecond: estimate, factor: estimator.pacingFactor(at: now), at: now)
        considerProbe(at: now)
    }

    private func considerProbe(at now: Instant) {
        guard probeDeadline == nil, repairStream != nil || pacer.queuedBytes > 0,
            now.nanoseconds(since: lastSent) < Self.idleNanoseconds, let wanted = wantedBitsPerSecond(at: now),
            estimator.beginProbe(wanted: wanted, at: now)
        else { return }
        probeDeadline = now
    }

    /// What all streams would take if the link carried it; nil when they have it.
    private func wantedBitsPerSecond(at now: Instant) -> Double? {
        // Video that is refused or waits wants more than it gets, whoever asks.
        let mostRefused = max(Self.refusedGrowth * usualVideo, Self.leastRefused)
        let refused =
            pacer.isStopped || pacer.queuedBytes > 0
            ? estimate.map { min(Double($0) * ProbeController.growth, mostRefused) } : nil
        guard let wantedVideo else { return refused }
        return max(Double(wantedVideo) * Self.wantedOverhead + audio.bitsPerSecond(at: now), refused ?? 0)
    }

    // MARK: what follows for video

    /// Bits per second left for video after audio and repairs; nil while nothing is known.
    public func videoBitsPerSecond(at now: Instant) -> UInt64? {
        guard let estimate else { return nil }
        let total = Double(estimate)
        let repairs = min(repairs.bitsPerSecond(at: now), Self.largestRepairShare * total)
        return UInt64(max(total - audio.bitsPerSecond(at: now) - repairs, 0))
    }

    /// Says how much video the viewer would get if its link carried it; nil when it gets all there is.
    public func wantsVideo(bitsPerSecond: UInt64?) {
        wantedVideo = bitsPerSecond
    }

    /// See ``PacketSink/admitsFrame(isKeyframe:at:)``.
    public func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool {
        pacer.admitsFrame(isKeyframe: isKeyframe, at: now)
    }

    /// A frame could not be sent at all: from here on only a keyframe is admitted.
    public func stopVideo(at now: Instant) { pacer.stopVideo(at: now) }

    /// See ``PacketSink/takesKeyframeRequest(at:)``.
    public func takesKeyframeRequest(at now: Instant) -> Bool {
        guard pacer.takeKeyframeRequest(at: now) else { return false }
        statistics.keyframeRequests &+= 1
        return true
    }

    public var snapshot: Statistics {
        var snapshot = statistics
        snapshot.estimatedBitsPerSecond = estimate
        snapshot.acknowledgedBitsPerSecond = estimator.acknowledgedBitsPerSecond
        snapshot.queueMilliseconds = pacer.queueMilliseconds
        snapshot.queuedBytes = pacer.queuedBytes
        snapshot.pacer = pacer.statistics
        snapshot.isVideoStopped = pacer.isStopped
        snapshot.probes = estimator.probeStatistics
        return snapshot
    }
}
