import Wire

/// The sessions that exist, by the secret in their URL, and the places they take of the server's limits.
actor SessionRegistry {
    private var sessions: [String: WebRTCSession] = [:]
    private var byPeer: [PeerID: String] = [:]
    /// Places taken for sessions that are being made.
    private var reserved = 0
    private var endedEarly: Set<PeerID> = []
    private var viewersPerAddress: [SocketAddress: Int] = [:]

    /// Takes a place for a session about to be made; to be followed by ``add(_:)`` or ``abandon(_:from:)``.
    func admit(
        _ role: PeerRole, from address: SocketAddress, maximumSessions: Int, maximumViewersPerAddress: Int
    ) throws(AdmissionProblem) {
        guard sessions.count + reserved < maximumSessions else { throw .sessions(limit: maximumSessions) }
        if role == .viewer {
            let host = address.withPort(0)
            let count = viewersPerAddress[host] ?? 0
            guard maximumViewersPerAddress == 0 || count < maximumViewersPerAddress else {
                throw .viewersPerAddress(limit: maximumViewersPerAddress)
            }
            viewersPerAddress[host] = count + 1
        }
        reserved += 1
    }

    /// Gives a place back that was taken by ``admit(_:from:maximumSessions:maximumViewersPerAddress:)``.
    func abandon(_ role: PeerRole, from address: SocketAddress) {
        reserved -= 1
        if reserved == 0 { endedEarly.removeAll() }
        if role == .viewer { releaseViewer(address) }
    }

    func add(_ session: WebRTCSession) {
        reserved -= 1
        if endedEarly.remove(session.description.id) != nil {
            if session.role == .viewer, let address = session.description.remote { releaseViewer(address) }
            return
        }
        sessions[session.id] = session
        byPeer[session.description.id] = session.id
    }

    func session(_ id: String) -> WebRTCSession? { sessions[id] }

    /// Takes the session out; nil when it is gone already, so that of two DELETEs one wins.
    func remove(_ id: String) -> WebRTCSession? {
        guard let session = sessions.removeValue(forKey: id) else { return nil }
        byPeer[session.description.id] = nil
        if session.role == .viewer, let address = session.description.remote { releaseViewer(address) }
        return session
    }

    /// The peer is gone: its session is taken out, also when it is only about to be added.
    func forget(_ peer: PeerID) {
        if let id = byPeer[peer] {
            _ = remove(id)
        } else if reserved > 0 {
            endedEarly.insert(peer)
        }
    }

    private func releaseViewer(_ address: SocketAddress) {
        let host = address.withPort(0)
        guard let count = viewersPerAddress[host] else { return }
        viewersPerAddress[host] = count > 1 ? count - 1 : nil
    }

    var count: Int { sessions.count }
    var all: [WebRTCSession] { Array(sessions.values) }
}
