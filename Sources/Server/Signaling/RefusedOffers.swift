import Loop
import Synchronization
import Wire

/// Offers, and requests over RTSP, that made no session: all are counted, and told of within bounds, as anybody may send them.
final class RefusedOffers: Sendable {
    /// How often an address has something to tell. What it does beyond is in the counters and in `/check`.
    static let toldPerSecond = 1
    static let toldBurst = 10
    /// How often all addresses together have: each event goes to the log and to everybody who listens.
    static let toldPerSecondInAll = 10
    static let toldBurstInAll = 50

    struct Kind: Hashable, Sendable {
        var role: PeerRole
        var reason: EndReason
    }

    /// What befalls a room's whole audience and is told once, not once per address.
    private struct Shared: Hashable {
        var room: String
        var kind: Kind
        /// Names the limit.
        var detail: String
    }

    private enum Bucket: Hashable { case all }

    private struct State {
        var counts: [Kind: UInt64] = [:]
        var told = RateLimiter<ClientAddress>(perSecond: toldPerSecond, burst: toldBurst)
        var toldInAll = RateLimiter<Bucket>(perSecond: toldPerSecondInAll, burst: toldBurstInAll, maximumKeys: 1)
        /// When it was told, for as long as it is no news. Holds only what was told, so it is bounded by `toldInAll`.
        var toldShared: [Shared: Instant] = [:]

        /// Whether what happened is told: it is news and both buckets have one left.
        mutating func tells(_ isNews: Bool, _ shared: Shared?, _ client: ClientAddress, at now: Instant) -> Bool {
            guard shared.map({ !isQuiet($0, at: now) }) ?? isNews, told.admit(client, at: now).isAdmitted,
                toldInAll.admit(.all, at: now).isAdmitted
            else { return false }
            guard let shared else { return true }
            toldShared = toldShared.filter { isQuiet($0.key, at: now) }
            toldShared[shared] = now
            return true
        }

        private func isQuiet(_ shared: Shared, at now: Instant) -> Bool {
            toldShared[shared].map { now.nanoseconds(since: $0) < FailureBook.quietSeconds * 1_000_000_000 } ?? false
        }
    }

    private let state = Mutex(State())
    private let failures: FailureBook
    private let hub: EventHub

    init(failures: FailureBook, hub: EventHub) {
        self.failures = failures
        self.hub = hub
    }

    /// - Parameters:
    ///   - room: a name that rooms may have.
    ///   - protocol: nil for that of WebRTC.
    func refused(
        _ role: PeerRole, in room: String, from remote: SocketAddress, by protocol: PeerProtocol? = nil,
        _ reason: EndReason, _ detail: String, at now: Instant = MonotonicClock.now
    ) {
        let failure = SessionFailure(
            role: role, protocol: `protocol` ?? (role == .publisher ? .whip : .whep), remote: remote, reason: reason,
            progress: .refused, detail: detail)
        let isNews = failures.note(failure, in: room, at: now)
        let kind = Kind(role: role, reason: reason)
        let shared = reason.isShared ? Shared(room: room, kind: kind, detail: detail) : nil
        let isTold = state.withLock { state in
            state.counts[kind, default: 0] += 1
            return state.tells(isNews, shared, ClientAddress(remote), at: now)
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

extension EndReason {
    /// Whether it befalls everybody who asks for the room, rather than one client.
    fileprivate var isShared: Bool { self == .nobodyPublishes || self == .limitReached }
}
