/// What the growth of one-way delay says about the link.
@frozen public enum LinkUsage: UInt8, Hashable, Sendable { case normal, overuse, underuse }

/// Tells from when packets left and arrived whether a queue builds up on the way: packets sent within 5 ms form a group,
/// the differences of delay between groups are smoothed, and a line through the last 20 gives the trend
/// (draft-ietf-rmcat-gcc-02, sections 5.2 to 5.4, with the line in place of the Kalman filter).
///
/// Feed it in the order of arrival. Groups that overtake each other are ignored; a jump of the other side's clock
/// starts over.
public struct DelayEstimator: Sendable {
    static let groupNanoseconds: Int64 = 5_000_000
    static let window = 20
    /// A line through fewer groups says nothing.
    static let leastSamples = 10
    static let smoothing = 0.9
    static let gain = 4.0
    static let sampleLimit = 60
    static let thresholdRange = 6.0...600.0
    static let initialThreshold = 12.5
    static let overuseMilliseconds = 10.0
    static let lowestPeriodNanoseconds: Int64 = 15_000_000_000
    static let clockJumpNanoseconds: Int64 = 3_000_000_000
    /// A trend this far beyond the threshold is an accident and does not move it.
    static let outlierMilliseconds = 15.0
    static let thresholdGainUp = 0.0087
    static let thresholdGainDown = 0.039
    /// The longest step over which the threshold moves.
    static let longestStepMilliseconds = 100.0

    private struct Group {
        var firstSent: Int64
        var lastSent: Int64
        var firstArrival: Int64
        var lastArrival: Int64

        init(_ packet: AcknowledgedPacket) {
            firstSent = packet.sent
            lastSent = packet.sent
            firstArrival = packet.arrival
            lastArrival = packet.arrival
        }
    }

    private struct Sample {
        var arrival = 0.0
        var delay = 0.0
    }

    private var current: Group?
    private var previous: Group?
    private var samples: [Sample] = []
    private var nextSample = 0
    private var sampleCount = 0
    private var accumulated = 0.0
    private var smoothed = 0.0
    private var firstArrival: Int64 = 0
    private var previousTrend = 0.0
    private var overuseTime: Double?
    private var overuseCount = 0
    private var threshold = initialThreshold
    private var thresholdArrival: Double?

    /// The lowest delay of this period and of the one before, on the difference of two clocks.
    private var lowest: (current: Int64, before: Int64, since: Int64)?
    private var route = RouteDelay()

    public private(set) var usage = LinkUsage.normal
    /// How much later than the quickest of the last half minute packets arrive now, in milliseconds: the queue that
    /// stands on the way, which shows no trend once it is full.
    public private(set) var queueMilliseconds = 0.0

    public init() {}

    public mutating func received(_ packet: AcknowledgedPacket) {
        measureQueue(packet)
        guard var group = current else {
            current = Group(packet)
            firstArrival = packet.arrival
            return
        }
        guard packet.sent >= group.firstSent else { return }
        if belongs(packet, to: group) {
            group.lastSent = max(group.lastSent, packet.sent)
            group.lastArrival = max(group.lastArrival, packet.arrival)
            current = group
            return
        }
        if let previous { compare(group, with: previous) }
        // A comparison may have started over.
        if current != nil { previous = group }
        current = Group(packet)
    }

    /// Packets were lost: what stands on the way may be a queue that is full.
    mutating func lost() { route.lost() }

    /// Less is sent from now on, so a queue will shrink.
    mutating func rateWasLowered() { route.rateWasLowered() }

    private func belongs(_ packet: AcknowledgedPacket, to group: Group) -> Bool {
        if packet.sent - group.firstSent <= Self.groupNanoseconds { return true }
        // Packets that a radio link held back and let go at once say nothing one by one.
        let arrivalStep = packet.arrival - group.lastArrival
        let delayStep = arrivalStep - (packet.sent - group.lastSent)
        return delayStep < 0 && arrivalStep <= Self.groupNanoseconds && packet.arrival >= group.firstArrival
            && packet.arrival - group.firstArrival < 20 * Self.groupNanoseconds
    }

