import Synchronization
import Wire

/// Who is who among publishers, for events of rooms, which know peers by number alone.
final class PeerBook: Sendable {
    private let peers = Mutex<[PeerID: PeerDescription]>([:])

    func add(_ peer: PeerDescription) { peers.withLock { $0[peer.id] = peer } }

    func remove(_ id: PeerID) { peers.withLock { $0[id] = nil } }

    subscript(id: PeerID) -> PeerDescription? { peers.withLock { $0[id] } }

    var count: Int { peers.withLock(\.count) }
}
