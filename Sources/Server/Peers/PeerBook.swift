import Synchronization
import Wire

/// Who is who among publishers, for events of rooms, which know peers by number alone; and which of those that came by
/// WHIP have been answered and are not connected yet.
final class PeerBook: Sendable {
    private struct State {
        var peers: [PeerID: PeerDescription] = [:]
        var connecting: Set<PeerID> = []
    }

    private let state = Mutex(State())

    /// A publisher that is about to connect.
    func add(_ peer: PeerDescription) {
        state.withLock { state in
            state.peers[peer.id] = peer
            state.connecting.insert(peer.id)
        }
    }

    func connected(_ id: PeerID) { _ = state.withLock { $0.connecting.remove(id) } }

    func remove(_ id: PeerID) {
        state.withLock { state in
            state.peers[id] = nil
            state.connecting.remove(id)
        }
    }

    subscript(id: PeerID) -> PeerDescription? { state.withLock { $0.peers[id] } }

    /// Whether media of this publisher cannot flow yet.
    func isConnecting(_ id: PeerID) -> Bool { state.withLock { $0.connecting.contains(id) } }

    var count: Int { state.withLock { $0.peers.count } }
}
