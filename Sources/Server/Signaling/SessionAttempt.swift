import Synchronization
import WebRTC
import Wire

/// A session from its answer to its end, for telling what became of it.
final class SessionAttempt: Sendable {
    /// A client that leaves sooner without media was only passing by: a page that was reloaded, a button pressed twice.
    static let noticeableMilliseconds: Int64 = 3_000

    let room: String
    let role: PeerRole
    let description: PeerDescription
    /// Where the client was told to send, such as `udp 192.0.2.5:8189`.
    private let offered: [String]
    private let startedAt: Instant
    private let connected = Atomic<Bool>(false)

    init(room: String, role: PeerRole, description: PeerDescription, offered: [String], startedAt: Instant) {
        self.room = room
        self.role = role
        self.description = description
        self.offered = offered
        self.startedAt = startedAt
    }

    /// The transport stands; what to tell.
    func started() -> ServerEvent {
        connected.store(true, ordering: .relaxed)
        return role == .publisher
            ? .publisherStarted(room: room, description) : .viewerJoined(room: room, description)
    }

    /// The session is over; what to tell, in order. A session that never connected never counted as one.
    func ended(_ end: PeerEnd, progress: TransportProgress, at now: Instant) -> [ServerEvent] {
        let wasConnected = connected.load(ordering: .relaxed)
        var events: [ServerEvent] = []
        if wasConnected {
            events.append(
                role == .publisher
                    ? .publisherStopped(room: room, description, end.reason)
                    : .viewerLeft(room: room, description, end.reason))
        }
        let milliseconds = now.milliseconds(since: startedAt)
        if let reason = failure(end.reason, progress, wasConnected, milliseconds) {
            let failure = SessionFailure(
                role: role, protocol: description.protocol, peer: description.id, remote: description.remote,
                reason: reason, candidates: offered, progress: .reached(progress), seconds: milliseconds / 1_000,
                detail: end.detail)
            events.append(.sessionFailed(room: room, failure))
        }
        return events
    }

    private func failure(
        _ reason: EndReason, _ progress: TransportProgress, _ wasConnected: Bool, _ milliseconds: Int64
    ) -> EndReason? {
        guard progress < .media else { return nil }
        let isNoticeable = milliseconds >= Self.noticeableMilliseconds
        if wasConnected {
            return isNoticeable && reason != .serverStopping && reason != .replaced ? .noMedia : nil
        }
        if reason.isFailure { return reason }
        return reason == .left && isNoticeable ? .gaveUp : nil
    }
}
