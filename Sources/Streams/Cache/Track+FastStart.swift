import Wire

extension Track {
    /// Where a viewer could begin now.
    private func cachedStart(for downTrack: DownTrack, at now: Instant) -> KeyframeCache.Start? {
        guard let keyframes = store?.keyframes,
            let encoding = downTrack.startableEncoding({ keyframes.start(of: $0, at: now) != nil })
        else { return nil }
        return keyframes.start(of: encoding, at: now)
    }

    /// What is captured now, on the clock of the packets' capture times.
    private func captureTime(at now: Instant) -> Instant {
        guard let position = store?.nextPosition, let newest = store?.entry(at: position - 1) else { return now }
        return newest.captured.advanced(byNanoseconds: UInt64(max(0, now.nanoseconds(since: newest.arrival))))
    }

    /// A viewer came: begins at the cached keyframe if that is right at once, else lets it wait for a fresh one.
    func startsAtOnce(_ downTrack: DownTrack) -> Bool {
        let now = loop.now
        guard kind == .video, publication != nil, let start = cachedStart(for: downTrack, at: now) else { return false }
        let isYoung = now.milliseconds(since: start.arrival) <= FastStart.youngMilliseconds
        guard isYoung || answers.areIgnored(at: now) else {
            wait(downTrack, since: now)
            return false
        }
        begin(downTrack, at: start, now: now)
        return true
    }

    /// The publication was asked for a fresh keyframe in vain: whoever can begins at the cached one.
    func everybodyStartsFromCache() {
        let now = loop.now
        chooseLayersIfDue(at: now)
        for downTrack in downTracks {
            if let start = cachedStart(for: downTrack, at: now) { begin(downTrack, at: start, now: now) }
        }
    }

    /// A viewer lost its picture, and the publisher has been asked for a keyframe: when none comes in time the viewer
    /// begins again at the cached one.
    func startsAgain(_ downTrack: DownTrack) {
        let now = loop.now
        guard kind == .video, publication != nil, let start = cachedStart(for: downTrack, at: now),
            !downTrack.isCatchingUp,
            downTrack.waitsForPictureSince == nil, downTrack.fastStarts.allows(start.first, at: now)
        else { return }
        if answers.areIgnored(at: now) { begin(downTrack, at: start, now: now) } else { wait(downTrack, since: now) }
    }

    private func wait(_ downTrack: DownTrack, since now: Instant) {
        downTrack.waitsForPictureSince = now
        arm(now.advanced(byMilliseconds: answers.patienceMilliseconds))
    }

    private func begin(_ downTrack: DownTrack, at start: KeyframeCache.Start, now: Instant) {
        flush()
        var statistics = TrackStatistics()
        statistics.fastStarts = 1
        downTrack.catchesUp(whole: answers.areIgnored(at: now))
        store?.begin(downTrack, at: start, captureTime: captureTime(at: now), &statistics, now)
        note(statistics)
        catchUp(downTrack, limit: FastStart.packetsPerInterval, at: now)
        arm(now.advanced(byMilliseconds: FastStart.intervalMilliseconds))
    }

    private func arm(_ deadline: Instant) {
        if let armed = fastStartTimer?.deadline, armed <= deadline { return }
        fastStartTimer?.schedule(at: deadline)
    }

    /// Sends what is due to viewers that catch up, and begins with those that have waited long enough.
    func fastStartsDue() {
        guard publication != nil, !downTracks.isEmpty else { return }
        // What came in this turn is for those at the live edge first.
        flush()
        let now = loop.now
        var next: Instant?
        var budget = FastStart.totalPacketsPerInterval
        fastStartTurn = (fastStartTurn + 1) % downTracks.count
        for index in downTracks.indices {
            let downTrack = downTracks[(index + fastStartTurn) % downTracks.count]
            if let since = downTrack.waitsForPictureSince {
                let due = since.advanced(byMilliseconds: answers.patienceMilliseconds)
                if now < due {
                    next = min(next ?? due, due)
                } else {
                    downTrack.waitsForPictureSince = nil
                    if let start = cachedStart(for: downTrack, at: now) { begin(downTrack, at: start, now: now) }
                }
            }
            if downTrack.isCatchingUp {
                budget -= catchUp(downTrack, limit: min(budget, FastStart.packetsPerInterval), at: now)
            }
            if downTrack.isCatchingUp {
                let tick = now.advanced(byMilliseconds: FastStart.intervalMilliseconds)
                next = min(next ?? tick, tick)
            }
        }
        if let next { arm(next) }
    }

    @discardableResult
    private func catchUp(_ downTrack: DownTrack, limit: Int, at now: Instant) -> Int {
        guard limit > 0, let position = downTrack.catchUpPosition else { return 0 }
        var statistics = TrackStatistics()
        // A newer keyframe has come meanwhile: what lies before it need not be sent.
        if let start = cachedStart(for: downTrack, at: now), start.position > position {
            store?.begin(downTrack, at: start, captureTime: captureTime(at: now), &statistics, now)
        }
        let count = store?.catchUp(downTrack, limit: limit, &statistics, now) ?? 0
        note(statistics)
        if downTrack.needsFirstReport { sendReport(of: downTrack) }
        return count
    }
}

extension PacketStore {
    // The store is lent to a viewer from inside, as an optional value that cannot be copied cannot be lent from outside.

    func begin(
        _ downTrack: DownTrack, at start: KeyframeCache.Start, captureTime: Instant,
        _ statistics: inout TrackStatistics, _ now: Instant
    ) {
        downTrack.begin(at: start, from: self, captureTime: captureTime, statistics: &statistics, at: now)
    }

    func catchUp(
        _ downTrack: DownTrack, limit: Int, _ statistics: inout TrackStatistics, _ now: Instant
    ) -> Int {
        downTrack.catchUp(from: self, limit: limit, statistics: &statistics, at: now)
    }
}
