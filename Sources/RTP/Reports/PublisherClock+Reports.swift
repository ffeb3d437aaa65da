public import Wire

/// Which sender reports are believed, and what follows (RTP-73, PROP-8).
extension PublisherClock {
    /// What became of a sender report.
    public enum ReportVerdict: Hashable, Sendable {
        case accepted
        /// The NTP time is 0: the sender has no wall clock (RFC 3550, section 6.4.1).
        case withoutWallClock
        /// It speaks of a timestamp far from the lane's packets, or no packet came yet.
        case foreignTimestamp
        /// It does not agree with the reports before it, or there are too few yet.
        case inconsistent
        /// It agrees with those before it but contradicts the arrivals of the lane.
        case implausible
    }

    /// How far a report's timestamp may be from the newest packet's.
    static let timestampHorizon: Int64 = 5_000_000_000
    /// How far from its arrivals the first reports may place a lane before there are enough to be believed: as much as a
    /// frame of sound lasts. Who plays a file sends a frame when it begins, and who captures one when it is over.
    static let largestFirstDistance: Int64 = 35_000_000
    /// Reports that differ from a placed lane by no more than this agree with it.
    static let tolerance: Int64 = 25_000_000
    /// How far reports may place a lane from its arrivals: more than encoders need, less than a clock is wrong by chance.
    static let largestDistance: Int64 = 500_000_000
    /// How far from where it was before reports may place a lane again.
    static let returnTolerance: Int64 = 10_000_000
    /// The most that reports move a placed lane in a second: real clocks drift by less than half of it.
    static let largestSlewPerSecond: Int64 = 500_000
    /// The most that the common offset moves in a second to stay on the reference's arrivals.
    static let largestDriftCorrectionPerSecond: Int64 = 1_000_000
    /// How far reports may carry a lane away without its arrivals going along.
    static let largestUnsupportedDrift: Int64 = 20_000_000
    /// How long arrivals take to be known well.
    static let settling: Int64 = 20_000_000_000
    /// Reports in a row that do not agree after which a lane is placed by arrivals again.
    static let patience = 10

    /// A sender report of a lane came.
    public mutating func senderReportReceived(_ report: SenderReport, lane index: Int, at arrival: Instant)
        -> ReportVerdict
    {
        guard report.ntp != 0 else { return .withoutWallClock }
        guard lanes.indices.contains(index), let arrivalOffset = lanes[index].arrivals.offset else {
            return .foreignTimestamp
        }
        let source = lanes[index].nanoseconds(lanes[index].timestamps.extend(report.timestamp))
        let now = Int64(bitPattern: arrival.nanoseconds)
        let age = now &- (source &+ arrivalOffset)
        guard age.magnitude <= Self.timestampHorizon.magnitude else { return .foreignTimestamp }
        let offset = Self.nanoseconds(ntp: report.ntp) &- source
        lanes[index].consensus.add(offset)
        lanes[index].newestReport = offset
        defer { lanes[index].lastReport = now }
        guard let reported = lanes[index].reported else { return place(index, arrivalOffset: arrivalOffset, at: now) }

        let deviation = offset &- reported &- lanes[index].label
        guard deviation.magnitude <= Self.tolerance.magnitude else { return contradicted(index) }
        lanes[index].rejected = 0
        let elapsed = max(0, min(now &- lanes[index].lastReport, 10_000_000_000)) / 1_000_000
        lanes[index].reported =
            reported &+ Self.clamp(deviation / 8, to: Self.largestSlewPerSecond * elapsed / 1_000)
        if index == reference { followReference(arrivalOffset, elapsedMilliseconds: elapsed) }
        leaveUnsupported(at: now)
        return .accepted
    }

    /// Places a lane by its reports, once enough of them agree and its arrivals do not contradict.
    private mutating func place(_ index: Int, arrivalOffset: Int64, at now: Int64) -> ReportVerdict {
        guard let agreed = lanes[index].consensus.agreed else { return .inconsistent }
        guard let commonOffset else {
            // The first one stays where it is; the others will be placed beside it.
            let place = offset(lane: index) ?? arrivalOffset
            lanes[index].distance = place &- arrivalOffset
            self.commonOffset = place &- agreed
            lanes[index].label = 0
            makeReference(index, agreed)
            return .accepted
        }
        let label = lanes[reference].label
        let distance = agreed &- label &+ commonOffset &- arrivalOffset
        if let known = lanes[index].distance {
            guard (distance &- known).magnitude <= Self.returnTolerance.magnitude else { return .implausible }
        } else {
            guard distance.magnitude <= Self.largestDistance.magnitude else { return .implausible }
            lanes[index].settled = now &+ Self.settling
        }
        lanes[index].distance = distance
        lanes[index].reported = agreed &- label
        lanes[index].label = label
        lanes[index].rejected = 0
        lanes[index].placed = relation(index)
        return .accepted
    }

