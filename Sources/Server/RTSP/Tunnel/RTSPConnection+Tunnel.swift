import Loop
import RTSP
import Wire

/// What a connection to the RTSP port is.
enum RTSPConnectionKind {
    /// Not known before its first bytes.
    case undecided(RTSPConnectionFront)
    case rtsp
    /// Answers through the reply to a GET; the requests come by another connection.
    case tunnelOutput(RTSPTunnel)
    /// Brings requests in the body of a POST, and does nothing else.
    case tunnelInput(RTSPTunnel, RTSPTunnelDecoder)

    var outputTunnel: RTSPTunnel? { if case .tunnelOutput(let tunnel) = self { tunnel } else { nil } }
    var isTunnelInput: Bool { if case .tunnelInput = self { true } else { false } }
}

extension RTSPConnection {
    /// Takes what came, decrypted.
    func receivedPlaintext(_ bytes: RawSpan) {
        switch kind {
        case .rtsp: machine.received(bytes, at: eventLoop.now)
        // The client has nothing to say here.
        case .tunnelOutput: break
        case .tunnelInput(let tunnel, var decoder):
            var plain: [UInt8] = []
            guard decoder.decode(bytes, into: &plain) else {
                return close(PeerEnd(.left, "what came through the tunnel is no base64"))
            }
            kind = .tunnelInput(tunnel, decoder)
            if !plain.isEmpty, !tunnel.append(plain) { pauseReading() }
        case .undecided(var front):
            let finding = front.received(bytes)
            kind = .undecided(front)
            settle(finding)
        }
    }

    private func settle(_ finding: RTSPConnectionFront.Finding) {
        switch finding {
        case .undecided: break
        case .rtsp(let bytes):
            kind = .rtsp
            bytes.withBytes { machine.received($0, at: eventLoop.now) }
        case .refused(let answer): refuse(answer)
        case .tunnel(.output(let cookie), _):
            guard let tunnel = service.tunnels.open(cookie: cookie, host: remoteAddress.host) else {
                return refuse(RTSPConnectionFront.withoutOutput)
            }
            kind = .tunnelOutput(tunnel)
            tunnel.setOutput(self)
            // A proxy lets nothing pass beside the tunnel (T16).
            machine.staysInside()
            _ = write(RTSPConnectionFront.accepted)
        case .tunnel(.input(let cookie), let rest):
            guard let tunnel = service.tunnels.find(cookie: cookie, host: remoteAddress.host) else {
                return refuse(RTSPConnectionFront.withoutOutput)
            }
            kind = .tunnelInput(tunnel, RTSPTunnelDecoder())
            tunnel.setInput(self)
            rest.withBytes { receivedPlaintext($0) }
        }
    }

    private func refuse(_ answer: [UInt8]) {
        _ = write(answer)
        close(PeerEnd(.left, "the client spoke HTTP and opened no tunnel"))
    }

    /// Gives the machine what came through the tunnel; `false` when there is nothing, or no room for it yet.
    func takeFromTunnel() -> Bool {
        guard let tunnel = kind.outputTunnel, machine.bufferedBytes <= Self.maximumWaitingBytes,
            let bytes = tunnel.take()
        else { return false }
        bytes.withBytes { machine.received($0, at: eventLoop.now) }
        return true
    }

    // MARK: from the other connection

    nonisolated func tunnelHasBytes() { eventLoop.execute { self.onLoop { $0.drive() } } }

    nonisolated func resumeTunnel() { eventLoop.execute { self.onLoop { $0.resumeReading() } } }

    nonisolated func endTunnel() {
        eventLoop.execute { self.onLoop { $0.close(PeerEnd(.left, "the tunnel is closed")) } }
    }
}
