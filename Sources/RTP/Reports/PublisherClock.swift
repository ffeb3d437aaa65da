public import Wire

/// The clocks of one publisher's sources, brought together on the server's monotonic clock.
///
/// Each source SSRC is a lane with an RTP clock of its own. A lane is placed by when its packets arrive, delayed least, until
/// sender reports tell better; then all lanes with good reports share one offset between the publisher's NTP clock and the
/// server's, so their relation is exactly the publisher's. Reports are good when they have an NTP time, speak of a timestamp
/// near the current one, agree with each other, and do not move the lane more than a second against its arrivals. Whatever else
/// comes, a lane falls back to arrivals.
///
/// Belongs to one publication; a new one starts afresh.
public struct PublisherClock: Sendable {
    /// What became of a sender report.
    public enum ReportVerdict: Hashable, Sendable {
        case accepted
        /// The NTP time is 0: the sender has no wall clock (RFC 3550, section 6.4.1).
        case withoutWallClock
        /// It speaks of a timestamp far from the lane's packets, or no packet came yet.
        case foreignTimestamp
        /// It does not agree with the reports before it.
        case inconsistent
        /// It agrees with those before it but contradicts the arrivals of the lane.
        case implausible
    }

    /// How far a report's timestamp may be from the newest packet's.
    static let timestampHorizon: Int64 = 5_000_000_000
    /// Reports that differ by no more than this agree with an established one: 5 % of two seconds.
    static let tolerance: Int64 = 100_000_000
    /// New reports must agree with each other this closely to count.
    static let agreement: Int64 = 50_000_000
    /// How far reports may move a lane against its arrivals, at once and once confirmed.
    static let trustedSkew: Int64 = 200_000_000
    static let largestSkew: Int64 = 1_000_000_000
    /// The most that one report moves an established lane.
    static let largestCorrection: Int64 = 5_000_000
    /// The most that one report moves the common offset.
    static let largestDriftCorrection: Int64 = 1_000_000
    /// Agreeing reports that it takes to move a lane whose reports were wrong before.
    static let confirmations = 3
    /// Rejected reports in a row after which a lane is placed by arrivals again.
    static let patience = 10

    private struct Lane {
        let clockRate: UInt32
        var timestamps = TimestampUnwrapper()
        var newest: UInt32 = 0
        var arrivals = ArrivalClock()
        /// NTP time minus source time by the sender reports; nil while they are not trusted.
        var reported: Int64?
        var candidate: Int64 = 0
        var agreeing = 0
        var rejected = 0
        var hasFailed = false

        func nanoseconds(_ extended: Int64) -> Int64 {
            let rate = Int64(clockRate)
            return extended / rate * 1_000_000_000 + extended % rate * 1_000_000_000 / rate
        }
    }

    private var lanes: [Lane] = []
    /// Server time minus the publisher's NTP time; nil while no lane has reports.
    private var commonOffset: Int64?
    /// The lane that keeps the common offset on its arrivals.
    private var reference = 0

    public init() {}

    /// Adds a source and returns the number it is called by from now on.
    public mutating func addLane(clockRate: UInt32) -> Int {
        lanes.append(Lane(clockRate: max(clockRate, 1)))
        return lanes.count - 1
    }

    /// A packet of a lane came. Allocates nothing.
    ///
    /// - Returns: when its media was captured, on the server's clock and later than in truth by the shortest time the
    ///   way takes; the arrival when the lane is unknown.
    public mutating func received(timestamp: UInt32, lane index: Int, at arrival: Instant) -> Instant {
        guard lanes.indices.contains(index) else { return arrival }
        let source = lanes[index].nanoseconds(lanes[index].timestamps.unwrap(timestamp))
        lanes[index].newest = timestamp
        let hasJumped = lanes[index].arrivals.received(source: source, arrival: Int64(bitPattern: arrival.nanoseconds))
        if hasJumped { dropReports(lane: index, distrust: false) }
        guard let offset = offset(lane: index) else { return arrival }
        return Instant(nanoseconds: UInt64(bitPattern: source &+ offset))
    }

    /// A sender report of a lane came.
    public mutating func senderReportReceived(_ report: SenderReport, lane index: Int, at arrival: Instant)
        -> ReportVerdict
    {
        guard report.ntp != 0 else { return .withoutWallClock }
        guard lanes.indices.contains(index), let arrivalOffset = lanes[index].arrivals.offset else {
            return .foreignTimestamp
        }
        let lane = lanes[index]
        let source = lane.nanoseconds(lane.timestamps.extend(report.timestamp))
        let now = Int64(bitPattern: arrival.nanoseconds)
        guard abs(source &+ arrivalOffset &- now) <= Self.timestampHorizon else { return .foreignTimestamp }
        let offset = Self.nanoseconds(ntp: report.ntp) &- source
        guard let reported = lane.reported else { return establish(index, offset, arrivalOffset: arrivalOffset) }

        let deviation = offset &- reported
        guard abs(deviation) <= Self.tolerance else { return reject(index, offset, arrivalOffset: arrivalOffset) }
        lanes[index].rejected = 0
        lanes[index].agreeing = 0
        lanes[index].reported = reported &+ Self.clamp(deviation / 8, to: Self.largestCorrection)
        if index == reference, let common = commonOffset {
            let drift = arrivalOffset &- (reported &+ common)
            commonOffset = common &+ Self.clamp(drift, to: Self.largestDriftCorrection)
        }
        return .accepted
    }

