import Loop
import Wire

/// Gives the datagrams of the RTSP ports to the connections they belong to, by exact tuple.
actor RTSPDatagramReceiver: LoopActor {
    struct Statistics: Sendable, Hashable {
        var datagrams: UInt64 = 0
        /// From addresses that set up nothing: strangers, and clients whose session is over.
        var unknownSource: UInt64 = 0
        var mailboxOverflow: UInt64 = 0
    }

    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    /// By the client's address and the server's port.
    private struct Key: Hashable {
        var remote: SocketAddress
        var localPort: UInt16
    }

    private var connections: [Key: RTSPConnection] = [:]
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
        connections = [:]
    }

    /// Gives what comes along `tuples` to `connection`; `false`, having changed nothing, when one of them is another's
    /// (RTSP-32).
    func register(_ connection: RTSPConnection, _ tuples: [TransportTuple]) -> Bool {
        let keys = tuples.map { Key(remote: $0.remote, localPort: $0.local.port) }
        guard keys.allSatisfy({ connections[$0] == nil || connections[$0]?.peerID == connection.peerID }) else {
            return false
        }
        for key in keys { connections[key] = connection }
        return true
    }

    /// Who has one of `tuples`, of all but `connection`.
    func holder(of tuples: [TransportTuple], besides connection: RTSPConnection) -> RTSPConnection? {
        tuples.lazy.compactMap { self.connections[Key(remote: $0.remote, localPort: $0.local.port)] }
            .first { $0.peerID != connection.peerID }
    }

    func unregister(_ peer: PeerID, _ tuples: [TransportTuple]) {
        for tuple in tuples {
            let key = Key(remote: tuple.remote, localPort: tuple.local.port)
            if connections[key]?.peerID == peer { connections[key] = nil }
        }
    }

    var registeredCount: Int { connections.count }

    private func receive(_ batch: inout DatagramBatch) {
        let now = eventLoop.now
        for index in 0..<batch.count {
            let tuple = batch.tuple(at: index)
            statistics.datagrams &+= 1
            guard let connection = connections[Key(remote: tuple.remote, localPort: tuple.local.port)] else {
                statistics.unknownSource &+= 1
                continue
            }
            batch.withMutableBytes(at: index) { datagram in
                if connection.eventLoop === eventLoop {
                    connection.receive(&datagram, on: tuple, at: now)
                } else if mailboxes[ObjectIdentifier(connection.eventLoop)]?
                    .append(datagram.bytes, for: connection, on: tuple, at: now) != true
                {
                    statistics.mailboxOverflow &+= 1
                }
            }
        }
    }
}
