public import Wire

/// Estimates what one viewer's link carries, from whichever feedback the viewer gives: transport-wide feedback, else
/// REMB, else the loss in its receiver reports (RTP-94, RTP-95, RTP-100).
///
/// Nothing is allocated per packet. Without any feedback there is no estimate and nothing should be held back. Media
/// proves no more than half again its own rate; what lies beyond is found out by probes.
public struct BandwidthEstimator: Sendable {
    public struct Settings: Sendable {
        public var initialBitsPerSecond = 1_000_000.0
        public var leastBitsPerSecond = 50_000.0
        public var mostBitsPerSecond = 200_000_000.0

        public init() {}
    }

    /// For so long an estimate from the other side holds without being repeated.
    static let receiverEstimateNanoseconds: Int64 = 10_000_000_000
    /// For so long after a decrease the link counts as full.
    static let congestionNanoseconds: Int64 = 10_000_000_000
    /// The estimate counts for a probe up to so many times what has been proven.
    static let provenGrowth = 1.5
    /// For so long after a decrease nothing is probed.
    static let calmNanoseconds: Int64 = 1_500_000_000
    /// A queue longer than this that loses packets is a full one.
    static let standingQueueMilliseconds = 80.0
    /// A full queue that loses this share is that of a link which became far too small.
    static let collapseLoss = 0.2
    /// Of fewer packets a share says nothing.
    static let collapsePackets = 8.0
    static let defaultResponseNanoseconds: Int64 = 200_000_000

    private let settings: Settings
    private var log = SentPacketLog()
    private var delay = DelayEstimator()
    private var rate: RateController
    private var loss = LossController()
    private var acknowledged = AcknowledgedRate()
    private var sentRate = AcknowledgedRate()
    private var responseNanoseconds = defaultResponseNanoseconds
    private var receiverEstimate: (bitsPerSecond: Double, at: Instant)?
    private var hasTransportFeedback = false
    /// Whether enough arrived to say anything: what is sent before that, a keyframe in one go, is no measure.
    private var isMeasured = false
    private var latestReceiverDecrease: Instant?
    private var probes = ProbeController()

    public init(_ settings: Settings = Settings()) {
        self.settings = settings
        rate = RateController(
            bitsPerSecond: settings.initialBitsPerSecond,
            range: settings.leastBitsPerSecond...settings.mostBitsPerSecond)
    }

    // MARK: what is sent

    /// Notes a packet that carries a transport-wide number and returns that number.
    ///
    /// - Parameter video: which packet of video it carries; nil for anything else.
    public mutating func numbered(byteCount: Int, video: SentVideo? = nil, at now: Instant) -> UInt16 {
        let probe = probes.isSending ? probes.sent(byteCount: byteCount) : 0
        return log.sent(byteCount: byteCount, probe: probe, video: video, at: now)
    }

    /// Notes a packet without a number, for viewers that give no transport-wide feedback.
    public mutating func sent(byteCount: Int, at now: Instant) {
        sentRate.received(byteCount: byteCount, arrival: Int64(truncatingIfNeeded: now.nanoseconds))
    }

    // MARK: what comes back

    public mutating func received(_ feedback: TransportFeedback, in datagram: RawSpan, at now: Instant) {
        let summary = read(feedback, in: datagram, at: now)
        guard summary.received + summary.lost > 0 else { return }
        hasTransportFeedback = true
        measureStart(at: now)
        if let response = summary.responseNanoseconds {
            responseNanoseconds = min(max((7 * responseNanoseconds + response) / 8, 50_000_000), 2_000_000_000)
        }
        loss.count(received: summary.received, lost: summary.lost, recovered: summary.recovered)
        if summary.lost > 0 { delay.lost() }
        loss.judge(
            current: rate.bitsPerSecond, acknowledged: acknowledged.peakBitsPerSecond,
            isFull: delay.usage == .overuse || delay.queueMilliseconds > Self.standingQueueMilliseconds, at: now)
        // A queue that is full and overflows shows no trend any more.
        let queueStands = delay.queueMilliseconds > Self.standingQueueMilliseconds
        let overflows = queueStands && summary.lost > 0
        let packets = Double(summary.received + summary.lost)
        if queueStands, packets >= Self.collapsePackets, Double(summary.lost) > Self.collapseLoss * packets,
            !self.probes.mayHaveFilledQueue(at: now), let recent = acknowledged.recentBitsPerSecond
        {
            rate.collapsed(to: recent, responseNanoseconds: responseNanoseconds + 100_000_000, at: now)
        }
        var usage = overflows && delay.usage == .normal ? .overuse : delay.usage
        // The queue a probe makes is waited for and not answered with less.
        if usage == .overuse, self.probes.mayHaveFilledQueue(at: now) { usage = .underuse }
        rate.update(
            usage, acknowledged: acknowledged.peakBitsPerSecond,
            responseNanoseconds: responseNanoseconds + 100_000_000, at: now)
        if rate.latestDecrease == now {
            self.probes.linkShrank()
            delay.rateWasLowered()
        }
        if let finding = self.probes.judge(at: now) {
            rate.found(
                finding.bitsPerSecond, filledLink: finding.filledLink, acknowledged: acknowledged.peakBitsPerSecond,
                at: now)
            loss.proved(finding.bitsPerSecond)
        }
    }

