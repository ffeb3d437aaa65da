internal import Glibc

/// Reads a UDP socket on one loop. Loop-confined; it reads until ``close()``, and keeps itself alive until then.
public final class UDPReceiver {
    public struct Statistics: Hashable, Sendable {
        public var datagrams: UInt64 = 0
        public var bytes: UInt64 = 0
        /// Reads that brought something.
        public var batches: UInt64 = 0
        /// Reads that failed, as when the network told of an earlier datagram that reached nobody. Never fatal.
        public var errors: UInt64 = 0

        public init() {}

        public static func + (left: Statistics, right: Statistics) -> Statistics {
            var sum = left
            sum.datagrams &+= right.datagrams
            sum.bytes &+= right.bytes
            sum.batches &+= right.batches
            sum.errors &+= right.errors
            return sum
        }
    }

    /// Reads of one turn: the rest waits, so that timers and senders have their turn under a flood.
    private static let batchesPerTurn = 4

    private let socket: UDPSocket
    private var batch: DatagramBatch
    private let onBatch: (inout DatagramBatch) -> Void
    private var watch: DescriptorWatch?
    public private(set) var statistics = Statistics()

    /// Starts reading `socket`. One receiver per socket.
    ///
    /// - Parameters:
    ///   - messages: most that one read brings. A socket of a single sender needs few; each may take 64 KiB.
    ///   - onBatch: runs on the loop for each read that brought datagrams.
    public init(
        _ socket: UDPSocket, on loop: EventLoop, messages: Int = 64, onBatch: @escaping (inout DatagramBatch) -> Void
    ) throws(LoopError) {
        self.socket = socket
        self.onBatch = onBatch
        batch = try DatagramBatch(localAddress: socket.localAddress, messageCapacity: messages)
        watch = try loop.watch(socket.descriptor.number, for: .reading, name: "udp receive") { readiness in
            self.ready(readiness)
        }
    }

    public func close() {
        watch?.cancel()
        watch = nil
    }

    private func ready(_ readiness: DescriptorReadiness) {
        guard !readiness.contains(.loopStopped) else { return close() }
        for _ in 0..<Self.batchesPerTurn where watch != nil {
            let messages = batch.fill(from: socket.descriptor.number)
            guard messages > 0 else {
                if messages != -EAGAIN, messages != -EINTR { statistics.errors &+= 1 }
                return
            }
            statistics.batches &+= 1
            statistics.datagrams &+= UInt64(batch.count)
            for index in 0..<batch.count { statistics.bytes &+= UInt64(batch.byteCount(at: index)) }
            if batch.count > 0 { onBatch(&batch) }
            // A read that did not fill the queue has emptied the socket.
            guard messages == batch.messageCapacity else { return }
        }
    }
}
