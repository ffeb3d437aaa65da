import Loop
import RTSP
import Secure
import Synchronization
import Wire

/// Accepts RTSP connections on the control loop. A connection moves to its room's loop once it plays or records.
actor RTSPServer: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }
    nonisolated let service: RTSPService

    private var listeners: [TCPListener] = []
    private var isStopping = false

    init(on loop: EventLoop, service: RTSPService) {
        eventLoop = loop
        self.service = service
    }

    /// - Returns: the address with the port in use, which port 0 leaves to the system.
    func listen(on address: SocketAddress) throws(LoopError) -> SocketAddress {
        let listener = try TCPListener(on: eventLoop, address: address) { self.accept($0) }
        listeners.append(listener)
        return listener.localAddress
    }

    private func accept(_ accepted: consuming AcceptedSocket) {
        guard !isStopping, service.connectionCount < service.settings().maxSessions else {
            service.counters.refused.wrappingAdd(1, ordering: .relaxed)
            return
        }
        service.counters.accepted.wrappingAdd(1, ordering: .relaxed)
        let machine = RTSPServerMachine(
            configuration: service.configuration(), clientHost: accepted.remoteAddress.host, startedAt: eventLoop.now,
            randomNumber: { SecureRandom.uint64() })
        let connection = RTSPConnection(
            service: service, peerID: service.webrtc.newPeerID(), on: eventLoop, machine: machine, socket: accepted)
        connection.onLoop { $0.start() }
    }

    /// Stops listening and ends all connections.
    func stop() async {
        isStopping = true
        for listener in listeners { listener.close() }
        listeners = []
        await service.stop()
    }
}
