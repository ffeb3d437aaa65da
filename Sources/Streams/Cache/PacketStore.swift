import Codecs
import RTP
import Wire

/// What a track keeps of the packets it received: one ring, of which the history for repairs and the keyframe cache
/// are two views.
struct PacketStore: ~Copyable {
    /// Packets before a keyframe's first by arrival among which others of it are looked for, and how many of its layer from
    /// before it in the publisher's order end the search.
    private static let reorderingLimit: Int64 = 512
    private static let formerLimit = 128
    /// Packets that came before the first of their keyframe and are given out again behind it.
    static let earlyLimit = 256

    private var history: PacketHistory
    /// nil when viewers begin at fresh keyframes only.
    private(set) var keyframes: KeyframeCache?
    /// Overflows of former publications.
    private var formerOverflows: UInt64 = 0

    private let kind: MediaKind

    init(_ kind: MediaKind) {
        self.kind = kind
        history = PacketHistory(kind == .video ? .video : .audio)
    }

    var nextPosition: Int64 { history.nextPosition }
    var overflows: UInt64 { formerOverflows &+ (keyframes?.overflows ?? 0) }

    /// Another publication feeds the track, or its keyframes are cached from now on or no longer. Positions go on,
    /// because viewers may still ask for some.
    ///
    /// - Parameter cachedLayers: the layers whose keyframes are cached; nil when none are.
    mutating func begin(cachedLayers: Int?) {
        formerOverflows = overflows
        history.removeAll()
        if kind == .video { history.keepEntries(within: cachedLayers == nil ? .video : .cachedVideo) }
        keyframes = cachedLayers.map { KeyframeCache(layerCount: $0) }
    }

    /// Copies `packet` in and gives the entry its position.
    mutating func append(_ packet: RawSpan, _ entry: inout RunEntry, answersRequests: Bool, at now: Instant) {
        entry.position = history.append(packet, at: now) ?? -1
        guard kind == .video else { return }
        history.note(entry)
        guard keyframes != nil else { return }
        let first = entry.summary.isKeyframeStart && !entry.isInOrder ? firstPosition(of: entry) : entry.position
        keyframes?.received(entry, byteCount: packet.byteCount, firstPosition: first)
        keyframes?.expire(historyFrom: history.firstPosition, answersRequests: answersRequests, at: now)
        history.keptFrom = keyframes?.oldestPosition ?? .max
    }

    /// The first packet by arrival of those from `entry` on in the publisher's order.
    private func firstPosition(of entry: RunEntry) -> Int64 {
        var found = entry.position
        searchBack(from: entry.position, for: entry.header, entry.layer) { position, distance in
            if distance > 0 { found = position }
        }
        return found
    }

    /// Whether the packet has come before.
    func holds(_ header: RTPHeader, layer: Int) -> Bool {
        var isFound = false
        searchBack(from: history.nextPosition, for: header, layer) { _, distance in
            if distance == 0 { isFound = true }
        }
        return isFound
    }

    /// Lends what came before `entry`, with which a keyframe begins, and stands behind it in the publisher's order. No span may
    /// outlive `body`.
    func lendEarly(before entry: RunEntry, _ body: (RunEntry, RawSpan) -> Void) {
        guard entry.position >= 0 else { return }
        var position = firstPosition(of: entry)
        var count = 0
        while position < entry.position, count < Self.earlyLimit {
            if let other = history.entry(at: position), other.layer == entry.layer,
                other.header.ssrc == entry.header.ssrc,
                entry.header.sequenceNumber.isBefore(other.header.sequenceNumber)
            {
                history.withEntry(at: position, body)
                count += 1
            }
            position += 1
        }
    }

    /// Goes through the latest packets of the layer before `end`, the newest first, with how far behind `header` they are.
    private func searchBack(
        from end: Int64, for header: RTPHeader, _ layer: Int, _ body: (Int64, Int16) -> Void
    ) {
        var position = end - 1
        var former = 0
        while position >= max(history.firstPosition, end - Self.reorderingLimit), former < Self.formerLimit {
            if let other = history.entry(at: position), other.layer == layer, !other.isInserted {
                guard other.header.ssrc == header.ssrc else { return }
                let distance = Int16(bitPattern: other.header.sequenceNumber &- header.sequenceNumber)
                if distance < 0 { former += 1 }
                body(position, distance)
            }
            position -= 1
        }
    }

    /// Lends the packet at `position` for sending it again; nil when it is gone. The span must not outlive `body`.
    func withPacket<R>(at position: Int64, now: Instant, _ body: (RawSpan) -> R) -> R? {
        history.withPacket(at: position, now: now, body)
    }

    /// Lends the packet at `position` with what is known about it; nil when it is gone.
    func withEntry<R>(at position: Int64, _ body: (RunEntry, RawSpan) -> R) -> R? {
        history.withEntry(at: position, body)
    }

    func entry(at position: Int64) -> RunEntry? { history.entry(at: position) }
}
