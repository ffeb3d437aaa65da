import Wire

/// A model of a player: assembles pictures, decodes each one after the one it depends on, shows them in time through a
/// buffer that follows the lateness it has seen, and counts freezes as WebRTC's statistics define them: an interval of
/// more than three usual ones, and of more than 150 ms above the usual one.
struct PicturePlayer {
    private struct Key: Hashable {
        var generation: UInt32
        var picture: UInt32
    }

    private struct Picture {
        var received: Set<UInt16> = []
        var mark: PictureMark
        var captured: Instant
        var isComplete: Bool { received.count == Int(mark.count) }
    }

    /// How many pictures the buffer remembers the lateness of.
    static let memory = 300
    static let bufferRange: ClosedRange<Int64> = 10_000_000...500_000_000
    private static let usualIntervals = 30

    /// Whether its buffer follows the lateness it has seen. Browsers that only watch know no round trip and do not
    /// wait for what is sent again.
    var followsLateness = true
    /// How long it was asked to hold pictures back, in nanoseconds.
    var asked: Int64 = 0
    /// How long it was asked to hold them back at most, in nanoseconds; nil when nobody said.
    var askedAtMost: Int64?
    private var pictures: [Key: Picture] = [:]
    /// The newest decoded, and when it was captured.
    private var decoded: (key: Key, captured: Instant)?
    private var lateness: [Int64] = []
    private var intervals: [Int64] = []
    private var firstShown: Instant?

    private(set) var shown = 0
    private(set) var lastShown: Instant?
    private(set) var freezes = 0
    private(set) var frozenNanoseconds: Int64 = 0
    private(set) var longestInterval: Int64 = 0
    /// When the newest picture became decodable.
    private(set) var lastDecodable: Instant?
    /// From capture to display, of the last picture.
    private(set) var latency: Int64 = 0

    init() {}

    /// Which source is shown: a publication, or a layer of one.
    var generation: UInt32? { decoded?.key.generation }

    /// Takes a packet of a picture that was captured at `captured`.
    mutating func received(_ mark: PictureMark, captured: Instant, at now: Instant) {
        // Another source goes on from a keyframe, at the earliest one of the moment that was decoded last.
        if let decoded, !isLater(captured, mark.generation, than: decoded) { return }
        let key = Key(generation: mark.generation, picture: mark.picture)
        pictures[key, default: Picture(mark: mark, captured: captured)].received.insert(mark.index)
        guard pictures[key]?.isComplete == true else { return }
        while let (next, picture) = nextDecodable() {
            decoded = (next, picture.captured)
            show(picture.captured, at: now)
            pictures = pictures.filter { isLater($0.value.captured, $0.key.generation, than: (next, picture.captured)) }
        }
    }

    private func isLater(
        _ captured: Instant, _ generation: UInt32, than decoded: (key: Key, captured: Instant)
    ) -> Bool {
        captured > decoded.captured || captured == decoded.captured && generation != decoded.key.generation
    }

    private func nextDecodable() -> (Key, Picture)? {
        if let key = decoded?.key {
            let next = Key(generation: key.generation, picture: key.picture + 1)
            if let picture = pictures[next], picture.isComplete { return (next, picture) }
        }
        return pictures.filter { $0.value.isComplete && $0.value.mark.isKeyframe }
            .min { $0.value.captured < $1.value.captured }.map { ($0.key, $0.value) }
    }

    private mutating func show(_ captured: Instant, at now: Instant) {
        lastDecodable = now
        let late = now.nanoseconds(since: captured)
        lateness.append(late)
        if lateness.count > Self.memory { lateness.removeFirst() }
        let sorted = lateness.sorted()
        let least = sorted[0]
        let usual = sorted[min(sorted.count - 1, sorted.count * 98 / 100)] - least
        let own = max(Self.bufferRange.lowerBound, min(Self.bufferRange.upperBound, usual))
        let buffer = max(followsLateness ? own : Self.bufferRange.lowerBound, asked)
        var due = captured.advanced(byNanoseconds: UInt64(max(0, least + buffer)))
        due = max(due, now, lastShown ?? now)
        if let lastShown {
            count(due.nanoseconds(since: lastShown))
        } else {
            firstShown = due
        }
        shown += 1
        lastShown = due
        latency = due.nanoseconds(since: captured)
    }

    private mutating func count(_ interval: Int64) {
        longestInterval = max(longestInterval, interval)
        if !intervals.isEmpty {
            let usual = intervals.reduce(0, +) / Int64(intervals.count)
            if interval > max(3 * usual, usual + 150_000_000) {
                freezes += 1
                frozenNanoseconds += interval
            }
        }
        intervals.append(interval)
        if intervals.count > Self.usualIntervals { intervals.removeFirst() }
    }

    /// Counts the time since the last picture as an interval too.
    mutating func finish(at now: Instant) {
        if let lastShown, now > lastShown { count(now.nanoseconds(since: lastShown)) }
    }

    /// Begins to count anew; the buffer stays as it is.
    mutating func forget() {
        shown = 0
        freezes = 0
        frozenNanoseconds = 0
        longestInterval = 0
        firstShown = lastShown
    }

    /// Frozen time of all time since counting began.
    func freezeRatio(at now: Instant) -> Double {
        guard let firstShown, now > firstShown else { return 1 }
        return Double(frozenNanoseconds) / Double(now.nanoseconds(since: firstShown))
    }
}
