/// An IP address and port, IPv4 or IPv6. A v4-mapped IPv6 address is held as IPv4.
@frozen
public struct SocketAddress: Hashable, Sendable {
    /// The address as 16 network-order bytes in two words; an IPv4 address is in the low 32 bits of `low`.
    public var high: UInt64
    public var low: UInt64
    public var port: UInt16
    public var isIPv6: Bool

    @inlinable
    public init(ipv4: UInt32, port: UInt16) {
        high = 0
        low = UInt64(ipv4)
        self.port = port
        isIPv6 = false
    }

    @inlinable
    public init(ipv6High high: UInt64, low: UInt64, port: UInt16) {
        self.port = port
        if high == 0, low >> 32 == 0xFFFF {
            self.high = 0
            self.low = low & 0xFFFF_FFFF
            isIPv6 = false
        } else {
            self.high = high
            self.low = low
            isIPv6 = true
        }
    }

    // Every datagram is looked up by its addresses: an IPv4 one is hashed as one word instead of four.
    @inlinable
    public func hash(into hasher: inout Hasher) {
        if isIPv6 {
            hasher.combine(high)
            hasher.combine(low)
            hasher.combine(UInt64(port))
        } else {
            hasher.combine(low << 16 | UInt64(port))
        }
    }

    @inlinable public var ipv4: UInt32 { UInt32(truncatingIfNeeded: low) }

    public var isLoopback: Bool { isIPv6 ? high == 0 && low == 1 : ipv4 >> 24 == 127 }
    public var isUnspecified: Bool { high == 0 && low == 0 }
    public var isLinkLocal: Bool { isIPv6 ? high >> 54 == 0xFE80 >> 6 : ipv4 >> 16 == 0xA9FE }
    public var isMulticast: Bool { isIPv6 ? high >> 56 == 0xFF : ipv4 >> 28 == 0xE }
    /// RFC 1918, RFC 6598 and RFC 4193 addresses.
    public var isPrivate: Bool {
        if isIPv6 { return high >> 57 == 0xFC >> 1 }
        return ipv4 >> 24 == 10 || ipv4 >> 20 == 0xAC1 || ipv4 >> 16 == 0xC0A8 || ipv4 >> 22 == 0x6440 >> 6
    }

    public func withPort(_ port: UInt16) -> SocketAddress {
        var copy = self
        copy.port = port
        return copy
    }
}

/// Which way bytes reach the server.
@frozen public enum TransportProtocol: UInt8, Hashable, Sendable { case udp, tcp }

/// The two ends a datagram travelled between, and how.
@frozen
public struct TransportTuple: Hashable, Sendable {
    public var local: SocketAddress
    public var remote: SocketAddress
    public var transport: TransportProtocol

    @inlinable
    public init(local: SocketAddress, remote: SocketAddress, transport: TransportProtocol = .udp) {
        self.local = local
        self.remote = remote
        self.transport = transport
    }

    @inlinable
    public func hash(into hasher: inout Hasher) {
        hasher.combine(local)
        hasher.combine(remote)
    }
}
