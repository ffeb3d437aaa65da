import Loop
import Wire

/// Gives the datagrams of the RTSP ports to the connections they belong to: by exact tuple, and of paths with `rtspAnyPort`
/// by what ``RTSPPortLatches`` finds.
actor RTSPDatagramReceiver: LoopActor {
    struct Statistics: Sendable, Hashable {
        var datagrams: UInt64 = 0
        /// From addresses that set up nothing: strangers, and clients whose session is over.
        var unknownSource: UInt64 = 0
        var mailboxOverflow: UInt64 = 0
        /// Publishers that were found behind another port than they announced, or followed to another one.
        var latchedPorts: UInt64 = 0
        /// From the address of such a publisher and not surely its own: another's, a spoof, or from a port that it left.
        var foreignPorts: UInt64 = 0
    }

    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    /// By the client's address and the server's port.
    private struct Key: Hashable {
        var remote: SocketAddress
        var localPort: UInt16
    }

    /// Whose a tuple is.
    private struct Route {
        var connection: RTSPConnection
        /// As the connection knows the way.
        var tuple: TransportTuple
        /// nil for ways that do not change.
        var latch: RTSPPortLatch?
    }

    private var routes: [Key: Route] = [:]
    private var latches = RTSPPortLatches()
    /// The connections that ``latches`` finds, by their peers.
    private var latched: [PeerID: RTSPConnection] = [:]
    private var receivers: [UDPReceiver] = []
    private var mailboxes: [ObjectIdentifier: DatagramMailbox] = [:]
    private(set) var statistics = Statistics()

    init(on loop: EventLoop) { eventLoop = loop }

    func start(_ sockets: [UDPSocket], mailboxes: [DatagramMailbox]) throws(LoopError) {
        for mailbox in mailboxes { self.mailboxes[ObjectIdentifier(mailbox.loop)] = mailbox }
        for socket in sockets {
            receivers.append(try UDPReceiver(socket, on: eventLoop) { batch in self.receive(&batch) })
        }
    }

    func stop() {
        for receiver in receivers { receiver.close() }
        receivers = []
        routes = [:]
        latches = RTSPPortLatches()
        latched = [:]
    }

    /// Gives what comes along `tuples` to `connection`; `false`, having changed nothing, when one of them is another's
    /// (RTSP-32).
    func register(_ connection: RTSPConnection, _ tuples: [TransportTuple]) -> Bool {
        let keys = tuples.map { Key(remote: $0.remote, localPort: $0.local.port) }
        guard keys.allSatisfy({ routes[$0] == nil || routes[$0]?.connection.peerID == connection.peerID }) else {
            return false
        }
        for (key, tuple) in zip(keys, tuples) { routes[key] = Route(connection: connection, tuple: tuple) }
        return true
    }

    /// Gives the tracks of a publisher to `connection` from whatever ports of its address they come.
    func register(_ connection: RTSPConnection, anyPort tracks: [(tuples: RTSPTuples, payloadType: UInt8)]) {
        latched[connection.peerID] = connection
        latches.remove(connection.peerID)
        for track in tracks {
            latches.add(
                RTSPPortLatch(
                    peer: connection.peerID, payloadType: track.payloadType, announced: track.tuples))
        }
    }

    /// Who has one of `tuples`, of all but `connection`.
    func holder(of tuples: [TransportTuple], besides connection: RTSPConnection) -> RTSPConnection? {
        tuples.lazy.compactMap { self.routes[Key(remote: $0.remote, localPort: $0.local.port)]?.connection }
            .first { $0.peerID != connection.peerID }
    }

    func unregister(_ peer: PeerID, _ tuples: [TransportTuple]) {
        for tuple in tuples {
            let key = Key(remote: tuple.remote, localPort: tuple.local.port)
            if routes[key]?.connection.peerID == peer { routes[key] = nil }
        }
        guard latched.removeValue(forKey: peer) != nil else { return }
        latches.remove(peer)
        routes = routes.filter { $0.value.latch?.peer != peer }
    }

    var registeredCount: Int { routes.count + latches.count }

    private func receive(_ batch: inout DatagramBatch) {
        let now = eventLoop.now
        for index in 0..<batch.count {
            let tuple = batch.tuple(at: index)
            statistics.datagrams &+= 1
            let key = Key(remote: tuple.remote, localPort: tuple.local.port)
            batch.withMutableBytes(at: index) { datagram in
                guard let route = routes[key] ?? latch(datagram.bytes, on: tuple, key, at: now) else { return }
                route.latch?.heard(onPort: tuple.local.port, at: now)
                let connection = route.connection
                // The client's port may not be the one it is known by.
                let known = route.latch == nil ? tuple : route.tuple
                if connection.eventLoop === eventLoop {
                    connection.receive(&datagram, on: known, at: now)
                } else if mailboxes[ObjectIdentifier(connection.eventLoop)]?
                    .append(datagram.bytes, for: connection, on: known, at: now) != true
                {
                    statistics.mailboxOverflow &+= 1
                }
            }
        }
    }

    /// Finds out whose a datagram from an unknown port is; what is nobody's is counted.
    private func latch(_ datagram: RawSpan, on tuple: TransportTuple, _ key: Key, at now: Instant) -> Route? {
        switch latches.find(datagram, on: tuple, at: now) {
        case .unknown: statistics.unknownSource &+= 1
        case .refused: statistics.foreignPorts &+= 1
        case .latched(let latch, let former):
            guard let connection = latched[latch.peer] else { return nil }
            statistics.latchedPorts &+= 1
            let isControl = tuple.local.port == latch.announced.rtcp.local.port
            let announced = isControl ? latch.announced.rtcp : latch.announced.rtp
            if let former {
                let former = Key(remote: former, localPort: tuple.local.port)
                if routes[former]?.latch === latch { routes[former] = nil }
            }
            let route = Route(connection: connection, tuple: announced, latch: latch)
            routes[key] = route
            connection.eventLoop.execute { connection.onLoop { $0.found(announced, at: tuple.remote) } }
            return route
        }
        return nil
    }
}
