internal import CLinux
internal import Glibc
public import Wire

/// A connected or connecting TCP socket that no loop watches yet, so that it may move to the loop of its room. Dropping
/// it closes it.
public struct AcceptedSocket: ~Copyable, Sendable {
    let descriptor: Descriptor
    public let localAddress: SocketAddress
    public let remoteAddress: SocketAddress
    let isConnecting: Bool

    init(accepted descriptor: consuming Descriptor, from remoteAddress: SocketAddress) throws(LoopError) {
        localAddress = try descriptor.localAddress
        self.descriptor = descriptor
        self.remoteAddress = remoteAddress
        isConnecting = false
    }

    /// One that was watched by a loop until now.
    init(_ descriptor: consuming Descriptor, from localAddress: SocketAddress, to remoteAddress: SocketAddress) {
        self.descriptor = descriptor
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        isConnecting = false
    }

    /// Begins to connect.
    init(connectingTo remoteAddress: SocketAddress) throws(LoopError) {
        let action = "connect to tcp \(remoteAddress)"
        let descriptor = Descriptor(try check(clinux_socket(remoteAddress.isIPv6, true), action))
        var remote = remoteAddress.system
        let status = unsafe clinux_connect(descriptor.number, &remote)
        if status != -EINPROGRESS { try check(status, action) }
        localAddress = try descriptor.localAddress
        self.descriptor = descriptor
        self.remoteAddress = remoteAddress
        isConnecting = true
    }
}