    private mutating func compare(_ group: Group, with previous: Group) {
        let sentStep = group.lastSent - previous.lastSent
        let arrivalStep = group.lastArrival - previous.lastArrival
        guard abs(arrivalStep - sentStep) < Self.clockJumpNanoseconds else { return restart() }
        guard arrivalStep >= 0 else { return }
        if samples.isEmpty { samples = Array(repeating: Sample(), count: Self.window) }
        accumulated += Double(arrivalStep - sentStep) / 1e6
        smoothed = Self.smoothing * smoothed + (1 - Self.smoothing) * accumulated
        let arrival = Double(group.lastArrival - firstArrival) / 1e6
        samples[nextSample] = Sample(arrival: arrival, delay: smoothed)
        nextSample = (nextSample + 1) % Self.window
        sampleCount = min(sampleCount + 1, Self.sampleLimit)
        let trend = sampleCount >= Self.leastSamples ? slope ?? previousTrend : previousTrend
        judge(trend, step: Double(sentStep) / 1e6, arrival: arrival)
    }

    private mutating func measureQueue(_ packet: AcknowledgedPacket) {
        let delay = packet.arrival &- packet.sent
        var period = lowest ?? (delay, delay, packet.arrival)
        if packet.arrival - period.since > Self.lowestPeriodNanoseconds {
            period = (delay, period.current, packet.arrival)
        }
        if let longer = route.received(delay: delay, arrival: packet.arrival),
            longer > min(period.current, period.before)
        {
            period = (longer, longer, packet.arrival)
        }
        period.current = min(period.current, delay)
        lowest = period
        let queue = Double(delay - min(period.current, period.before)) / 1e6
        queueMilliseconds += 0.1 * (queue - queueMilliseconds)
    }

    /// Milliseconds of delay gained per millisecond.
    private var slope: Double? {
        let count = min(sampleCount, Self.window)
        var arrivals = 0.0
        var delays = 0.0
        // Until the ring is full, its samples lie at its start.
        for sample in samples[0..<count] {
            arrivals += sample.arrival
            delays += sample.delay
        }
        let meanArrival = arrivals / Double(count)
        let meanDelay = delays / Double(count)
        var numerator = 0.0
        var denominator = 0.0
        for sample in samples[0..<count] {
            let distance = sample.arrival - meanArrival
            numerator += distance * (sample.delay - meanDelay)
            denominator += distance * distance
        }
        return denominator > 0 ? numerator / denominator : nil
    }

    private mutating func judge(_ trend: Double, step: Double, arrival: Double) {
        let modified = Double(sampleCount) * trend * Self.gain
        if modified > threshold {
            overuseTime = (overuseTime ?? -step / 2) + step
            overuseCount += 1
            if overuseTime ?? 0 > Self.overuseMilliseconds, overuseCount > 1, trend >= previousTrend {
                overuseTime = 0
                overuseCount = 0
                usage = .overuse
            }
        } else {
            overuseTime = nil
            overuseCount = 0
            usage = modified < -threshold ? .underuse : .normal
        }
        previousTrend = trend
        adapt(to: abs(modified), arrival: arrival)
    }

    private mutating func adapt(to modified: Double, arrival: Double) {
        let step = min(max(arrival - (thresholdArrival ?? arrival), 0), Self.longestStepMilliseconds)
        thresholdArrival = arrival
        guard modified <= threshold + Self.outlierMilliseconds else { return }
        let gain = modified < threshold ? Self.thresholdGainDown : Self.thresholdGainUp
        threshold += gain * (modified - threshold) * step
        threshold = min(max(threshold, Self.thresholdRange.lowerBound), Self.thresholdRange.upperBound)
    }

    private mutating func restart() {
        current = nil
        previous = nil
        nextSample = 0
        sampleCount = 0
        accumulated = 0
        smoothed = 0
        previousTrend = 0
        overuseTime = nil
        overuseCount = 0
        threshold = Self.initialThreshold
        thresholdArrival = nil
        usage = .normal
        lowest = nil
        route = RouteDelay()
        queueMilliseconds = 0
    }
}
