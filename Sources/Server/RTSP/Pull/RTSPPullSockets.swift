import Loop
import RTSP
import Secure
import Wire

/// The UDP ports that a source's tracks come to: a pair for each, or the groups it is sent to. Confined to the source's
/// loop.
///
/// Only the server's address is heard, and of that only the ports it named or, when it named none or others are let
/// pass, the first that it sent from (RTSP-48).
final class RTSPPullSockets {
    private struct Track {
        var sockets: [UDPSocket]
        /// Where RTP and RTCP come from; port 0 is any.
        var sources: [SocketAddress]
        /// Where the way is opened to; nil when the server named no ports.
        var targets: [SocketAddress?]
        /// Of a multicast group, where other streams may be.
        var ssrc: UInt32?
    }

    /// Tries to find a pair of neighbours that are both free.
    private static let maximumTries = 128
    /// Of each socket, unless the settings say otherwise.
    static let receiveBufferBytes = 2 << 20
    /// What one read brings of one sender.
    private static let messagesPerRead = 16
    /// A packet that means nothing to anybody, and a receiver report about nothing: they open the way through firewalls
    /// (RTSP-41).
    private static let openings: [[UInt8]] = [
        [0x80, 127, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0x80, 201, 0, 1, 0, 0, 0, 0],
    ]

    private var tracks: [Track] = []
    private var receivers: [UDPReceiver] = []
    /// Addresses that the source may send from, beside its ports.
    private var hosts: [SocketAddress] = []
    private(set) var foreignDatagrams: UInt64 = 0

    /// Binds a pair of ports for each track.
    ///
    /// - Parameter local: the address that the server is reached from: its family counts.
    init(
        trackCount: Int, local: SocketAddress, in range: PortRange, _ settings: UDPSocket.Settings
    ) throws(LoopError) {
        let sockets = try Self.pairs(trackCount, like: local, in: range, settings)
        for index in stride(from: 0, to: sockets.count, by: 2) {
            tracks.append(Track(sockets: Array(sockets[index...index + 1]), sources: [], targets: [nil, nil]))
        }
    }

    /// Joins the groups of multicast transports.
    ///
    /// - Parameter interface: the address of this machine that the server is reached from.
    init(
        joining transports: [RTSPTransport], on interface: SocketAddress, _ settings: UDPSocket.Settings
    ) throws(LoopError) {
        for transport in transports {
            guard let ports = transport.ports,
                let group = transport.destination.flatMap({ SocketAddress(host: $0, port: 0) }), group.isMulticast
            else {
                throw LoopError(
                    "join the multicast group '\(transport.destination ?? "")'", code: LoopError.invalidArgument)
            }
            var sockets: [UDPSocket] = []
            for port in [ports.rtp, ports.rtcp] {
                sockets.append(try UDPSocket(joining: group.withPort(port), on: interface, settings: settings))
            }
            tracks.append(Track(sockets: sockets, sources: [], targets: [nil, nil], ssrc: transport.ssrc))
        }
    }

    /// Neighbouring ports for RTP and RTCP of each track in turn, of the family of `address`.
    static func pairs(
        _ count: Int, like address: SocketAddress, in range: PortRange, _ settings: UDPSocket.Settings
    ) throws(LoopError) -> [UDPSocket] {
        var sockets: [UDPSocket] = []
        for _ in 0..<count { sockets += try pair(address, range, settings) }
        return sockets
    }

    private static func pair(
        _ local: SocketAddress, _ range: PortRange, _ settings: UDPSocket.Settings
    ) throws(LoopError) -> [UDPSocket] {
        let any = local.isIPv6 ? SocketAddress(ipv6High: 0, low: 0, port: 0) : SocketAddress(ipv4: 0, port: 0)
        let first = UInt32(range.first) + UInt32(range.first & 1)
        let pairs = (UInt32(range.last) - first + 1) / 2
        var latest: LoopError?
        for _ in 0..<maximumTries {
            let port = UInt16(first + 2 * (SecureRandom.uint32() % max(1, pairs)))
            do throws(LoopError) {
                let rtp = try UDPSocket(binding: any.withPort(port), settings: settings)
                return [rtp, try UDPSocket(binding: any.withPort(port + 1), settings: settings)]
            } catch {
                latest = error
            }
        }
        throw latest ?? LoopError("find two free UDP ports (rtspUDPSourcePortRange)", code: LoopError.addressInUse)
    }

