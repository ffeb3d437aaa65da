internal import CLinux
internal import Glibc
public import Wire

/// An address of one of the machine's network interfaces.
public struct NetworkInterface: Hashable, Sendable {
    public let name: String
    /// Its port is 0.
    public let address: SocketAddress
    public let isUp: Bool
    public let isLoopback: Bool

    /// More addresses than a machine of ours has; what goes beyond is left out.
    private static let capacity = 1_024

    /// The addresses of all interfaces at this moment: an interface with two addresses appears twice.
    public static func all() throws(LoopError) -> [NetworkInterface] {
        var found = [clinux_interface](repeating: clinux_interface(), count: capacity)
        let count = try check(unsafe clinux_interfaces(&found, CInt(capacity)), "list the network interfaces")
        return found.prefix(Int(count)).map { interface in
            var name = interface.name
            let text = unsafe withUnsafeBytes(of: &name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            return NetworkInterface(
                name: text, address: SocketAddress(interface.address), isUp: interface.is_up,
                isLoopback: interface.is_loopback)
        }
    }
}
