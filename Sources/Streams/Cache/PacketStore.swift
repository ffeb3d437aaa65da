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

    /// Whether packets wait for their turn on the link of some viewer.
    var packetsWait: Bool {
        get { history.packetsWait }
        set { history.packetsWait = newValue }
    }

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
        let isLateStart = entry.summary.isKeyframeStart && !entry.isInOrder
        if isLateStart, entry.firstPosition < 0 {
            entry.firstPosition = lookBack(for: entry.header, layer: entry.layer).firstPosition
        }
        history.note(entry)
        guard keyframes != nil else { return }
        let first = isLateStart ? max(entry.firstPosition, history.firstPosition) : entry.position
        keyframes?.received(entry, byteCount: packet.byteCount, firstPosition: min(first, entry.position))
        keyframes?.expire(historyFrom: history.firstPosition, answersRequests: answersRequests, at: now)
        history.keptFrom = keyframes?.oldestPosition ?? .max
    }

    /// Looks among the latest packets of the layer for one, and for what came before it and stands behind it in the
    /// publisher's order.
    ///
    /// - Returns: whether the packet has come before, and where the first by arrival of the others lies; the end of the
    ///   history when there are none.
    func lookBack(for header: RTPHeader, layer: Int) -> (isKnown: Bool, firstPosition: Int64) {
        let end = history.nextPosition
        var found = (isKnown: false, firstPosition: end)
        var position = end - 1
        var former = 0
        while position >= max(history.firstPosition, end - Self.reorderingLimit), former < Self.formerLimit {
            if let other = history.entry(at: position), other.layer == layer, !other.isInserted {
                let number = other.header.sequenceNumber
                // What is far off is of an encoder before it began anew, and what came earlier still too.
                guard other.header.ssrc == header.ssrc, number.isNear(header.sequenceNumber) else { break }
                if number == header.sequenceNumber {
                    found.isKnown = true
                } else if number.isBefore(header.sequenceNumber) {
                    former += 1
                } else {
                    found.firstPosition = position
                }
            }
            position -= 1
        }
        return found
    }

    /// Where the first packet lies, from `position` on, that came before `start`, with which a keyframe begins, and
    /// stands behind it in the publisher's order; nil when there is none.
    func early(before start: RunEntry, from position: Int64) -> Int64? {
        var position = max(position, history.firstPosition)
        while position < start.position {
            if let other = history.entry(at: position), other.layer == start.layer, !other.isInserted,
                other.header.ssrc == start.header.ssrc,
                start.header.sequenceNumber.isBefore(other.header.sequenceNumber)
            {
                return position
            }
            position += 1
        }
        return nil
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
