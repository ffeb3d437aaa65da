import Wire

/// The latest packets of a track as they came, kept once for all its viewers, so that what one of them lost can be
/// sent again (RTP-43).
///
/// Bounded by age, packets and bytes. Its memory follows the bitrate: it starts small and doubles only when a packet
/// would be pushed out that somebody may still ask for.
struct PacketHistory: ~Copyable {
    struct Limits: Sendable {
        var ageMilliseconds: Int64
        var packets: Int
        var bytes: Int

        static let video = Limits(ageMilliseconds: 2_000, packets: 2_500, bytes: 8 << 20)
        static let audio = Limits(ageMilliseconds: 1_000, packets: 256, bytes: 256 << 10)
    }

    static let initialByteCapacity = 64 << 10

    private let limits: Limits
    private var ring: PacketRing
    /// By position modulo their number.
    private var arrivals: [Instant]

    init(_ limits: Limits) {
        self.limits = limits
        ring = PacketRing(
            byteCapacity: min(Self.initialByteCapacity, limits.bytes), packetCapacity: limits.packets)
        arrivals = Array(repeating: Instant(nanoseconds: 0), count: limits.packets)
    }

    var count: Int { ring.count }
    var byteCapacity: Int { ring.byteCapacity }

    /// Copies `packet` in.
    ///
    /// - Returns: the position it can be asked for by, which no other packet of the track ever gets; nil when it is
    ///   larger than the history.
    mutating func append(_ packet: RawSpan, at now: Instant) -> Int64? {
        while !ring.isEmpty, isOld(ring.firstPosition, at: now) { ring.removeFirst() }
        while !ring.hasRoom(forByteCount: packet.byteCount), ring.count < limits.packets,
            ring.byteCapacity < limits.bytes
        {
            ring.grow(toByteCapacity: min(ring.byteCapacity * 2, limits.bytes))
        }
        guard let position = ring.append(copying: packet) else { return nil }
        arrivals[slot(position)] = now
        return position
    }

    /// Lends the packet at `position`; nil when it is gone. The span must not outlive `body`.
    func withPacket<R>(at position: Int64, now: Instant, _ body: (RawSpan) -> R) -> R? {
        guard position >= ring.firstPosition, position < ring.nextPosition, !isOld(position, at: now) else {
            return nil
        }
        return ring.withPacket(at: position, body)
    }

    /// Forgets all packets. Positions go on.
    mutating func removeAll() { ring.removeAll() }

    private func isOld(_ position: Int64, at now: Instant) -> Bool {
        now.milliseconds(since: arrivals[slot(position)]) > limits.ageMilliseconds
    }

    private func slot(_ position: Int64) -> Int { Int(position % Int64(arrivals.count)) }
}
