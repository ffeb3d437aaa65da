import RTP
import Wire

/// The latest packets of a track as they came, kept once for all its viewers, so that what one of them lost can be
/// sent again (RTP-43), and so that one who comes late can begin at the last keyframe (RTP-63).
///
/// Bounded by age, packets and bytes; packets from ``keptFrom`` on by the latter two alone. Its memory follows the
/// bitrate: it starts small and doubles only when a packet would be pushed out that somebody may still ask for.
struct PacketHistory: ~Copyable {
    struct Limits: Sendable {
        var ageMilliseconds: Int64
        var packets: Int
        var bytes: Int

        static let video = Limits(ageMilliseconds: 2_000, packets: 2_500, bytes: 8 << 20)
        static let audio = Limits(ageMilliseconds: 1_000, packets: 256, bytes: 256 << 10)
        /// With room for all that follows a keyframe.
        static let cachedVideo = Limits(ageMilliseconds: 2_000, packets: 10_000, bytes: 8 << 20)
    }

    static let initialByteCapacity = 64 << 10
    static let initialPacketCapacity = 256

    private var limits: Limits
    private var ring: PacketRing
    /// By position modulo their number, as in the ring.
    private var arrivals: [Instant]
    /// What the track found out about each packet; empty when nobody begins anywhere but at the live edge.
    private var entries: [RunEntry?]
    /// Packets from this position on stay however old they are.
    var keptFrom = Int64.max
    /// How much longer packets stay while they wait for their turn on the links of some viewers: as long as a pacer lets
    /// them wait, for they are asked for only then.
    static let waitingMilliseconds = Int64(Pacer.hardLimitMilliseconds)
    var packetsWait = false

    init(_ limits: Limits) {
        self.limits = limits
        let packets = min(Self.initialPacketCapacity, limits.packets)
        ring = PacketRing(byteCapacity: min(Self.initialByteCapacity, limits.bytes), packetCapacity: packets)
        arrivals = Array(repeating: Instant(nanoseconds: 0), count: packets)
        entries = []
    }

    /// Keeps what is known about each packet from now on, for ``withEntry(at:_:)``, within new bounds.
    mutating func keepEntries(within limits: Limits) {
        self.limits = limits
        if entries.isEmpty { entries = Array(repeating: nil, count: arrivals.count) }
    }

    var count: Int { ring.count }
    var byteCapacity: Int { ring.byteCapacity }
    var firstPosition: Int64 { ring.firstPosition }
    var nextPosition: Int64 { ring.nextPosition }

    /// Copies `packet` in.
    ///
    /// - Returns: the position it can be asked for by, which no other packet of the track ever gets; nil when it is
    ///   larger than the history.
    mutating func append(_ packet: RawSpan, at now: Instant) -> Int64? {
        while !ring.isEmpty, isOld(ring.firstPosition, at: now) { ring.removeFirst() }
        makeRoom(forByteCount: packet.byteCount)
        guard let position = ring.append(copying: packet) else { return nil }
        arrivals[slot(position)] = now
        if !entries.isEmpty { entries[slot(position)] = nil }
        return position
    }

    /// Keeps what is known about the packet that lies at the entry's position.
    mutating func note(_ entry: RunEntry) {
        guard !entries.isEmpty, isThere(entry.position) else { return }
        entries[slot(entry.position)] = entry
    }

    private mutating func makeRoom(forByteCount byteCount: Int) {
        if ring.count == ring.packetCapacity, ring.packetCapacity < limits.packets { growPackets() }
        while !ring.hasRoom(forByteCount: byteCount), ring.count < ring.packetCapacity,
            ring.byteCapacity < limits.bytes
        {
            ring.grow(toByteCapacity: min(ring.byteCapacity * 2, limits.bytes))
        }
    }

    private mutating func growPackets() {
        let packets = min(ring.packetCapacity * 2, limits.packets)
        let (oldArrivals, oldEntries) = (arrivals, entries)
        arrivals = Array(repeating: Instant(nanoseconds: 0), count: packets)
        if !oldEntries.isEmpty { entries = Array(repeating: nil, count: packets) }
        for position in ring.firstPosition..<ring.nextPosition {
            let old = Int(position % Int64(oldArrivals.count))
            arrivals[slot(position)] = oldArrivals[old]
            if !oldEntries.isEmpty { entries[slot(position)] = oldEntries[old] }
        }
        ring.grow(toPacketCapacity: packets)
    }

    /// Lends the packet at `position`; nil when it is gone. The span must not outlive `body`.
    func withPacket<R>(at position: Int64, now: Instant, _ body: (RawSpan) -> R) -> R? {
        guard isThere(position), !isOld(position, at: now) else { return nil }
        return ring.withPacket(at: position, body)
    }

    /// Lends the packet at `position` with what is known about it; nil when it is gone.
    func withEntry<R>(at position: Int64, _ body: (RunEntry, RawSpan) -> R) -> R? {
        guard let entry = entry(at: position) else { return nil }
        return ring.withPacket(at: position) { body(entry, $0) }
    }

    /// What is known about the packet at `position`; nil when it is gone.
    func entry(at position: Int64) -> RunEntry? {
        guard !entries.isEmpty, isThere(position) else { return nil }
        return entries[slot(position)]
    }

    /// Forgets all packets. Positions go on.
    mutating func removeAll() {
        ring.removeAll()
        keptFrom = .max
    }

    private func isThere(_ position: Int64) -> Bool { position >= ring.firstPosition && position < ring.nextPosition }

    private func isOld(_ position: Int64, at now: Instant) -> Bool {
        position < keptFrom && now.milliseconds(since: arrivals[slot(position)]) > ageMilliseconds
    }

    private var ageMilliseconds: Int64 { limits.ageMilliseconds + (packetsWait ? Self.waitingMilliseconds : 0) }

    private func slot(_ position: Int64) -> Int { Int(position % Int64(arrivals.count)) }
}
