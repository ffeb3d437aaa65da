internal import Synchronization
public import Wire

/// Collects a loop's outgoing datagrams and sends them at the end of the turn, in as few system calls as can be.
///
/// Loop-confined; every loop has its own over the same sockets. Consecutive datagrams of the same size between the same
/// two addresses (the last may be shorter) leave as one message that the kernel cuts (UDP GSO): so send viewer by viewer.
/// Nothing here allocates once it is made.
public final class DatagramSender {
    public struct Settings: Sendable {
        /// Bytes collected per socket before a flush in mid-turn.
        public var byteCapacity = 256 << 10

        public init() {}
    }

    public struct Statistics: Hashable, Sendable {
        public var datagrams: UInt64 = 0
        public var bytes: UInt64 = 0
        public var systemCalls: UInt64 = 0
        /// Messages cut by the kernel.
        public var segmentedMessages: UInt64 = 0
        /// Messages that the kernel would not cut and that were sent datagram by datagram.
        public var refusedSegmentations: UInt64 = 0
        /// Datagrams dropped because the socket's or the network card's queue was full.
        public var droppedQueueFull: UInt64 = 0
        /// Datagrams dropped for other reasons: unreachable network, vanished local address, a firewall.
        public var droppedUnsendable: UInt64 = 0
        /// The `errno` behind the latest drop.
        public var latestError: CInt = 0

        public init() {}

        public static func + (left: Statistics, right: Statistics) -> Statistics {
            var sum = left
            sum.datagrams &+= right.datagrams
            sum.bytes &+= right.bytes
            sum.systemCalls &+= right.systemCalls
            sum.segmentedMessages &+= right.segmentedMessages
            sum.refusedSegmentations &+= right.refusedSegmentations
            sum.droppedQueueFull &+= right.droppedQueueFull
            sum.droppedUnsendable &+= right.droppedUnsendable
            if right.latestError != 0 { sum.latestError = right.latestError }
            return sum
        }
    }

    private let lanes: [SendLane]
    private let hook: any TurnHook
    private var withoutSocket: UInt64 = 0

    /// - Parameter sockets: a datagram leaves through the first whose family and address suit it.
    public init(on loop: EventLoop, sockets: [UDPSocket], settings: Settings = Settings()) throws(LoopError) {
        var lanes: [SendLane] = []
        for socket in sockets { lanes.append(try SendLane(socket, byteCapacity: settings.byteCapacity)) }
        self.lanes = lanes
        hook = loop.makeTurnHook(name: "udp send") { [lanes] in
            for lane in lanes { lane.flush() }
        }
    }

    /// Collects one datagram of at most `maximumSize` bytes, written by `write`.
    ///
    /// - Parameters:
    ///   - local: the address it is to leave from; an unspecified one leaves the choice to the kernel.
    ///   - write: must not call the sender again.
    /// - Returns: `false` when no socket suits, or nothing was written. What happens to it later is in ``statistics``.
    public func append(
        to remote: SocketAddress, from local: SocketAddress, maximumSize: Int, _ write: (inout OutputRawSpan) -> Void
    ) -> Bool {
        for lane in lanes where lane.socket.carries(from: local, to: remote) {
            hook.request()
            return lane.append(to: remote, from: local, maximumSize: maximumSize, write)
        }
        withoutSocket &+= 1
        return false
    }

    private static let runs = Atomic<UInt64>(0)

    /// A number for a run of packets that goes to several addresses, perhaps through several senders. No other run has it: a
    /// sender that took another run for this one would send one room's media to another's readers.
    public static func nextRunNumber() -> UInt64 { runs.wrappingAdd(1, ordering: .relaxed).newValue }

    /// Collects the packets of a run from `first` on, as they are. For each further address that gets the same of the run
    /// at about the same time nothing is copied.
    ///
    /// - Parameter number: of the run, by ``nextRunNumber()``; the run must not change as long as it is used.
    /// - Returns: `false` when no socket suits.
    @discardableResult
    public func append(
        _ run: borrowing PacketBatch, number: UInt64, from first: Int, to remote: SocketAddress,
        from local: SocketAddress
    ) -> Bool {
        for lane in lanes where lane.socket.carries(from: local, to: remote) {
            hook.request()
            lane.append(run, number: number, from: first, to: remote, from: local)
            return true
        }
        withoutSocket &+= UInt64(max(0, run.count - first))
        return false
    }

    /// Sends what was collected now rather than at the end of the turn.
    public func flush() {
        for lane in lanes { lane.flush() }
    }

    public var statistics: Statistics {
        var sum = lanes.reduce(Statistics()) { $0 + $1.statistics }
        sum.droppedUnsendable &+= withoutSocket
        return sum
    }
}
