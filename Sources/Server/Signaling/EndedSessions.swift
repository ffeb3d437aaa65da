import Loop
import Synchronization
import Wire

/// What a request has to bring to mean a session: all that its URL says, and the token that it was made with.
struct SessionAddress: Hashable, Sendable {
    var id: String
    var role: PeerRole
    var room: String
    /// SHA-256 of the token; nil when the session was made without one.
    var tokenDigest: [UInt8]?
}

/// Why sessions ended that their clients did not end themselves, kept for a while: a client that is cut off asks at its
/// session's URL what became of it, and so knows whether to come back. Two publishers that cannot know take a room from
/// each other for ever.
final class EndedSessions: Sendable {
    static let maximum = 1_024
    /// Longer than a client tries to repair its connection.
    static let lifetimeSeconds: UInt64 = 300

    private struct Entry {
        var address: SessionAddress
        var end: PeerEnd
        var expiry: Instant
    }

    private struct State {
        var entries: [String: Entry] = [:]
        /// Oldest first.
        var order: [String] = []
        var displaced: UInt64 = 0

        mutating func makeRoom(at now: Instant) {
            while let oldest = order.first {
                let isOver = entries[oldest].map { $0.expiry <= now } ?? true
                guard isOver || order.count >= maximum else { return }
                if !isOver { displaced &+= 1 }
                entries[oldest] = nil
                order.removeFirst()
            }
        }
    }

    private let state = Mutex(State())

    /// Any thread; never waits. A client that left needs no reason.
    func note(_ address: SessionAddress, _ end: PeerEnd, at now: Instant = MonotonicClock.now) {
        guard end.reason != .left else { return }
        state.withLock { state in
            state.makeRoom(at: now)
            guard state.entries[address.id] == nil else { return }
            let expiry = now.advanced(bySeconds: Self.lifetimeSeconds)
            state.entries[address.id] = Entry(address: address, end: end, expiry: expiry)
            state.order.append(address.id)
        }
    }

    /// Why the session ended; nil when it has not, when that is forgotten, and for whoever does not own it.
    func end(of address: SessionAddress, at now: Instant = MonotonicClock.now) -> PeerEnd? {
        guard let entry = state.withLock({ $0.entries[address.id] }), entry.expiry > now,
            entry.address.role == address.role, entry.address.room == address.room,
            WebRTCSession.isOwned(entry.address.tokenDigest, by: address.tokenDigest)
        else { return nil }
        return entry.end
    }

    var count: Int { state.withLock { $0.entries.count } }
    /// Those that were forgotten before their time, because too many ended.
    var displaced: UInt64 { state.withLock { $0.displaced } }
}
