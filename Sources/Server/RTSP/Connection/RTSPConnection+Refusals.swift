import Loop
import RTSP
import WebRTC
import Wire

/// Requests that make no session, told to the client and to the operator.
extension RTSPConnection {
    /// Refuses the request being worked on.
    func refuse(
        _ status: RTSPStatus, _ reason: EndReason, _ detail: String, as role: PeerRole, in room: String
    ) {
        tellRefusal(reason, detail, as: role, in: room, method: machine.pendingRequest?.methodName ?? "")
        machine.refuse(status, detail)
    }

    /// - Parameter method: what was asked for.
    func tellRefusal(_ reason: EndReason, _ detail: String, as role: PeerRole, in room: String, method: String) {
        // What is no name is told to the client alone.
        guard RoomName.problem(with: room) == nil else { return }
        service.webrtc.refusals.refused(
            role, in: room, from: remoteAddress, by: .rtsp, reason,
            method.isEmpty ? detail : "\(method.escapedForDisplay(limit: 20)): \(detail)")
    }

    /// A publisher is over that sent nothing. One that was only passing by is no failure.
    func tellSilence(in room: String, since start: Instant, _ end: PeerEnd) {
        let milliseconds = eventLoop.now.milliseconds(since: start)
        guard milliseconds >= SessionAttempt.noticeableMilliseconds, end.reason != .serverStopping,
            end.reason != .replaced
        else { return }
        let failure = SessionFailure(
            role: .publisher, protocol: .rtsp, peer: peerID, remote: remoteAddress, reason: .noMedia,
            candidates: (machine.session?.media ?? []).map { media in
                tuples(of: media).map { "udp \($0.rtp.local) from port \($0.rtp.remote.port)" } ?? "tcp"
            }, progress: .reached(.connected), seconds: milliseconds / 1_000, detail: end.detail)
        service.webrtc.failures.note(failure, in: room, at: eventLoop.now)
        service.hub.publish(.sessionFailed(room: room, failure))
    }

    func tellTooManyLogins(_ action: AuthorizationAction, _ target: RTSPTarget) {
        guard service.settings().room(named: target.path) != nil else { return }
        tellRefusal(
            .limitReached, "too many wrong credentials (httpFailedAuthorizationBurst)",
            as: action == .publish ? .publisher : .viewer, in: target.path,
            method: machine.pendingRequest?.methodName ?? "")
    }

    /// Wrong credentials, of rooms that the configuration has.
    func tellUnauthorized(_ action: AuthorizationAction, _ target: RTSPTarget, _ detail: String) {
        guard service.settings().room(named: target.path) != nil else { return }
        tellRefusal(
            .unauthorized, detail, as: action == .publish ? .publisher : .viewer, in: target.path,
            method: machine.pendingRequest?.methodName ?? "")
    }
}
