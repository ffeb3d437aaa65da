import Loop
import SDP
import Wire

/// Which addresses clients are told to send media to (ICE-33…36).
struct CandidateSource: Sendable {
    /// What clients elsewhere are offered, and what those on this machine get before it.
    private struct Offer: Sendable {
        var addresses: [SocketAddress] = []
        var loopback: [SocketAddress] = []

        func addresses(for client: SocketAddress, isForwarded: Bool) -> [SocketAddress] {
            guard client.isLoopback, !isForwarded else { return addresses }
            let local = loopback.filter { $0.isIPv6 == client.isIPv6 }
            return local + addresses.filter { !local.contains($0) }
        }
    }

    private let datagrams: Offer
    private let streams: Offer

    /// - Parameters:
    ///   - sockets: where media is received.
    ///   - streams: where media is received over TCP.
    ///   - interfaces: the machine's addresses, asked for once.
    ///   - hosts: the addresses of the names among `webrtcAdditionalHosts`.
    init(
        sockets: [SocketAddress], streams: [SocketAddress] = [], interfaces: [NetworkInterface],
        settings: ServerSettings, hosts: HostNames.Addresses = [:]
    ) {
        datagrams = Self.offer(sockets, interfaces, settings, hosts)
        self.streams = Self.offer(streams, interfaces, settings, hosts)
    }

    private static func offer(
        _ sockets: [SocketAddress], _ interfaces: [NetworkInterface], _ settings: ServerSettings,
        _ hosts: HostNames.Addresses
    ) -> Offer {
        var found: [SocketAddress] = []
        var offer = Offer()
        for host in settings.webrtcAdditionalHosts {
            let addresses = SocketAddress(host: host, port: 0).map { [$0] } ?? hosts[host] ?? []
            for address in addresses {
                for socket in sockets where socket.isIPv6 == address.isIPv6 {
                    found.append(address.withPort(socket.port))
                }
            }
        }
        let filter = InterfaceFilter(settings.webrtcIPsFromInterfacesList)
        for socket in sockets {
            if !socket.isUnspecified {
                found.append(socket)
                continue
            }
            offer.loopback.append(
                socket.isIPv6
                    ? SocketAddress(ipv6High: 0, low: 1, port: socket.port)
                    : SocketAddress(ipv4: 0x7F00_0001, port: socket.port))
            guard settings.webrtcIPsFromInterfaces else { continue }
            for interface in interfaces
            where interface.isUp && interface.address.isIPv6 == socket.isIPv6 && filter.wants(interface) {
                found.append(interface.address.withPort(socket.port))
            }
        }
        if found.isEmpty { found = offer.loopback }
        var seen: Set<SocketAddress> = []
        offer.addresses = found.filter { seen.insert($0).inserted }.sorted {
            rank($0, settings.webrtcPreferIPv6) < rank($1, settings.webrtcPreferIPv6)
        }
        return offer
    }

    /// Public before private, and of these IPv4 before IPv6 or the other way about: naive clients take the first
    /// (ICE-35).
    private static func rank(_ address: SocketAddress, _ prefersIPv6: Bool) -> Int {
        (address.isPrivate || address.isLoopback ? 2 : 0) + (address.isIPv6 == prefersIPv6 ? 0 : 1)
    }

    /// The candidates for a client. One that asked from this machine itself is offered loopback first: it always works.
    func candidates(for client: SocketAddress, isForwarded: Bool) -> [ICECandidate] {
        ICECandidate.hostCandidates(
            for: addresses(for: client, isForwarded: isForwarded),
            passiveTCP: streams.addresses(for: client, isForwarded: isForwarded))
    }

    func addresses(for client: SocketAddress, isForwarded: Bool) -> [SocketAddress] {
        datagrams.addresses(for: client, isForwarded: isForwarded)
    }

    /// The addresses for a client in words, with their transports.
    func endpoints(for client: SocketAddress, isForwarded: Bool) -> [String] {
        addresses(for: client, isForwarded: isForwarded).map { "udp \($0)" }
            + streams.addresses(for: client, isForwarded: isForwarded).map { "tcp \($0)" }
    }

    var all: [SocketAddress] { datagrams.addresses }
}

/// Which network interfaces' addresses clients are told (ICE-34): those listed, or all that are of use to somebody
/// elsewhere; never those listed with `!` before their name.
struct InterfaceFilter: Sendable {
    private let included: [Substring]
    private let excluded: [Substring]

    /// - Parameter list: names, with a star at the end for all that begin so.
    init(_ list: [String]) {
        included = list.filter { !$0.hasPrefix("!") }.map { $0[...] }
        excluded = list.filter { $0.hasPrefix("!") }.map { $0.dropFirst() }
    }

    func wants(_ interface: NetworkInterface) -> Bool {
        guard !excluded.contains(where: { Self.matches($0, interface.name) }) else { return false }
        return included.isEmpty
            ? Self.isUsual(interface) : included.contains { Self.matches($0, interface.name) }
    }

    private static func matches(_ pattern: Substring, _ name: String) -> Bool {
        pattern.last == "*" ? name.hasPrefix(pattern.dropLast()) : pattern == name
    }

    /// Loopback, link-local and the bridges of containers are of no use to clients elsewhere.
    private static func isUsual(_ interface: NetworkInterface) -> Bool {
        if interface.isLoopback || interface.address.isLinkLocal || interface.address.isLoopback { return false }
        return !["docker", "veth", "br-", "virbr", "cni", "flannel"].contains { interface.name.hasPrefix($0) }
    }
}