    /// This side's ports of each track in turn.
    var ports: [RTSPPortPair] {
        tracks.map { RTSPPortPair(rtp: $0.sockets[0].localAddress.port, rtcp: $0.sockets[1].localAddress.port) }
    }

    /// What was agreed on: hears the server from now on.
    ///
    /// - Parameters:
    ///   - server: its address, as it is reached.
    ///   - anyPort: lets it send from ports other than those it named.
    func expect(_ transports: [RTSPTransport], from server: SocketAddress, anyPort: Bool) {
        hosts = [server.withPort(0)]
        for (index, transport) in transports.enumerated() where tracks.indices.contains(index) {
            // Behind a NAT the server may know itself by another address than it is seen by: both are its own.
            if let source = transport.source.flatMap({ SocketAddress(host: $0, port: 0) }), !hosts.contains(source) {
                hosts.append(source)
            }
            let named = transport.serverPorts
            let isFixed = !anyPort && !transport.isMulticast
            tracks[index].sources = [named?.rtp, named?.rtcp].map { server.withPort(isFixed ? $0 ?? 0 : 0) }
            guard !transport.isMulticast, let named else { continue }
            tracks[index].targets = [server.withPort(named.rtp), server.withPort(named.rtcp)]
        }
    }

    /// Begins to receive.
    func start(
        on loop: EventLoop, _ onPacket: @escaping (_ track: Int, _ isControl: Bool, _ packet: RawSpan) -> Void
    ) throws(LoopError) {
        for (track, entry) in tracks.enumerated() {
            for (side, socket) in entry.sockets.enumerated() {
                receivers.append(
                    try UDPReceiver(socket, on: loop, messages: Self.messagesPerRead) { [self] batch in
                        for index in 0..<batch.count {
                            let remote = batch.tuple(at: index).remote
                            batch.withBytes(at: index) { packet in
                                guard isExpected(packet, from: remote, track, side) else {
                                    foreignDatagrams &+= 1
                                    return
                                }
                                onPacket(track, side == 1, packet)
                            }
                        }
                    })
            }
        }
    }

    private func isExpected(_ packet: RawSpan, from remote: SocketAddress, _ track: Int, _ side: Int) -> Bool {
        guard tracks[track].sources.indices.contains(side), hosts.contains(remote.withPort(0)) else { return false }
        if side == 0, let ssrc = tracks[track].ssrc, packet.integer(at: 8, as: UInt32.self) != ssrc { return false }
        let expected = tracks[track].sources[side].port
        guard expected == 0 else { return expected == remote.port }
        tracks[track].sources[side].port = remote.port
        if tracks[track].targets[side] == nil { tracks[track].targets[side] = remote }
        return true
    }

    /// Opens the way for the server's datagrams, or keeps it open.
    func open() {
        for track in tracks {
            for (side, target) in track.targets.enumerated() {
                guard let target, !track.sockets[side].localAddress.isMulticast else { continue }
                _ = Self.openings[side].withBytes { track.sockets[side].send($0, to: target) }
            }
        }
    }

    /// Sends a report about a track; groups get none.
    func send(_ report: RawSpan, ofTrack track: Int) {
        guard tracks.indices.contains(track), let target = tracks[track].targets[1],
            !tracks[track].sockets[1].localAddress.isMulticast
        else { return }
        _ = tracks[track].sockets[1].send(report, to: target)
    }

    /// Sends a packet of a track that the server hears; `false` when it was dropped.
    func speak(_ packet: RawSpan, ofTrack track: Int) -> Bool {
        guard tracks.indices.contains(track), let target = tracks[track].targets[0] else { return false }
        return tracks[track].sockets[0].send(packet, to: target)
    }

    func close() {
        for receiver in receivers { receiver.close() }
        receivers = []
        tracks = []
    }
}
