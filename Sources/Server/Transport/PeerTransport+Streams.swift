import Loop
import WebRTC
import Wire

// What a session does for its connections over TCP; everything else is as with UDP.

extension PeerTransport {
    /// Whether a check proved `tuple` to be the client's. The loop's thread only.
    nonisolated func isValidated(_ tuple: TransportTuple) -> Bool { onLoop { $0.engine.isValidated(tuple) } }

    /// A connection is gone; if it was the selected path, another takes its place or consent is lost. The loop's thread
    /// only.
    nonisolated func streamClosed(_ tuple: TransportTuple) {
        onLoop { transport in
            guard !transport.isClosed else { return }
            transport.engine.connectionClosed(tuple, at: transport.eventLoop.now)
            transport.settle()
        }
    }

    /// The engine has no use for a tuple any more.
    func release(_ tuple: TransportTuple) {
        switch tuple.transport {
        case .udp: demultiplexer.remove(tuple, of: self)
        case .tcp: arena.close(tuple)
        }
    }
}
