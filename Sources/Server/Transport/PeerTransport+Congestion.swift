import Loop
import RTP
import WebRTC
import Wire

/// The link to a viewer: what its feedback says about it, and what follows for the frames that are still to come.
extension PeerTransport {
    nonisolated func videoBitsPerSecond(at now: Instant) -> UInt64? {
        onLoop { $0.congestion?.videoBitsPerSecond(at: now) }
    }

    nonisolated func wantsVideo(bitsPerSecond: UInt64?) {
        onLoop { $0.congestion?.wantsVideo(bitsPerSecond: bitsPerSecond) }
    }

    nonisolated func withdrawVideo() { onLoop { $0.congestion?.withdrawVideo() } }

    nonisolated var canSend: Bool { onLoop { $0.engine.canSend } }

    nonisolated func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool {
        onLoop { transport in
            guard transport.engine.canSend else {
                // Whatever comes next has to begin with a keyframe.
                transport.congestion?.stopVideo(at: now)
                return false
            }
            return transport.congestion?.admitsFrame(isKeyframe: isKeyframe, at: now) ?? true
        }
    }

    nonisolated func takesKeyframeRequest(at now: Instant) -> Bool {
        onLoop { $0.engine.canSend && $0.congestion?.takesKeyframeRequest(at: now) == true }
    }

    /// Takes transport-wide feedback out of the RTCP packet `compound`.
    ///
    /// - Returns: what it said of video that was lost.
    func received(_ feedback: TransportFeedback, in compound: RawSpan, at now: Instant) -> [VideoNews] {
        congestion?.received(feedback, in: compound, at: now)
        armPacing()
        return congestion?.videoNews ?? []
    }

    /// Takes the viewer's own estimate of its link, which is about a stream sent to it.
    func received(receiverEstimate bitsPerSecond: UInt64, at now: Instant) {
        congestion?.received(receiverEstimate: bitsPerSecond, at: now)
        armPacing()
    }

    /// Takes the share of video lost, in 1/256.
    func received(fractionLost: UInt8, at now: Instant) {
        congestion?.received(fractionLost: fractionLost, at: now)
        armPacing()
    }

    func armPacing() {
        guard let deadline = congestion?.nextDeadline else { return }
        if pacingTimer == nil {
            pacingTimer = eventLoop.makeTimer(name: "pacer") { [weak self] in self?.onLoop { $0.pacingDue() } }
        }
        if pacingTimer?.deadline != deadline { pacingTimer?.schedule(at: deadline) }
    }

    private func pacingDue() {
        guard let congestion else { return }
        congestion.sendDue(at: eventLoop.now) { packetClass, maximumSize, write in
            _ = send(packetClass, maximumSize: maximumSize, write)
        }
        armPacing()
    }
}