    /// Whether a lane is placed by sender reports rather than by arrivals.
    public func followsReports(lane index: Int) -> Bool {
        lanes.indices.contains(index) && lanes[index].reported != nil && commonOffset != nil
    }

    /// The relation of a lane's timestamps to the server's clock as it is now; nil before the lane's first packet.
    public func mapping(lane index: Int) -> TimestampMapping? {
        guard lanes.indices.contains(index), let offset = offset(lane: index) else { return nil }
        let lane = lanes[index]
        let source = lane.nanoseconds(lane.timestamps.extend(lane.newest))
        return TimestampMapping(
            timestamp: lane.newest, instant: Instant(nanoseconds: UInt64(bitPattern: source &+ offset)),
            clockRate: lane.clockRate)
    }

    /// The server's time of an NTP time of the publisher's; nil while no lane has reports.
    public func instant(ofNTP ntp: UInt64) -> Instant? {
        commonOffset.map { Instant(nanoseconds: UInt64(bitPattern: Self.nanoseconds(ntp: ntp) &+ $0)) }
    }

    /// Server time minus source time.
    private func offset(lane index: Int) -> Int64? {
        guard let reported = lanes[index].reported, let commonOffset else { return lanes[index].arrivals.offset }
        return reported &+ commonOffset
    }

    /// A report of a lane whose reports are not trusted yet.
    private mutating func establish(_ index: Int, _ offset: Int64, arrivalOffset: Int64) -> ReportVerdict {
        noteCandidate(index, offset)
        let needed = lanes[index].hasFailed ? Self.confirmations : 1
        guard let commonOffset else {
            guard lanes[index].agreeing >= needed else { return .inconsistent }
            self.commonOffset = arrivalOffset &- offset
            reference = index
            trust(index, offset)
            return .accepted
        }
        let skew = abs(offset &+ commonOffset &- arrivalOffset)
        guard lanes[index].agreeing >= (skew <= Self.trustedSkew ? needed : max(needed, 2)) else {
            return .inconsistent
        }
        guard skew <= Self.largestSkew else { return .implausible }
        trust(index, offset)
        return .accepted
    }

    /// A report that contradicts the trusted ones before it: once several agree, the publisher's clock was set.
    private mutating func reject(_ index: Int, _ offset: Int64, arrivalOffset: Int64) -> ReportVerdict {
        noteCandidate(index, offset)
        lanes[index].rejected += 1
        if lanes[index].agreeing >= Self.confirmations {
            if index == reference {
                for other in lanes.indices where other != index { dropReports(lane: other, distrust: false) }
                commonOffset = arrivalOffset &- offset
            }
            guard let commonOffset, abs(offset &+ commonOffset &- arrivalOffset) <= Self.largestSkew else {
                dropReports(lane: index, distrust: true)
                return .implausible
            }
            trust(index, offset)
            return .accepted
        }
        if lanes[index].rejected >= Self.patience { dropReports(lane: index, distrust: true) }
        return .inconsistent
    }

    private mutating func noteCandidate(_ index: Int, _ offset: Int64) {
        let agrees = lanes[index].agreeing > 0 && abs(offset &- lanes[index].candidate) <= Self.agreement
        lanes[index].agreeing = agrees ? lanes[index].agreeing + 1 : 1
        lanes[index].candidate = offset
    }

    private mutating func trust(_ index: Int, _ offset: Int64) {
        lanes[index].reported = offset
        lanes[index].agreeing = 0
        lanes[index].rejected = 0
    }

    /// Places a lane by arrivals again; when it was the reference, another one takes its place or there is none.
    private mutating func dropReports(lane index: Int, distrust: Bool) {
        lanes[index].reported = nil
        lanes[index].agreeing = 0
        lanes[index].rejected = 0
        if distrust { lanes[index].hasFailed = true }
        guard index == reference else { return }
        if let other = lanes.indices.first(where: { lanes[$0].reported != nil }) {
            reference = other
        } else {
            commonOffset = nil
        }
    }

    private static func nanoseconds(ntp: UInt64) -> Int64 {
        let seconds = Int64(ntp >> 32)
        let fraction = Int64(((ntp & 0xFFFF_FFFF) * 1_000_000_000) >> 32)
        return seconds * 1_000_000_000 + fraction
    }

    private static func clamp(_ value: Int64, to limit: Int64) -> Int64 { max(-limit, min(limit, value)) }
}
