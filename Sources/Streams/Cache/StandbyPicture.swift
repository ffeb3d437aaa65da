import Codecs
import RTP
import Wire

/// What a waiting publisher has sent since its latest keyframe, so that viewers can go over to it at once although it
/// sends no fresh one on request (RTP-63).
///
/// Bounded as a track's keyframe cache is. Lives on the room's loop.
final class StandbyPicture {
    private var store = PacketStore(.video)

    init(layerCount: Int) { store.begin(cachedLayers: layerCount) }

    func received(_ packet: RawSpan, _ entry: RunEntry) {
        var entry = entry
        store.append(packet, &entry, answersRequests: false, at: entry.arrival)
    }

    /// Whether viewers could begin with it.
    var hasKeyframe: Bool { store.keyframes.map { $0.oldestPosition < .max } ?? false }

    /// Lends what a viewer needs to begin, in the order in which it came. No span may outlive `body`.
    func lendEach(_ body: (RunEntry, RawSpan) -> Void) {
        guard let keyframes = store.keyframes else { return }
        var position = keyframes.oldestPosition
        while position < store.nextPosition {
            store.withEntry(at: position, body)
            position += 1
        }
    }
}
