import RTSP
import Wire

/// Where a track's RTP and RTCP go and come from beside the connection.
struct RTSPTuples: Sendable, Hashable {
    var rtp: TransportTuple
    var rtcp: TransportTuple
}

extension RTSPTuples {
    /// nil for tracks that travel inside the connection.
    init?(_ transport: RTSPTransport, local: SocketAddress, remote: SocketAddress) {
        guard let server = transport.serverPorts, let client = transport.clientPorts else { return nil }
        rtp = TransportTuple(local: local.withPort(server.rtp), remote: remote.withPort(client.rtp))
        rtcp = TransportTuple(local: local.withPort(server.rtcp), remote: remote.withPort(client.rtcp))
    }

    /// The way to a multicast group, out of the network that its readers are in.
    init(to lease: RTSPMulticastLease, from server: RTSPPortPair) {
        rtp = TransportTuple(local: lease.key.interface.withPort(server.rtp), remote: lease.rtp)
        rtcp = TransportTuple(local: lease.key.interface.withPort(server.rtcp), remote: lease.rtcp)
    }
}

extension SendArena {
    /// Sends one datagram that is complete.
    func send(_ bytes: [UInt8], along tuple: TransportTuple) {
        bytes.withBytes { span in
            _ = append(along: tuple, maximumSize: span.byteCount) { $0.append(contentsOf: span) }
        }
    }
}

/// How one reader gets one track.
struct RTSPReaderOutput {
    enum Way {
        case connection(RTSPConnection, RTSPTransport.Channels)
        case pusher(RTSPPusher, RTSPTransport.Channels)
        case datagrams(SendArena, RTSPTuples)
        /// Encrypted for this reader, inside its connection or beside it.
        case protected(RTSPConnection, track: Int)
    }

    let peerID: PeerID
    let way: Way

    /// A run of packets does not go to this reader.
    func fellBehind() {
        switch way {
        case .connection(let connection, _), .protected(let connection, _): connection.onLoop { $0.fellBehind() }
        case .pusher, .datagrams: break
        }
    }

    /// Whether a reader that fell behind has caught up; one that stands still is ended.
    func catchesUp() -> Bool {
        switch way {
        case .connection(let connection, _), .protected(let connection, _): connection.onLoop { $0.catchesUp() }
        case .pusher(let pusher, _): pusher.onLoop { $0.hasRoom }
        case .datagrams: true
        }
    }

    /// Sends RTCP; what does not fit is lost, the next report makes it good.
    func sendControl(_ compound: [UInt8]) {
        switch way {
        case .connection(let connection, let channels):
            guard let channel = channels.rtcp else { return }
            connection.onLoop { connection in
                compound.withBytes { _ = connection.send($0, channel: channel) }
            }
        case .pusher(let pusher, let channels):
            guard let channel = channels.rtcp else { return }
            pusher.onLoop { pusher in
                compound.withBytes { _ = pusher.send($0, channel: channel) }
            }
        case .datagrams(let arena, let tuples):
            arena.onLoop { $0.send(compound, along: tuples.rtcp) }
        case .protected(let connection, let track):
            connection.onLoop { $0.sendProtectedControl(compound, track: track) }
        }
    }
}
