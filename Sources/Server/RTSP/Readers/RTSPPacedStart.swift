import Wire

/// What a reader over datagrams begins with, sent faster than it was made and not all at once: more than a player decodes in
/// time does not fit into its socket, and one datagram that is lost spoils the picture until the next keyframe. A connection
/// gets it so too when it is more than may wait for it.
///
/// What comes while it is sent goes behind it, so that every packet goes out in its place. The packets are the cache's, and
/// the same for all readers; a start only knows how far it is.
struct RTSPPacedStart {
    /// How many times as fast as it was made a start is sent. A group of ten seconds takes one.
    static let speed = 10
    static let tickMilliseconds: UInt64 = 5
    /// Packets that go out at once: the keyframe, most of the time.
    static let burst = 32
    /// The least and the most that is sent in a second, however little or much the start tells of the stream's rate.
    static let packetsPerSecond = 800...20_000
    /// A reader that takes nothing for so long gives up its start: what it needs is held for it.
    static let patienceMilliseconds: Int64 = 2_000

    private var cursor: RTSPStartCache.Cursor
    private let rate: Int
    private let startedAt: Instant
    private var sent = 0
    /// Since when the reader has taken nothing that was due; nil while it takes.
    private var refusedSince: Instant?

    /// nil when the cache has nothing to begin with.
    init?(_ cache: RTSPStartCache, clockRate: UInt32, at now: Instant) {
        guard let cursor = cache.begin() else { return nil }
        self.cursor = cursor
        startedAt = now
        let milliseconds = ClockScale(from: clockRate, to: 1_000).scaled(Int64(cache.duration))
        // What has no duration yet, as a keyframe alone, tells nothing of the stream's rate.
        let made = milliseconds == 0 ? Self.packetsPerSecond.upperBound : cache.packetCount * 1_000 / Int(milliseconds)
        rate = min(max(Self.speed * made, Self.packetsPerSecond.lowerBound), Self.packetsPerSecond.upperBound)
    }

    /// From where on the reader needs what the cache holds.
    var position: Int { cursor.position }

    /// Whether the reader has everything that has come.
    func isOver(_ cache: RTSPStartCache) -> Bool { cursor.position == cache.endPosition }

    /// Whether the cache had to let go of what the reader needs: more came than may wait.
    func isLost(_ cache: RTSPStartCache) -> Bool { cache.hasLost(cursor) }

    /// Packets that are still to be sent.
    func waitingCount(_ cache: RTSPStartCache) -> Int { cache.endPosition - cursor.position }

    /// Whether the reader has taken nothing for too long.
    func isStuck(at now: Instant) -> Bool {
        refusedSince.map { now.milliseconds(since: $0) >= Self.patienceMilliseconds } ?? false
    }

    /// Lends what is due, as far as the reader takes it.
    ///
    /// - Parameter body: `false` when it takes no more for now; the packet is lent again.
    /// - Returns: how many packets were taken.
    mutating func take(at now: Instant, from cache: inout RTSPStartCache, _ body: (RawSpan) -> Bool) -> Int {
        let elapsed = UInt64(max(0, now.nanoseconds(since: startedAt))) / 1_000_000
        // Twice what has come meanwhile at least: a stream whose rate the start does not tell is caught up with too.
        let goal = max(Int(clamping: elapsed) * rate / 1_000, 2 * cache.arrivedCount(since: cursor))
        let due = max(0, Self.burst + goal - sent)
        var count = 0
        var isTaken = true
        while count < due {
            let before = cursor
            guard cache.lendNext(&cursor, { isTaken = body($0) }) else { break }
            guard isTaken else {
                cursor = before
                break
            }
            count += 1
        }
        sent += count
        if isTaken { refusedSince = nil } else { refusedSince = count > 0 ? now : refusedSince ?? now }
        return count
    }
}
