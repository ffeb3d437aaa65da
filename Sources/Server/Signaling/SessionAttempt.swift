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
    /// Where the client was told to send.
    private let offered: [SocketAddress]
    private let startedAt: Instant
    private let connected = Atomic<Bool>(false)

    init(room: String, role: PeerRole, description: PeerDescription, offered: [SocketAddress], startedAt: Instant) {
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
            events.append(
                .sessionFailed(
                    room: room, role, description, reason, tried: tried(end, progress, milliseconds),
                    progress: progress))
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

    private func tried(_ end: PeerEnd, _ progress: TransportProgress, _ milliseconds: Int64) -> String {
        let candidates = offered.isEmpty ? "no address" : offered.map { "udp \($0)" }.joined(separator: ", ")
        let client = description.remote.map { "asked from \($0.host)" } ?? "asked"
        let reached =
            switch progress {
            case .answered: "nothing arrived"
            case .checked: "connectivity checks arrived, no handshake"
            case .handshaking: "the DTLS handshake began and did not finish"
            case .connected: "connected, no media"
            case .media: "media went through"
            }
        return "\(client), was offered \(candidates); \(reached) in \(milliseconds / 1_000) s; \(end.detail)"
    }
}
