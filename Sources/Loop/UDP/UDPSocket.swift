internal import CLinux
internal import Synchronization
public import Wire

/// A bound UDP socket: one loop reads it through a ``UDPReceiver``, every loop may send on it through a
/// ``DatagramSender`` of its own. It closes when the last of them and of its owners is gone.
///
/// IPv6 sockets are V6ONLY: dual stack takes two sockets, and no v4-mapped address ever shows.
public final class UDPSocket: Sendable {
    public struct Settings: Sendable {
        /// Asked of the kernel; see ``UDPSocket/receiveBufferSize`` for what it gave.
        public var receiveBufferSize = 4 << 20
        public var sendBufferSize = 4 << 20
        /// Lets the kernel hand over runs of datagrams at once (UDP GRO), where it can.
        public var usesReceiveOffload = true
        /// Lets the kernel cut runs of datagrams for one destination (UDP GSO), where it can.
        public var usesSegmentation = true

        public init() {}
    }

    let descriptor: Descriptor
    /// For tests that make the kernel refuse.
    package var descriptorNumber: CInt { descriptor.number }
    private let segmentation: Atomic<Bool>

    /// Where the socket is bound; the port is never 0.
    public let localAddress: SocketAddress
    /// What the kernel granted, to be logged when it is less than was asked for (`net.core.rmem_max`).
    public let receiveBufferSize: Int
    /// Whether the kernel hands over runs of datagrams at once.
    public let isCoalescing: Bool
    /// What the kernel granted (`net.core.wmem_max`).
    public let sendBufferSize: Int

    /// - Parameter address: port 0 picks a free one.
    public convenience init(binding address: SocketAddress, settings: Settings = Settings()) throws(LoopError) {
        let action = "listen on udp \(address)"
        let descriptor = try Descriptor.bound(to: address, isStream: false, action)
        try self.init(descriptor, to: address, settings: settings, action)
    }

    /// Hears what is sent to `group`, beside others on this machine that do. It ends with the socket.
    ///
    /// - Parameter interface: the address of the interface that the group is to be joined on; an unspecified one leaves
    ///   the choice to the system.
    public convenience init(
        joining group: SocketAddress, on interface: SocketAddress, settings: Settings = Settings()
    ) throws(LoopError) {
        let action = "join the multicast group \(group)"
        // Bound to the group, so that it hears nothing else of the port.
        let descriptor = try Descriptor.bound(to: group, isStream: false, isShared: true, action)
        var groupAddress = group.system
        var interfaceAddress = interface.system
        try check(unsafe clinux_join_group(descriptor.number, &groupAddress, &interfaceAddress), action)
        try self.init(descriptor, to: group, settings: settings, action)
    }

    private init(
        _ descriptor: consuming Descriptor, to address: SocketAddress, settings: Settings, _ action: String
    ) throws(LoopError) {
        let number = descriptor.number
        try check(clinux_udp_report_local_address(number, address.isIPv6), action)
        receiveBufferSize = Int(
            try check(clinux_set_receive_buffer(number, CInt(clamping: settings.receiveBufferSize)), action))
        sendBufferSize = Int(
            try check(clinux_set_send_buffer(number, CInt(clamping: settings.sendBufferSize)), action))
        isCoalescing = settings.usesReceiveOffload && clinux_udp_enable_gro(number) == 0
        segmentation = Atomic(settings.usesSegmentation && clinux_udp_probe_gso(number) == 0)
        localAddress = try descriptor.localAddress
        self.descriptor = descriptor
    }

    /// Sends one datagram at once, from whatever address the system chooses. For datagrams that are few: media goes
    /// through a ``DatagramSender``.
    ///
    /// - Returns: whether the system took it.
    public func send(_ bytes: RawSpan, to remote: SocketAddress) -> Bool {
        var address = remote.system
        return unsafe bytes.withUnsafeBytes {
            unsafe clinux_send_datagram(descriptor.number, &address, nil, $0.baseAddress, $0.count) == 0
        }
    }

    /// How many routers datagrams to multicast groups may pass; 1 until this is called, so the own network only. They
    /// leave through the interface that has the local address they are sent from.
    public func setMulticastTimeToLive(_ hops: UInt8) throws(LoopError) {
        try check(
            clinux_udp_set_multicast_ttl(descriptor.number, localAddress.isIPv6, CInt(hops)),
            "send to multicast groups from udp \(localAddress)")
    }

    /// Whether runs of datagrams are cut by the kernel. Falls to false for good when the network card refuses. Any thread.
    public var isSegmenting: Bool { segmentation.load(ordering: .relaxed) }

    func stopSegmenting() { segmentation.store(false, ordering: .relaxed) }

    /// Whether a datagram from `local` to `remote` goes out through this socket.
    func carries(from local: SocketAddress, to remote: SocketAddress) -> Bool {
        guard remote.isIPv6 == localAddress.isIPv6, local.port == localAddress.port || local.port == 0 else {
            return false
        }
        return localAddress.isUnspecified || local.isUnspecified
            || (local.low == localAddress.low && local.high == localAddress.high)
    }
}
