import Wire

/// What a reader over datagrams begins with, sent faster than it was made and not all at once: more than a player decodes in
/// time does not fit into its socket, and one datagram that is lost spoils the picture until the next keyframe.
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

    private var cursor: RTSPStartCache.Cursor
    private let rate: Int
    private let startedAt: Instant
    private var sent = 0

    /// nil when the cache has nothing to begin with.
    init?(_ cache: RTSPStartCache, clockRate: UInt32, at now: Instant) {
        guard let cursor = cache.begin() else { return nil }
        self.cursor = cursor
        startedAt = now
        let milliseconds = ClockScale(from: clockRate, to: 1_000).scaled(Int64(cache.duration))
        let made = milliseconds == 0 ? 0 : cache.packetCount * 1_000 / Int(milliseconds)
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

    /// Lends what is due.
    ///
    /// - Returns: how many packets that were.
    mutating func take(at now: Instant, from cache: inout RTSPStartCache, _ body: (RawSpan) -> Void) -> Int {
        let elapsed = UInt64(max(0, now.nanoseconds(since: startedAt))) / 1_000_000
        let due = max(0, Self.burst + Int(elapsed) * rate / 1_000 - sent)
        var count = 0
        while count < due, cache.lendNext(&cursor, body) { count += 1 }
        sent += count
        return count
    }
}
