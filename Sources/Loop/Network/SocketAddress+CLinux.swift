internal import CLinux
internal import Wire

extension SocketAddress {
    init(_ address: clinux_address) {
        if address.is_ipv6 {
            self.init(ipv6High: address.high, low: address.low, port: address.port)
        } else {
            self.init(ipv4: UInt32(truncatingIfNeeded: address.low), port: address.port)
        }
    }

    var system: clinux_address { clinux_address(high: high, low: low, port: port, is_ipv6: isIPv6) }
}
