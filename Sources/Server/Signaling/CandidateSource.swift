import Loop
import SDP
import Wire

/// Which addresses clients are told to send media to (ICE-33…35).
struct CandidateSource: Sendable {
    private let addresses: [SocketAddress]
    private let loopback: [SocketAddress]

    /// - Parameters:
    ///   - sockets: where media is received.
    ///   - interfaces: the machine's addresses, asked for once.
    ///   - hosts: the addresses of the names among `webrtcAdditionalHosts`.
    init(
        sockets: [SocketAddress], interfaces: [NetworkInterface], settings: ServerSettings,
        hosts: HostNames.Addresses = [:]
    ) {
        var found: [SocketAddress] = []
        var loopback: [SocketAddress] = []
        for host in settings.webrtcAdditionalHosts {
            let addresses = SocketAddress(host: host, port: 0).map { [$0] } ?? hosts[host] ?? []
            for address in addresses {
                for socket in sockets where socket.isIPv6 == address.isIPv6 {
                    found.append(address.withPort(socket.port))
                }
            }
        }
        for socket in sockets {
            if !socket.isUnspecified {
                found.append(socket)
                continue
            }
            loopback.append(
                socket.isIPv6
                    ? SocketAddress(ipv6High: 0, low: 1, port: socket.port)
                    : SocketAddress(ipv4: 0x7F00_0001, port: socket.port))
            guard settings.webrtcIPsFromInterfaces else { continue }
            for interface in interfaces where interface.isUp && interface.address.isIPv6 == socket.isIPv6 {
                let listed = settings.webrtcIPsFromInterfacesList
                let isWanted = listed.isEmpty ? Self.isUsual(interface) : listed.contains(interface.name)
                if isWanted { found.append(interface.address.withPort(socket.port)) }
            }
        }
        if found.isEmpty { found = loopback }
        var seen: Set<SocketAddress> = []
        addresses = found.filter { seen.insert($0).inserted }.sorted { Self.rank($0) < Self.rank($1) }
        self.loopback = loopback
    }

    /// Loopback, link-local and the bridges of containers are of no use to clients elsewhere (ICE-34).
    private static func isUsual(_ interface: NetworkInterface) -> Bool {
        if interface.isLoopback || interface.address.isLinkLocal || interface.address.isLoopback { return false }
        return !["docker", "veth", "br-", "virbr", "cni", "flannel"].contains { interface.name.hasPrefix($0) }
    }

    /// Public before private, IPv4 before IPv6: naive clients take the first.
    private static func rank(_ address: SocketAddress) -> Int {
        (address.isPrivate || address.isLoopback ? 2 : 0) + (address.isIPv6 ? 1 : 0)
    }

    /// The candidates for a client. One that asked from this machine itself is offered loopback first: it always works.
    func candidates(for client: SocketAddress, isForwarded: Bool) -> [ICECandidate] {
        ICECandidate.hostCandidates(for: addresses(for: client, isForwarded: isForwarded))
    }

    func addresses(for client: SocketAddress, isForwarded: Bool) -> [SocketAddress] {
        guard client.isLoopback, !isForwarded else { return addresses }
        let local = loopback.filter { $0.isIPv6 == client.isIPv6 }
        return local + addresses.filter { !local.contains($0) }
    }

    var all: [SocketAddress] { addresses }
}
