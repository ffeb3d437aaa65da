import Wire

extension ListenAddress {
    /// The addresses to bind: the one named, or all of IPv4 and all of IPv6.
    var socketAddresses: [SocketAddress] {
        if let host { return [host.withPort(port)] }
        return [SocketAddress(ipv4: 0, port: port), SocketAddress(ipv6High: 0, low: 0, port: port)]
    }
}

extension Duration {
    /// Rounded down, and 0 for negative durations.
    var wholeSeconds: UInt64 { UInt64(max(0, components.seconds)) }

    /// Rounded down, and 0 for negative durations.
    var wholeMilliseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0 else { return 0 }
        return UInt64(seconds) &* 1_000 &+ UInt64(max(0, attoseconds) / 1_000_000_000_000_000)
    }
}
