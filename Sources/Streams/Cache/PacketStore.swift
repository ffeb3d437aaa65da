import Codecs
import RTP
import Wire

/// What a track keeps of the packets it received: one ring, of which the history for repairs and the keyframe cache
/// are two views.
struct PacketStore: ~Copyable {
    /// Packets between a keyframe's second and its first that are looked through when the first came late.
    private static let reorderingLimit: Int64 = 512

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
        if cachedLayers != nil { history.keepEntries(within: .cachedVideo) }
        keyframes = cachedLayers.map { KeyframeCache(layerCount: $0) }
    }

    /// Copies `packet` in and gives the entry its position.
    mutating func append(_ packet: RawSpan, _ entry: inout RunEntry, answersRequests: Bool, at now: Instant) {
        entry.position = history.append(packet, at: now) ?? -1
        guard keyframes != nil else { return }
        history.note(entry)
        let first = entry.summary.isKeyframeStart ? firstPosition(of: entry) : entry.position
        keyframes?.received(entry, byteCount: packet.byteCount, firstPosition: first)
        keyframes?.expire(historyFrom: history.firstPosition, answersRequests: answersRequests, at: now)
        history.keptFrom = keyframes?.oldestPosition ?? .max
    }

    /// The first packet by arrival of those from `entry` on in the publisher's order.
    private func firstPosition(of entry: RunEntry) -> Int64 {
        var found = entry.position
        var position = entry.position - 1
        while position >= max(history.firstPosition, entry.position - Self.reorderingLimit) {
            if let other = history.entry(at: position), other.layer == entry.layer {
                guard other.header.ssrc == entry.header.ssrc,
                    entry.header.sequenceNumber.isBefore(other.header.sequenceNumber)
                else { break }
                found = position
            }
            position -= 1
        }
        return found
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
