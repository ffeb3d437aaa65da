import Codecs
import Streams
import Wire

extension ServerEvent {
    /// What a room's event is to the rest of the server; nil where the sessions themselves tell it, or nobody needs to know.
    init?(_ event: RoomEvent, room: String, peers: PeerBook) {
        func described(_ id: PeerID) -> PeerDescription {
            peers[id] ?? PeerDescription(id: id, protocol: .internal)
        }
        switch event {
        case .emptied: self = .roomClosed(room: room)
        case .publisherReplaced(let old, let new):
            self = .publisherReplaced(room: room, old: described(old), new: described(new))
        case .standbyJoined(let peer, _): self = .standbyJoined(room: room, described(peer))
        case .standbyLeft(let peer, _): self = .standbyLeft(room: room, described(peer))
        case .publisherSwitched(let old, let new, let reason):
            self = .publisherSwitched(room: room, from: old.map(described), to: described(new), reason)
        case .trackAdded(let track, let format):
            self = .trackAdded(room: room, track, format.kind, format.codec)
        case .trackCodecChanged(let track, let old, let new):
            self = .trackCodecChanged(room: room, track, from: old, to: new)
        case .publisherStarted, .publisherStopped, .viewerJoined, .viewerLeft, .layersChanged, .viewerLayersChanged:
            return nil
        }
    }
}
