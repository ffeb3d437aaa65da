import Wire

/// From which addresses checks came lately, and how, in a table that cannot grow beyond its bound.
struct RecentSources {
    static let maximumCount = 1_024
    static let memorySeconds: Int64 = 600

    private struct Source: Hashable {
        var host: SocketAddress
        var transport: TransportProtocol
    }

    private var latest: [Source: Instant] = [:]

    var count: Int { latest.count }

    /// A check came along `tuple`. One from this machine counts for all its loopback addresses, whichever it was sent
    /// from: browsers hide theirs.
    mutating func note(_ tuple: TransportTuple, at now: Instant) {
        let isLocal = tuple.local.isLoopback || tuple.local.withPort(0) == tuple.remote.withPort(0)
        note(isLocal ? Self.loopback : tuple.remote, over: tuple.transport, at: now)
    }

    private static let loopback = SocketAddress(ipv4: 0x7F00_0001, port: 0)

    mutating func note(_ address: SocketAddress, over transport: TransportProtocol = .udp, at now: Instant) {
        let source = Source(host: address.withPort(0), transport: transport)
        if latest[source] == nil, latest.count >= Self.maximumCount {
            latest = latest.filter { now.nanoseconds(since: $0.value) < 60_000_000_000 }
            // A flood of made-up addresses: what is true comes again in seconds.
            if latest.count >= Self.maximumCount / 2 { latest.removeAll(keepingCapacity: true) }
        }
        latest[source] = now
    }

    /// When a check came from this host last; nil when that is longer ago than ``memorySeconds``, or never was.
    func latest(
        from address: SocketAddress, over transport: TransportProtocol = .udp, at now: Instant
    ) -> Instant? {
        latest[Source(host: address.isLoopback ? Self.loopback : address.withPort(0), transport: transport)].flatMap {
            now.nanoseconds(since: $0) <= Self.memorySeconds * 1_000_000_000 ? $0 : nil
        }
    }
}
