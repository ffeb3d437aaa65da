import Loop
import RTSP
import Wire

/// The pair of UDP ports that carries RTSP media beside its connections, for all clients: RTP on one, RTCP on the other.
///
/// The first media loop receives and finds the connection by the sender's address; every loop sends through an arena of
/// its own. What comes from anywhere else is counted and dropped (RTSP-31).
final class RTSPDatagramPlane: Sendable {
    let ports: RTSPPortPair
    let receiver: RTSPDatagramReceiver
    let groups: RTSPMulticastGroups
    let clientPorts = RTSPClientPorts()
    private let arenas: [SendArena]
    private let mailboxes: [DatagramMailbox]

    /// Binds the ports. One socket per address family, all on the same two port numbers.
    init(
        on loops: [EventLoop], rtp: ListenAddress, rtcp: ListenAddress, groups: RTSPMulticastGroups,
        udp: UDPSocket.Settings
    ) async throws(LoopError) {
        self.groups = groups
        let rtpSockets = try Self.bind(rtp, udp)
        let rtcpSockets = try Self.bind(rtcp, udp)
        ports = RTSPPortPair(
            rtp: rtpSockets.first?.localAddress.port ?? 0, rtcp: rtcpSockets.first?.localAddress.port ?? 0)
        arenas = loops.map { SendArena(on: $0) }
        for arena in arenas { try await arena.open(rtpSockets + rtcpSockets) }
        mailboxes = loops.dropFirst().map { DatagramMailbox(to: $0) }
        for mailbox in mailboxes { await mailbox.open() }
        receiver = RTSPDatagramReceiver(on: loops[0])
        try await receiver.start(rtpSockets + rtcpSockets, mailboxes: mailboxes)
    }

    private static func bind(
        _ listen: ListenAddress, _ settings: UDPSocket.Settings
    ) throws(LoopError) -> [UDPSocket] {
        var sockets: [UDPSocket] = []
        for address in listen.socketAddresses {
            let wanted = address.port == 0 ? address.withPort(sockets.first?.localAddress.port ?? 0) : address
            do throws(LoopError) {
                let socket = try UDPSocket(binding: wanted, settings: settings)
                try socket.setMulticastTimeToLive(RTSPMulticastGroups.timeToLive)
                sockets.append(socket)
            } catch {
                // A machine without IPv6 still serves IPv4.
                guard wanted.isIPv6, !sockets.isEmpty else { throw error }
            }
        }
        return sockets
    }

    func arena(of loop: EventLoop) -> SendArena { arenas.first { $0.eventLoop === loop } ?? arenas[0] }

    /// What all loops have sent.
    var sent: DatagramSender.Statistics {
        get async {
            var sum = DatagramSender.Statistics()
            for arena in arenas { sum = sum + (await arena.statistics) }
            return sum
        }
    }

    func stop() async { await receiver.stop() }
}
