import Streams
import Synchronization
import Wire

/// Connections from which no complete request has come yet, in the order in which they were accepted.
///
/// Clients send their first request at once, so when there are too many the one that has waited longest is the least
/// likely to be one. Whoever opens connections and says nothing thus loses its own, and keeps nobody out.
final class RTSPHalfOpen: Sendable {
    private let waiting = Mutex<[RTSPConnection]>([])

    /// Counts a new connection in.
    ///
    /// - Returns: the connection that has to go for it, if any.
    func enter(_ connection: RTSPConnection, most: Int) -> RTSPConnection? {
        waiting.withLock { waiting in
            waiting.append(connection)
            return waiting.count > most ? waiting.removeFirst() : nil
        }
    }

    /// A connection sent a request, or is over.
    func leave(_ connection: RTSPConnection) { waiting.withLock { $0.removeAll { $0 === connection } } }

    var count: Int { waiting.withLock { $0.count } }
}

extension RTSPConnection {
    /// Counts the connection among those that have asked for nothing yet. Loop only.
    func beginHalfOpen() {
        isHalfOpen = true
        let displaced = service.halfOpen.enter(self, most: service.settings().rtspMaxHalfOpen)
        let end = PeerEnd(.silent, "too many connections had sent no request yet (rtspMaxHalfOpen)")
        guard displaced?.onLoop({ $0.cutOff(end) }) == true else { return }
        service.counters.halfOpenDisplaced.wrappingAdd(1, ordering: .relaxed)
    }

    /// The first request came, or none will.
    func settled() {
        guard isHalfOpen else { return }
        isHalfOpen = false
        service.halfOpen.leave(self)
    }
}
