import Codecs
import Wire

/// Chooses what one viewer gets: as much as it wants, its link carries and the publisher sends (RTP-110, RTP-111).
///
/// Going down is prompt, going up is patient: a rung above must have been there for a while and have fitted for a while,
/// and for some time after the link forced a way down nothing is tried. That time doubles when the last way up proved
/// wrong soon, so that a link that swings does not make the picture swing.
struct LayerSelector {
    /// A rung is gone up to when the link carries this much more than it takes, in percent.
    static let roomPercent: UInt64 = 115
    /// For how long it must have carried that.
    static let roomNanoseconds: Int64 = 1_000_000_000
    /// A rung that takes more than the link carries is left after this long, or at once when it is far too much.
    static let patienceNanoseconds: Int64 = 300_000_000
    /// A link that carries less than this share of what is sent is congested badly.
    static let badPercent: UInt64 = 60
    /// A rung is not tried for this long after the link forced a way down from it or from one below.
    static let holdNanoseconds: UInt64 = 10_000_000_000
    static let longestHoldNanoseconds: UInt64 = 80_000_000_000
    /// A way up that ends within this time was wrong.
    static let regretNanoseconds: Int64 = 20_000_000_000
    /// A link that collapses is taken for smaller than it is until what it was sent too much has gone. Further ways down
    /// within this time say nothing against the rungs that they pass.
    static let collapseNanoseconds: Int64 = 3_000_000_000
    /// A first choice is made before the rates are known, so correcting it early says nothing against the link.
    static let settlingNanoseconds: Int64 = 2_000_000_000
    /// The link is asked for what the next rung takes from this long before it may be tried.
    static let probeLeadNanoseconds: UInt64 = 3_000_000_000

    var preference = LayerPreference.automatic
    private(set) var target: LayerChoice?
    /// The highest layers that ``target`` means, by number.
    private(set) var highestSpatial = LayerChoice.topmost
    private(set) var highestTemporal = LayerChoice.topmost
    /// The encodings with which a viewer that has nothing yet may begin, as bits.
    private(set) var startable: UInt64 = 0
    /// Whether what is being sent until the target's keyframe comes is more than the link can bear.
    private(set) var leavesAtOnce = false
    /// Whether the way to the target is one down that the link forces: the old encoding goes on with as little as it can.
    private(set) var isReducing = false
    /// What the link would have to carry for the next rung; nil when there is none to go to.
    private(set) var wantedBitsPerSecond: UInt64?

    private var startedAt = Instant(nanoseconds: 0)
    private var tooMuchSince: Instant?
    private var fitsSince: Instant?
    /// The least of the rungs that fitted since then.
    private var fitting = 0
    private var holdUntil = Instant(nanoseconds: 0)
    /// The rung from which the link forced the last way down.
    private var leftRung: LayerChoice?
    private var hold = holdNanoseconds
    private var lastWayUp: Instant?
    /// When the first way down of the last collapse was.
    private var collapsedAt: Instant?

    /// The publication changed: what was chosen means nothing any more. What is known about the link stays.
    mutating func reset() {
        target = nil
        startable = 0
        leavesAtOnce = false
        isReducing = false
        wantedBitsPerSecond = nil
        tooMuchSince = nil
        fitsSince = nil
    }

    /// - Parameter budget: bits per second that the link carries; nil when nothing is known about it.
    mutating func evaluate(_ ladder: LayerLadder, budget: UInt64?, at now: Instant) {
        guard !ladder.rungs.isEmpty else { return }
        let budget = least(budget, preference.maximumBitsPerSecond)
        let ceiling = ceiling(of: ladder)
        if let target, let position = ladder.position(of: target), position <= ceiling, admits(ladder.rungs[position]) {
            if let budget, position > 0, ladder.rungs[position].bitsPerSecond > budget {
                fitsSince = nil
                goDown(from: position, ladder, budget, at: now)
            } else {
                tooMuchSince = nil
                goUp(from: position, ladder, ceiling, budget, at: now)
            }
        } else {
            if target == nil { startedAt = now }
            move(to: highest(in: ladder, upTo: ceiling, carriedBy: budget), ladder)
        }
        guard let target, let position = ladder.position(of: target) else { return }
        startable = ladder.encodings(upTo: position)
        highestSpatial = ladder.rungs[position].spatialLayer
        highestTemporal = ladder.rungs[position].temporalLayer
        want(ladder, from: position, ceiling, at: now)
    }

    /// `choice` without what lies above the layers that the viewer wants, whether the encoding has such at the moment or not.
    func limited(_ choice: LayerChoice) -> LayerChoice {
        var choice = choice
        if let limit = preference.spatialLayer { choice.spatialLayer = min(choice.spatialLayer, limit) }
        if let limit = preference.temporalLayer { choice.temporalLayer = min(choice.temporalLayer, limit) }
        return choice
    }

    private func least(_ first: UInt64?, _ second: UInt64?) -> UInt64? {
        guard let first, let second else { return first ?? second }
        return min(first, second)
    }

