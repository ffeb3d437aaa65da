import Testing
import WebRTC
import Wire

@testable import Server

struct SessionAttemptTests {
    private let peer = PeerDescription(
        id: PeerID(9), protocol: .whip, remote: SocketAddress(ipv4: 0xC633_6407, port: 4000))

    private func attempt(_ role: PeerRole = .publisher) -> SessionAttempt {
        SessionAttempt(
            room: "cam1", role: role, description: peer, offered: ["udp 192.0.2.5:8189", "tcp 192.0.2.5:8189"],
            startedAt: .seconds(10))
    }

    @Test func aSessionThatNeverConnectedSaysWhatWasTried() {
        let events = attempt().ended(PeerEnd(.neverConnected), progress: .answered, at: .seconds(40))
        #expect(events.count == 1)
        guard case .sessionFailed("cam1", let failure) = events.first else {
            Issue.record("not a failure: \(events)")
            return
        }
        #expect(failure.role == .publisher && failure.peer == peer.id && failure.reason == .iceNeverConnected)
        #expect(failure.progress == .reached(.answered) && failure.seconds == 30)
        #expect(
            failure.account.hasPrefix(
                "asked from 198.51.100.7, was offered udp 192.0.2.5:8189, tcp 192.0.2.5:8189; nothing arrived in 30 s; "
            ))
    }

    @Test(arguments: [TransportProgress.answered, .checked, .handshaking])
    func aClientThatGivesUpGetsAdviceByHowFarItCame(progress: TransportProgress) {
        let events = attempt().ended(.deleted, progress: progress, at: .seconds(25))
        guard case .sessionFailed(_, let failure) = events.first else {
            Issue.record("not a failure: \(events)")
            return
        }
        #expect(failure.reason == .gaveUp && failure.progress == .reached(progress))
        let advice = failure.advice
        #expect(advice != nil && advice != EndReason.gaveUp.advice)
        if progress == .answered { #expect(advice == EndReason.iceNeverConnected.advice) }
    }

    @Test func aClientThatLeavesAtOnceIsNobodysConcern() {
        #expect(attempt().ended(.deleted, progress: .checked, at: .seconds(11)).isEmpty)
        #expect(attempt().ended(.stopping, progress: .answered, at: .seconds(40)).isEmpty)
    }

    @Test func aSessionThatConnectedAndCarriedNothingLeftAndFailed() {
        let attempt = attempt(.viewer)
        #expect(attempt.started() == .viewerJoined(room: "cam1", peer))
        let events = attempt.ended(PeerEnd(.consentLost), progress: .connected, at: .seconds(60))
        #expect(events.map(\.name) == ["viewerLeft", "sessionFailed"])
        guard case .sessionFailed(_, let failure) = events.last else {
            Issue.record("not a failure: \(events)")
            return
        }
        #expect(failure.reason == .noMedia && failure.progress == .reached(.connected))
    }

    @Test func aSessionWithMediaEndsInPeace() {
        let attempt = attempt()
        #expect(attempt.started() == .publisherStarted(room: "cam1", peer))
        #expect(
            attempt.ended(.deleted, progress: .media, at: .seconds(60)) == [
                .publisherStopped(room: "cam1", peer, .left)
            ])
    }
}
