import RTSP
import Synchronization
import Wire

/// Which session of an address has which of its ports, from SETUP on, so that a client learns there that another one has
/// them (RTSP-32). Any thread.
final class RTSPClientPorts: Sendable {
    static let problem = "another session from this address has these client ports"

    private struct Port: Hashable {
        var host: SocketAddress
        var number: UInt16
    }

    private struct State {
        var holders: [Port: PeerID] = [:]
        var ports: [PeerID: Set<Port>] = [:]
        /// Whose clients have no connection any more.
        var abandoned: Set<PeerID> = []
    }

    private let state = Mutex(State())

    /// - Returns: `false`, having changed nothing, when a session that is not abandoned has one of the ports.
    func claim(_ ports: RTSPPortPair, of client: SocketAddress, for peer: PeerID) -> Bool {
        let wanted = [ports.rtp, ports.rtcp].map { Port(host: client.withPort(0), number: $0) }
        return state.withLock { state in
            for port in wanted {
                guard let holder = state.holders[port], holder != peer else { continue }
                guard state.abandoned.contains(holder) else { return false }
            }
            for port in wanted {
                if let former = state.holders.updateValue(peer, forKey: port), former != peer {
                    state.ports[former]?.remove(port)
                }
                state.ports[peer, default: []].insert(port)
            }
            return true
        }
    }

    /// The session is over.
    func release(_ peer: PeerID) {
        state.withLock { state in
            state.abandoned.remove(peer)
            for port in state.ports.removeValue(forKey: peer) ?? [] where state.holders[port] == peer {
                state.holders[port] = nil
            }
        }
    }

    /// The session has lost its connection, or has one again.
    func set(isAbandoned: Bool, _ peer: PeerID) {
        state.withLock { state in
            guard isAbandoned, state.ports[peer] != nil else {
                state.abandoned.remove(peer)
                return
            }
            state.abandoned.insert(peer)
        }
    }

    var count: Int { state.withLock { $0.holders.count } }
}
