public import Wire

/// The clocks of one publisher's sources, brought together on the server's monotonic clock.
///
/// Each source SSRC is a lane with an RTP clock of its own. A lane is placed by when its packets arrive, delayed least, until
/// several of its sender reports agree with each other; then all lanes with good reports share one offset between the
/// publisher's NTP clock and the server's, so that their relation is exactly the publisher's.
///
/// Reports place a lane once. Later ones correct its drift, slowly; whatever they claim beside, it stays where it is: a
/// publisher that sets its clock moves nothing, because what was captured together is still captured together, and a lane
/// whose reports go wrong keeps its distance from the arrivals. See `PublisherClock+Reports.swift`.
///
/// Belongs to one publication; a new one starts afresh.
public struct PublisherClock: Sendable {
    struct Lane {
        let clockRate: UInt32
        private let scale: ClockScale
        var timestamps = TimestampUnwrapper()
        var newest: UInt32 = 0
        var arrivals = ArrivalClock()
        var consensus = ReportConsensus()
        /// NTP time minus source time, as the newest report says, believed or not.
        var newestReport: Int64?
        /// NTP time minus source time, in the common NTP time; nil while reports do not place the lane.
        var reported: Int64?
        /// What the reports say more than that since a clock was set.
        var label: Int64 = 0
        /// Where the reports have placed the lane, once they did, relative to its arrivals.
        var distance: Int64?
        /// ``reported`` and the arrivals' offset, each minus the reference's, when the lane was placed.
        var placed = (reported: Int64(0), arrivals: Int64(0))
        /// Until when ``placed`` follows, because the arrivals are not known well yet.
        var settled: Int64 = 0
        var lastReport: Int64 = 0
        /// Reports in a row that did not agree.
        var rejected = 0

        init(clockRate: UInt32) {
            self.clockRate = clockRate
            scale = ClockScale(from: clockRate, to: ClockScale.nanoseconds)
        }

        /// Exact, but for timestamps further away than any real one.
        func nanoseconds(_ extended: Int64) -> Int64 { scale.scaled(extended) }
    }

    var lanes: [Lane] = []
    /// Server time minus the publisher's NTP time, as it was when the first lane was placed; nil while none is.
    var commonOffset: Int64?
    /// The lane that keeps the common offset on its arrivals.
    var reference = 0

    public init() {}

    /// Adds a source and returns the number it is called by from now on.
    public mutating func addLane(clockRate: UInt32) -> Int {
        lanes.append(Lane(clockRate: max(clockRate, 1)))
        return lanes.count - 1
    }

    /// A packet of a lane came. Allocates nothing.
    ///
    /// - Parameter span: ticks from the packet's first sample to its last, before which it cannot be sent.
    /// - Returns: when its media was captured, on the server's clock and later than in truth by the shortest time the
    ///   way takes; the arrival when the lane is unknown.
    public mutating func received(
        timestamp: UInt32, span: UInt32 = 0, lane index: Int, at arrival: Instant
    ) -> Instant {
        guard lanes.indices.contains(index) else { return arrival }
        let now = Int64(bitPattern: arrival.nanoseconds)
        var source = lanes[index].nanoseconds(lanes[index].timestamps.unwrap(timestamp))
        lanes[index].newest = timestamp
        let length = lanes[index].nanoseconds(Int64(span))
        if lanes[index].arrivals.received(source: source &+ length, arrival: now) {
            // Counted anew, so that a source that jumps all the time gets nowhere.
            lanes[index].timestamps = TimestampUnwrapper()
            source = lanes[index].nanoseconds(lanes[index].timestamps.unwrap(timestamp))
            lanes[index].arrivals = ArrivalClock()
            _ = lanes[index].arrivals.received(source: source &+ length, arrival: now)
            lanes[index].consensus.removeAll()
            lanes[index].newestReport = nil
            dropReports(lane: index)
        }
        guard let offset = offset(lane: index) else { return arrival }
        return Instant(nanoseconds: UInt64(bitPattern: source &+ offset))
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
        guard let commonOffset, lanes.indices.contains(reference) else { return nil }
        let own = Self.nanoseconds(ntp: ntp) &- lanes[reference].label
        return Instant(nanoseconds: UInt64(bitPattern: own &+ commonOffset))
    }

    /// Server time minus source time.
    func offset(lane index: Int) -> Int64? {
        if let reported = lanes[index].reported, let commonOffset { return reported &+ commonOffset }
        guard let arrivals = lanes[index].arrivals.offset else { return nil }
        if let distance = lanes[index].distance { return arrivals &+ distance }
        return firstPlace(of: index, arrivals: arrivals) ?? arrivals
    }

    static func nanoseconds(ntp: UInt64) -> Int64 {
        let seconds = Int64(ntp >> 32)
        let fraction = Int64(((ntp & 0xFFFF_FFFF) * 1_000_000_000) >> 32)
        return seconds * 1_000_000_000 + fraction
    }
}