    /// Tells everything that measures what has arrived.
    private mutating func read(
        _ feedback: TransportFeedback, in datagram: RawSpan, at now: Instant
    ) -> FeedbackSummary {
        // Taken out, because the log is read while the others change; a copy would allocate their tables anew.
        var (delay, acknowledged, probes) = (DelayEstimator(), AcknowledgedRate(), ProbeController())
        swap(&delay, &self.delay)
        swap(&acknowledged, &self.acknowledged)
        swap(&probes, &self.probes)
        let summary = log.acknowledge(feedback, in: datagram, at: now) { packet in
            delay.received(packet)
            acknowledged.received(byteCount: packet.byteCount, arrival: packet.arrival)
            if packet.probe != 0 { probes.received(packet) }
        }
        swap(&delay, &self.delay)
        swap(&acknowledged, &self.acknowledged)
        swap(&probes, &self.probes)
        return summary
    }

    /// A keyframe that is sent at once to a link that turns out small fills its queue: then what arrives is what the link
    /// carries, and is believed sooner than usual.
    private mutating func measureStart(at now: Instant) {
        guard !isMeasured else { return }
        if acknowledged.bitsPerSecond != nil {
            isMeasured = true
        } else if delay.queueMilliseconds > Self.standingQueueMilliseconds, let early = acknowledged.earlyBitsPerSecond
        {
            isMeasured = true
            let filled = RateController.decreaseFactor * early
            rate.found(filled, filledLink: true, acknowledged: filled, at: now)
        }
    }

    /// Takes a receiver's own estimate; ignored once transport-wide feedback came.
    ///
    /// The caller has made sure that it names a stream sent to this viewer.
    public mutating func received(receiverEstimate bitsPerSecond: UInt64, at now: Instant) {
        let value = bounded(Double(bitsPerSecond))
        if let receiverEstimate, value < receiverEstimate.bitsPerSecond { latestReceiverDecrease = now }
        receiverEstimate = (value, now)
    }

    /// Takes the share lost in a receiver report, in 1/256; counts only when no better feedback comes.
    public mutating func received(fractionLost: UInt8, at now: Instant) {
        guard !hasTransportFeedback, currentReceiverEstimate(at: now) == nil, let sent = sentRate.bitsPerSecond else {
            return
        }
        let fraction = Double(fractionLost) / 256
        loss.reported(fraction: fraction, current: sent, floor: 0.7 * sent, at: now)
    }

    // MARK: probes

    /// What has been probed.
    public var probeStatistics: ProbeStatistics { probes.statistics }

    /// Begins to probe if that may show that the link carries `wanted` bits per second, and nothing speaks against it.
    ///
    /// - Returns: whether ``probeBytesDue(at:)`` is to be asked now and every few milliseconds.
    public mutating func beginProbe(wanted: Double, at now: Instant) -> Bool {
        guard hasTransportFeedback, let estimate = bitsPerSecond(at: now), Double(estimate) < wanted,
            delay.usage == .normal, delay.queueMilliseconds < Self.standingQueueMilliseconds / 2
        else { return false }
        for decrease in [rate.latestDecrease, loss.latestDecrease] {
            if let decrease, now.nanoseconds(since: decrease) < Self.calmNanoseconds { return false }
        }
        // The estimate a session begins with is a guess, and twice a guess may be far too much.
        let proven = max(acknowledged.bitsPerSecond ?? 0, probes.proven ?? 0)
        return probes.begin(
            estimate: min(Double(estimate), Self.provenGrowth * proven),
            wanted: min(wanted, settings.mostBitsPerSecond), at: now)
    }

    /// Bytes of padding that the probe needs now; nil when none is being sent.
    public mutating func probeBytesDue(at now: Instant) -> Int? { probes.bytesDue(at: now) }

    // MARK: what follows

    /// What the last transport-wide feedback said of video that was lost.
    public var videoNews: [VideoNews] { log.videoNews }

    /// Bits per second the link is thought to carry; nil when nothing is known.
    public func bitsPerSecond(at now: Instant) -> UInt64? {
        var value: Double?
        if hasTransportFeedback {
            guard isMeasured else { return nil }
            value = min(rate.bitsPerSecond, loss.bitsPerSecond ?? .infinity)
        } else {
            value = currentReceiverEstimate(at: now) ?? loss.bitsPerSecond
        }
        return value.map { UInt64(bounded($0)) }
    }

    /// How much faster than the estimate queued packets may leave: little on a link known to be full, more on one
    /// that merely loses packets, half as much again otherwise. A large keyframe fills the queue of a link that turns
    /// out smaller no faster than feedback tells.
    public func pacingFactor(at now: Instant) -> Double {
        if rate.isLimited || isRecent(latestReceiverDecrease, at: now) { return 1.1 }
        return isRecent(loss.latestDecrease, at: now) ? 1.25 : 1.5
    }

    /// The share of packets lost when it was last judged.
    public var fractionLost: Double { loss.fractionLost }
    public var acknowledgedBitsPerSecond: UInt64? { acknowledged.bitsPerSecond.map { UInt64(bounded($0)) } }

    private func isRecent(_ instant: Instant?, at now: Instant) -> Bool {
        guard let instant else { return false }
        return now.nanoseconds(since: instant) < Self.congestionNanoseconds
    }

    private func currentReceiverEstimate(at now: Instant) -> Double? {
        guard let receiverEstimate, now.nanoseconds(since: receiverEstimate.at) < Self.receiverEstimateNanoseconds
        else { return nil }
        return receiverEstimate.bitsPerSecond
    }

    private func bounded(_ value: Double) -> Double {
        min(max(value, settings.leastBitsPerSecond), settings.mostBitsPerSecond)
    }
}