    private mutating func goDown(from position: Int, _ ladder: LayerLadder, _ budget: UInt64, at now: Instant) {
        let rate = ladder.rungs[position].bitsPerSecond
        let isBad = budget < rate / 100 * Self.badPercent
        let since = tooMuchSince ?? now
        tooMuchSince = since
        guard isBad || now.nanoseconds(since: since) >= Self.patienceNanoseconds else { return }
        let regrets = lastWayUp.map { now.nanoseconds(since: $0) < Self.regretNanoseconds } ?? false
        if now.nanoseconds(since: startedAt) >= Self.settlingNanoseconds {
            if regrets {
                hold = min(hold * 2, Self.longestHoldNanoseconds)
                lastWayUp = nil
            } else if now >= holdUntil {
                hold = Self.holdNanoseconds
            }
            holdUntil = now.advanced(byNanoseconds: hold)
            if collapsedAt.map({ now.nanoseconds(since: $0) > Self.collapseNanoseconds }) ?? true {
                leftRung = ladder.rungs[position].choice
                collapsedAt = now
            }
        }
        move(to: highest(in: ladder, upTo: position - 1, carriedBy: budget), ladder)
        leavesAtOnce = isBad
        isReducing = true
    }

    private mutating func goUp(
        from position: Int, _ ladder: LayerLadder, _ ceiling: Int, _ budget: UInt64?, at now: Instant
    ) {
        guard var best = nextRung(above: position, upTo: ceiling, ladder, carriedBy: budget) else {
            fitsSince = nil
            return
        }
        // A link about which nothing is known holds nothing back.
        if let budget {
            let since = fitsSince ?? now
            fitting = fitsSince == nil ? best : min(fitting, best)
            fitsSince = since
            guard now.nanoseconds(since: since) >= Self.roomNanoseconds else { return }
            let end = min(fitting, highestUnheld(in: ladder, upTo: ceiling, from: position, at: now))
            guard let fit = nextRung(above: position, upTo: end, ladder, carriedBy: budget) else { return }
            best = fit
            lastWayUp = now
        }
        move(to: best, ladder)
    }

    /// The highest rung that may be tried now: any, or while what the link forced the viewer from is held back one below that.
    private func highestUnheld(in ladder: LayerLadder, upTo ceiling: Int, from position: Int, at now: Instant) -> Int {
        guard now < holdUntil else { return ceiling }
        guard let left = leftRung.flatMap({ ladder.position(of: $0) }) else { return position }
        return min(ceiling, max(left - 1, position))
    }

    /// The best rung above `position` that has been there for a while and for which the link has room.
    private func nextRung(
        above position: Int, upTo ceiling: Int, _ ladder: LayerLadder, carriedBy budget: UInt64?
    ) -> Int? {
        guard position < ceiling else { return nil }
        return ladder.rungs[...ceiling].lastIndex { rung in
            rung.isStable && admits(rung) && budget.map { rung.bitsPerSecond / 100 * Self.roomPercent <= $0 } ?? true
        }.flatMap { $0 > position ? $0 : nil }
    }

    private mutating func move(to position: Int, _ ladder: LayerLadder) {
        target = ladder.rungs[position].choice
        leavesAtOnce = false
        isReducing = false
        tooMuchSince = nil
        fitsSince = nil
    }

    private mutating func want(_ ladder: LayerLadder, from position: Int, _ ceiling: Int, at now: Instant) {
        wantedBitsPerSecond = nil
        let soon = now.advanced(byNanoseconds: Self.probeLeadNanoseconds)
        let end = highestUnheld(in: ladder, upTo: ceiling, from: position, at: soon)
        guard position < end, let next = ladder.rungs[(position + 1)...end].first(where: { $0.isStable && admits($0) })
        else { return }
        let wanted = next.bitsPerSecond / 100 * Self.roomPercent
        if let limit = preference.maximumBitsPerSecond, wanted > limit { return }
        wantedBitsPerSecond = wanted
    }

    /// The highest rung that `budget` carries, or the lowest: a viewer is always sent something.
    private func highest(in ladder: LayerLadder, upTo ceiling: Int, carriedBy budget: UInt64?) -> Int {
        let rungs = ladder.rungs[...ceiling]
        return rungs.lastIndex { rung in admits(rung) && budget.map { rung.bitsPerSecond <= $0 } ?? true }
            ?? rungs.firstIndex { admits($0) } ?? 0
    }

    /// The highest rung that the preference admits, or the lowest of all.
    private func ceiling(of ladder: LayerLadder) -> Int {
        var end = ladder.rungs.count - 1
        // Better encodings than the one wanted are out; when it is not there, the others are judged by the rest alone.
        if let wanted = preference.encoding,
            let last = ladder.rungs.lastIndex(where: { $0.choice.encoding == wanted })
        {
            end = last
        }
        return ladder.rungs[...end].lastIndex { admits($0) } ?? 0
    }

    private func admits(_ rung: LayerLadder.Rung) -> Bool {
        if let limit = preference.spatialLayer, rung.spatialLayer > limit { return false }
        if let limit = preference.temporalLayer {
            if rung.temporalLayer > limit { return false }
            if rung.isSparse, rung.temporalLayer != limit { return false }
        } else if rung.isSparse {
            return false
        }
        guard let resolution = rung.resolution else { return true }
        if let limit = preference.maximumWidth, resolution.width > limit { return false }
        if let limit = preference.maximumHeight, resolution.height > limit { return false }
        return true
    }
}
