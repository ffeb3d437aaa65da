import Loop
import Synchronization
import Wire

/// Offers that made no session: all are counted, and told of within bounds, as anybody may send them.
final class RefusedOffers: Sendable {
    /// How often an address has something to tell. What it does beyond is in the counters and in `/check`.
    static let toldPerSecond = 1
    static let toldBurst = 10

    struct Kind: Hashable, Sendable {
        var role: PeerRole
        var reason: EndReason
    }

    private struct State {
        var counts: [Kind: UInt64] = [:]
        var told = RateLimiter<ClientAddress>(perSecond: toldPerSecond, burst: toldBurst)
    }

    private let state = Mutex(State())
    private let failures: FailureBook
    private let hub: EventHub

    init(failures: FailureBook, hub: EventHub) {
        self.failures = failures
        self.hub = hub
    }

    /// - Parameter room: a name that rooms may have.
    func refused(
        _ role: PeerRole, in room: String, from remote: SocketAddress, _ reason: EndReason, _ detail: String,
        at now: Instant = MonotonicClock.now
    ) {
        let failure = SessionFailure(
            role: role, protocol: role == .publisher ? .whip : .whep, remote: remote, reason: reason,
            progress: .refused, detail: detail)
        let isNews = failures.note(failure, in: room, at: now)
        let isTold = state.withLock { state in
            state.counts[Kind(role: role, reason: reason), default: 0] += 1
            return isNews && state.told.admit(ClientAddress(remote), at: now).isAdmitted
        }
        if isTold { hub.publish(.sessionFailed(room: room, failure)) }
    }

    func refused(_ role: PeerRole, in room: String, from remote: SocketAddress, _ error: SignalingError) {
        refused(role, in: room, from: remote, error.reason, error.detail)
    }

    /// How many there were of each kind, in a lasting order.
    var counts: [(kind: Kind, count: UInt64)] {
        state.withLock { $0.counts }.map { ($0.key, $0.value) }.sorted {
            ($0.kind.role.rawValue, $0.kind.reason.rawValue) < ($1.kind.role.rawValue, $1.kind.reason.rawValue)
        }
    }
}