    /// Where the newest reports place a lane that has none to believe yet, beside another lane; nil where its arrivals say
    /// something else, or nothing else speaks.
    func firstPlace(of index: Int, arrivals: Int64) -> Int64? {
        guard let own = lanes[index].newestReport else { return nil }
        let place: Int64
        if let commonOffset {
            place = own &- lanes[reference].label &+ commonOffset
        } else {
            guard let base = lanes.firstIndex(where: { $0.newestReport != nil }), base != index,
                let report = lanes[base].newestReport, let offset = lanes[base].arrivals.offset
            else { return nil }
            place = own &- report &+ offset &+ (lanes[base].distance ?? 0)
        }
        return (place &- arrivals).magnitude <= Self.largestFirstDistance.magnitude ? place : nil
    }

    private mutating func makeReference(_ index: Int, _ reported: Int64) {
        reference = index
        lanes[index].reported = reported
        lanes[index].distance = lanes[index].distance ?? 0
        lanes[index].rejected = 0
    }

    /// A report of a placed lane that says something else than it did: the lane stays, and once enough reports say so,
    /// they are known to speak of another time.
    private mutating func contradicted(_ index: Int) -> ReportVerdict {
        lanes[index].rejected += 1
        if let agreed = lanes[index].consensus.agreed, let reported = lanes[index].reported {
            lanes[index].label = agreed &- reported
            lanes[index].rejected = 0
            return .accepted
        }
        if lanes[index].rejected >= Self.patience { dropReports(lane: index) }
        return .inconsistent
    }

    /// Keeps the common offset on the arrivals of the reference.
    private mutating func followReference(_ arrivalOffset: Int64, elapsedMilliseconds: Int64) {
        guard let common = commonOffset, let reported = lanes[reference].reported else { return }
        let drift = arrivalOffset &+ (lanes[reference].distance ?? 0) &- (reported &+ common)
        let limit = Self.largestDriftCorrectionPerSecond * elapsedMilliseconds / 1_000
        commonOffset = common &+ Self.clamp(drift, to: limit)
    }

    /// Places the lanes by arrivals again whose reports have drifted from the reference's by what their arrivals did not.
    private mutating func leaveUnsupported(at now: Int64) {
        for index in lanes.indices where index != reference && lanes[index].reported != nil {
            let relation = relation(index)
            if now < lanes[index].settled, let common = commonOffset, let reported = lanes[index].reported,
                let arrivals = lanes[index].arrivals.offset
            {
                lanes[index].placed = relation
                lanes[index].distance = reported &+ common &- arrivals
                continue
            }
            let drift = relation.reported &- lanes[index].placed.reported
            let support = relation.arrivals &- lanes[index].placed.arrivals
            let limit = Self.largestUnsupportedDrift.magnitude
            if drift.magnitude > limit, (drift &- support).magnitude > limit {
                dropReports(lane: index)
            }
        }
    }

    /// A lane's ``Lane/reported`` and arrival offset, each minus the reference's.
    private func relation(_ index: Int) -> (reported: Int64, arrivals: Int64) {
        let (lane, reference) = (lanes[index], lanes[reference])
        return (
            (lane.reported ?? 0) &- (reference.reported ?? 0),
            (lane.arrivals.offset ?? 0) &- (reference.arrivals.offset ?? 0)
        )
    }

    /// Places a lane by arrivals, at the distance it had; when it was the reference, another takes its place or there is none.
    mutating func dropReports(lane index: Int) {
        lanes[index].reported = nil
        lanes[index].label = 0
        lanes[index].rejected = 0
        guard index == reference else { return }
        guard let other = lanes.firstIndex(where: { $0.reported != nil }) else {
            commonOffset = nil
            return
        }
        reference = other
        for index in lanes.indices { lanes[index].placed = relation(index) }
    }

    private static func clamp(_ value: Int64, to limit: Int64) -> Int64 { max(-limit, min(limit, value)) }
}
