import Wire

/// The sessions that exist, by the secret in their URL, and the places they take of the server's limits.
actor SessionRegistry {
    private var sessions: [String: WebRTCSession] = [:]
    private var byPeer: [PeerID: String] = [:]
    private var limits: SessionLimits
    /// The places of sessions that are being made, and whether their peer was gone before its session was added.
    private var pending: [SessionLimits.Ticket: Bool] = [:]

    private let removed: @Sendable (String, PeerEnd?) -> Void

    /// - Parameter removed: told every session that is taken out, and why; must return at once.
    init(limits: SessionLimits, removed: @escaping @Sendable (String, PeerEnd?) -> Void = { _, _ in }) {
        self.limits = limits
        self.removed = removed
    }

    func change(_ settings: ServerSettings) { limits.change(settings) }

    /// Takes a place for a session about to be made; to be followed by ``add(_:)`` or ``abandon(_:)``.
    func admit(
        _ role: PeerRole, room: RoomSettings, from address: SocketAddress
    ) throws(SessionLimits.Refusal) -> SessionLimits.Ticket {
        let ticket = try limits.admit(role, room: room.room, maximumReaders: room.maxReaders, from: address)
        pending[ticket] = false
        return ticket
    }

    /// Gives the place of a session back that was not made after all.
    func abandon(_ ticket: SessionLimits.Ticket) {
        limits.release(ticket)
        pending[ticket] = nil
    }

    /// Takes a place for a session without a URL, which lives and ends with its connection; ``leave(_:)`` gives it back.
    func enter(
        _ role: PeerRole, room: RoomSettings, from address: SocketAddress
    ) throws(SessionLimits.Refusal) -> SessionLimits.Ticket {
        try limits.admit(role, room: room.room, maximumReaders: room.maxReaders, from: address)
    }

    func leave(_ ticket: SessionLimits.Ticket) { limits.release(ticket) }

    func add(_ session: WebRTCSession) {
        let hasEnded = pending.removeValue(forKey: session.ticket) ?? false
        guard !hasEnded else { return limits.release(session.ticket) }
        sessions[session.id] = session
        byPeer[session.description.id] = session.id
    }

    func session(_ id: String) -> WebRTCSession? { sessions[id] }

    /// Takes the session out; nil when it is gone already, so that of two DELETEs one wins.
    func remove(_ id: String, _ end: PeerEnd? = nil) -> WebRTCSession? {
        guard let session = sessions.removeValue(forKey: id) else { return nil }
        byPeer[session.description.id] = nil
        limits.release(session.ticket)
        removed(id, end)
        return session
    }

    /// The peer is gone: its session is taken out, also when it is only about to be added.
    func forget(_ peer: PeerID, _ ticket: SessionLimits.Ticket, _ end: PeerEnd? = nil) {
        if let id = byPeer[peer] {
            _ = remove(id, end)
        } else if pending[ticket] != nil {
            pending[ticket] = true
        }
    }

    /// Sessions that are being made.
    var pendingCount: Int { pending.count }

    var count: Int { sessions.count }
    var all: [WebRTCSession] { Array(sessions.values) }
    /// How often each limit kept somebody out.
    var refusals: [(limit: SessionLimits.Refusal, count: UInt64)] {
        SessionLimits.Refusal.allCases.map { ($0, limits.refusalCount($0)) }
    }
}
