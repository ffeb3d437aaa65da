import Wire

/// What a reader over datagrams begins with, sent faster than it was made and not all at once: more than a player decodes in
/// time does not fit into its socket, and one datagram that is lost spoils the picture until the next keyframe.
///
/// What comes while it is sent waits behind it, so that every packet goes out in its place.
struct RTSPPacedStart {
    /// How many times as fast as it was made a start is sent. A group of ten seconds takes one.
    static let speed = 10
    static let tickMilliseconds: UInt64 = 5
    /// Packets that go out at once: the keyframe, most of the time.
    static let burst = 32
    /// The least and the most that is sent in a second, however little or much the start tells of the stream's rate.
    static let packetsPerSecond = 800...20_000
    /// Packets and bytes that may wait; a reader with more of them waits for a keyframe.
    static let maximumPackets = 2 * RTSPStartCache.maximumPackets
    static let maximumBytes = 2 * RTSPStartCache.maximumBytes
    /// What all starts of a track may hold at a time.
    static let maximumTotalBytes = 64 << 20
    /// As long as starts hold no more than this another may begin: the rest is for what comes while they are sent.
    static let admittedTotalBytes = maximumTotalBytes / 4 * 3
    /// Fewer bytes that were sent are not worth a copy of those that wait.
    private static let leastDroppedBytes = 64 << 10

    private var bytes: [UInt8] = []
    /// Where packets end, reckoned from the first byte of the start.
    private var ends: [Int] = []
    private var next = 0
    /// Bytes at the front that were sent and are held no more.
    private var droppedBytes = 0
    private let rate: Int
    private let startedAt: Instant
    private var sent = 0

    /// - Parameter duration: of what the cache holds.
    init(_ cache: RTSPStartCache, clockRate: UInt32, at now: Instant) {
        startedAt = now
        let milliseconds = UInt64(cache.duration) * 1_000 / UInt64(max(1, clockRate))
        let made = milliseconds == 0 ? 0 : Int(UInt64(cache.packetCount) * 1_000 / milliseconds)
        rate = min(max(Self.speed * made, Self.packetsPerSecond.lowerBound), Self.packetsPerSecond.upperBound)
        bytes.reserveCapacity(Self.capacity(for: cache.byteCount))
        ends.reserveCapacity(cache.packetCount)
        cache.lendEach { packet in
            bytes.append(contentsOf: packet)
            ends.append(bytes.count)
        }
    }

    /// Live packets come at a tenth of the speed: an array without room for them would double.
    private static func capacity(for byteCount: Int) -> Int { byteCount + byteCount / 8 }

    var isEmpty: Bool { next == ends.count }
    var waitingCount: Int { ends.count - next }
    /// Bytes that are held: those that wait, and some that were sent.
    var byteCount: Int { bytes.count }

    /// Keeps a packet behind those that wait; `false` when there are too many.
    mutating func append(_ packet: RawSpan) -> Bool {
        guard waitingCount < Self.maximumPackets, bytes.count + packet.byteCount <= Self.maximumBytes else {
            return false
        }
        bytes.append(contentsOf: packet)
        ends.append(droppedBytes + bytes.count)
        return true
    }

    /// Lends what is due.
    ///
    /// - Returns: how many packets that were.
    mutating func take(at now: Instant, _ body: (RawSpan) -> Void) -> Int {
        let elapsed = UInt64(max(0, now.nanoseconds(since: startedAt))) / 1_000_000
        let due = Self.burst + Int(elapsed) * rate / 1_000 - sent
        let count = min(max(0, due), waitingCount)
        var start = sentBytes
        bytes.withBytes { bytes in
            for end in ends[next..<next + count] {
                let heldEnd = end - droppedBytes
                body(bytes.extracting(start..<heldEnd))
                start = heldEnd
            }
        }
        next += count
        sent += count
        dropSent()
        return count
    }

    /// Of the bytes that are held, those that were sent.
    private var sentBytes: Int { next == 0 ? 0 : ends[next - 1] - droppedBytes }

    /// Frees what was sent once it is half of what is held, so that every byte is copied once more at most on average.
    private mutating func dropSent() {
        let count = sentBytes
        guard count >= Self.leastDroppedBytes, count >= bytes.count / 2 else { return }
        var rest: [UInt8] = []
        rest.reserveCapacity(Self.capacity(for: bytes.count - count))
        rest.append(contentsOf: bytes[count...])
        bytes = rest
        ends.removeFirst(next)
        next = 0
        droppedBytes += count
    }
}
