import Codecs
import RTP
import Streams
import Synchronization
import Wire

final class FakePublisher: PublisherHandle {
    struct Request: Hashable {
        var kind: MediaKind
        var layer: Int
    }

    let peerID: PeerID
    private let state = Mutex((requests: [Request](), replacements: 0))

    init(_ number: UInt64) { peerID = PeerID(number) }

    func requestKeyframe(_ kind: MediaKind, layer: Int) {
        state.withLock { $0.requests.append(Request(kind: kind, layer: layer)) }
    }

    func wasReplaced() { state.withLock { $0.replacements += 1 } }

    var requests: [Request] { state.withLock { $0.requests } }
    var replacements: Int { state.withLock { $0.replacements } }
    func forgetRequests() { state.withLock { $0.requests = [] } }
}

final class FakeViewer: ViewerHandle {
    let peerID: PeerID
    private let state = Mutex([ViewerEnd]())

    init(_ number: UInt64) { peerID = PeerID(number) }

    func end(_ reason: ViewerEnd) { state.withLock { $0.append(reason) } }

    var ends: [ViewerEnd] { state.withLock { $0 } }
}

/// What a room told its observer, in order.
final class EventLog: Sendable {
    private let state = Mutex((events: [String](), tracks: [String]()))

    var observer: @Sendable (RoomEvent) -> Void {
        { event in
            self.state.withLock { state in
                switch event {
                case .trackAdded(let track, let format):
                    state.tracks.append("added \(track.value) \(format.codec.rawValue)")
                case .trackCodecChanged(let track, let old, let new):
                    state.tracks.append("changed \(track.value) \(old.rawValue) to \(new.rawValue)")
                default: state.events.append(Self.word(event))
                }
            }
        }
    }

    var events: [String] { state.withLock { $0.events } }
    /// What became of the tracks, apart from the rest.
    var tracks: [String] { state.withLock { $0.tracks } }

    private static func word(_ event: RoomEvent) -> String {
        switch event {
        case .publisherStarted(let peer, let formats):
            "started \(peer.value) \(formats.map(\.codec.rawValue).joined(separator: "+"))"
        case .publisherReplaced(let old, let new): "replaced \(old.value) by \(new.value)"
        case .publisherStopped(let peer, let reason): "stopped \(peer.value) \(reason.rawValue)"
        case .viewerJoined(let peer, let count): "joined \(peer.value), \(count)"
        case .viewerLeft(let peer, let count): "left \(peer.value), \(count)"
        case .layersChanged(let layers):
            "layers \(layers.filter(\.isActive).map { String($0.encoding) }.joined(separator: "+"))"
        case .viewerLayersChanged(let peer, let layers): "viewer \(peer.value) gets \(layers.current?.encoding ?? -1)"
        case .emptied: "emptied"
        case .standbyJoined(let peer, let formats):
            "waits \(peer.value) \(formats.map(\.codec.rawValue).joined(separator: "+"))"
        case .standbyLeft(let peer, let reason): "waited \(peer.value) \(reason.rawValue)"
        case .publisherSwitched(let old, let new, let reason):
            "switched \(old.map { "\($0.value)" } ?? "nobody") to \(new.value) \(reason.rawValue)"
        case .trackAdded, .trackCodecChanged: ""
        }
    }
}
