internal import CLinux
internal import Glibc
internal import Wire

/// Owns an open socket; closes it when dropped.
struct Descriptor: ~Copyable, Sendable {
    let number: CInt

    init(_ number: CInt) { self.number = number }

    deinit { close(number) }

    /// A non-blocking socket bound to `address`; `action` says what for, for the error.
    ///
    /// - Parameter isShared: whether others may bind to it too, as the members of a multicast group do.
    static func bound(
        to address: SocketAddress, isStream: Bool, isShared: Bool = false, _ action: @autoclosure () -> String
    ) throws(LoopError) -> Descriptor {
        let descriptor = Descriptor(try check(clinux_socket(address.isIPv6, isStream), action()))
        if isStream || isShared { try check(clinux_set_reuse_address(descriptor.number), action()) }
        var system = address.system
        try check(unsafe clinux_bind(descriptor.number, &system), action())
        return descriptor
    }

    var localAddress: SocketAddress {
        get throws(LoopError) {
            var address = clinux_address()
            try check(unsafe clinux_local_address(number, &address), "read the address of a socket")
            return SocketAddress(address)
        }
    }
}
