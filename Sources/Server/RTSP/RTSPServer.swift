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
    private var tlsContext: TLSServerContext?
    private var isStopping = false

    init(on loop: EventLoop, service: RTSPService) {
        eventLoop = loop
        self.service = service
    }

    /// - Returns: the address with the port in use, which port 0 leaves to the system.
    func listen(on address: SocketAddress) throws(LoopError) -> SocketAddress {
        try listen(on: address, isSecure: false)
    }

    /// Listens for RTSP over TLS. The context also replaces the one of earlier secure listeners.
    func listen(on address: SocketAddress, tls context: TLSServerContext) throws(LoopError) -> SocketAddress {
        tlsContext = context
        return try listen(on: address, isSecure: true)
    }

    /// Gives connections made from now on another certificate.
    func replaceTLS(_ context: TLSServerContext) { tlsContext = context }

    private func listen(on address: SocketAddress, isSecure: Bool) throws(LoopError) -> SocketAddress {
        let listener = try TCPListener(on: eventLoop, address: address) { self.accept($0, isSecure: isSecure) }
        listeners.append(listener)
        return listener.localAddress
    }

    private func accept(_ accepted: consuming AcceptedSocket, isSecure: Bool) {
        guard !isStopping, service.connectionCount < service.settings().maxSessions else {
            service.counters.refused.wrappingAdd(1, ordering: .relaxed)
            return
        }
        service.counters.accepted.wrappingAdd(1, ordering: .relaxed)
        var handover: TLSHandover?
        var mediaKeys: RTSPMediaKeys?
        var configuration = service.configuration()
        if isSecure {
            guard let tlsContext, let endpoint = try? TLSEndpoint(context: tlsContext) else { return }
            handover = TLSHandover(endpoint)
            mediaKeys = RTSPSecurity.newKeys()
            // What travels beside the connection has to be encrypted by itself (RTSP-24).
            configuration.keyMessage = mediaKeys.map { RTSPConnection.keyMessage($0) }
            configuration.deliveries.remove(.multicast)
        }
        // The groups are of IPv4.
        if accepted.remoteAddress.isIPv6 { configuration.deliveries.remove(.multicast) }
        let (client, peerID) = (accepted.remoteAddress, service.webrtc.newPeerID())
        if let clientPorts = service.datagrams?.clientPorts {
            configuration.claimPorts = { ports in
                clientPorts.claim(ports, of: client, for: peerID) ? nil : RTSPClientPorts.problem
            }
        }
        let machine = RTSPServerMachine(
            configuration: configuration, clientHost: accepted.remoteAddress.host, startedAt: eventLoop.now,
            randomNumber: { SecureRandom.uint64() })
        let connection = RTSPConnection(
            service: service, peerID: peerID, on: eventLoop, machine: machine, socket: accepted,
            tls: handover, mediaKeys: mediaKeys)
        connection.onLoop { connection in
            connection.beginHalfOpen()
            connection.start()
        }
    }

    /// Stops listening and ends all connections.
    func stop() async {
        isStopping = true
        for listener in listeners { listener.close() }
        listeners = []
        await service.stop()
    }
}
