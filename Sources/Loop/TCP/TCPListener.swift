internal import CLinux
internal import Glibc
public import Wire

/// Accepts TCP connections on one loop. Loop-confined; it listens until ``close()``, and keeps itself alive until then.
///
/// When the process is out of descriptors, waiting clients are accepted with a spare one and closed at once, so that
/// they learn of it and the loop does not spin on them.
public final class TCPListener {
    public struct Statistics: Hashable, Sendable {
        public var accepted: UInt64 = 0
        /// Connections closed at once for want of descriptors.
        public var refusedWithoutDescriptors: UInt64 = 0
        /// Connections that failed before they were accepted.
        public var failed: UInt64 = 0
    }

    /// Connections accepted in one turn.
    private static let acceptsPerTurn = 64
    /// How long to leave the queue alone when even the spare descriptor did not help.
    private static let pauseMilliseconds: UInt64 = 100

    private let loop: EventLoop
    private let number: CInt
    private var descriptor: Descriptor?
    private var spare: Descriptor?
    private let onAccept: (consuming AcceptedSocket) -> Void
    private let injectedError: () -> CInt
    private var watch: DescriptorWatch?
    private var pause: (any LoopTimer)?

    /// Where it listens; the port is never 0.
    public let localAddress: SocketAddress
    public private(set) var statistics = Statistics()

    /// - Parameters:
    ///   - address: port 0 picks a free one. IPv6 listeners take no IPv4 connections.
    ///   - backlog: connections the kernel keeps waiting.
    ///   - onAccept: runs on the loop; the socket is the handler's to keep, hand on or drop.
    public convenience init(
        on loop: EventLoop, address: SocketAddress, backlog: CInt = 1_024,
        onAccept: @escaping (consuming AcceptedSocket) -> Void
    ) throws(LoopError) {
        try self.init(on: loop, address: address, backlog: backlog, injectedError: { 0 }, onAccept: onAccept)
    }

    /// For tests: `injectedError` is asked before each accept and stands for its failure when it is an errno.
    package init(
        on loop: EventLoop, address: SocketAddress, backlog: CInt, injectedError: @escaping () -> CInt,
        onAccept: @escaping (consuming AcceptedSocket) -> Void
    ) throws(LoopError) {
        let action = "listen on tcp \(address)"
        let descriptor = try Descriptor.bound(to: address, isStream: true, action)
        try check(clinux_listen(descriptor.number, backlog), action)
        localAddress = try descriptor.localAddress
        number = descriptor.number
        self.descriptor = consume descriptor
        self.loop = loop
        self.onAccept = onAccept
        self.injectedError = injectedError
        openSpare()
        watch = try loop.watch(number, for: .reading, name: "tcp accept") { readiness in
            self.ready(readiness)
        }
    }

    /// Stops listening; connections waiting in the kernel are reset.
    public func close() {
        pause = nil
        watch?.cancel()
        watch = nil
        descriptor = nil
        spare = nil
    }

    private func ready(_ readiness: DescriptorReadiness) {
        guard !readiness.contains(.loopStopped) else { return close() }
        for _ in 0..<Self.acceptsPerTurn where descriptor != nil {
            guard acceptOne() else { return }
        }
    }

    /// - Returns: whether there may be more.
    private func acceptOne() -> Bool {
        var remote = clinux_address()
        let injected = injectedError()
        let status = injected == 0 ? unsafe clinux_accept(number, &remote) : -injected
        switch -status {
        case EAGAIN:
            return false
        case EMFILE, ENFILE:
            return refuseOne()
        case ENOBUFS, ENOMEM:
            pauseAccepting()
            return false
        default:
            // The rest is the fate of one connection: aborted, or an error of its network.
            guard status >= 0 else {
                statistics.failed &+= 1
                return true
            }
        }
        do {
            let socket = try AcceptedSocket(accepted: Descriptor(status), from: SocketAddress(remote))
            statistics.accepted &+= 1
            onAccept(socket)
        } catch {
            statistics.failed &+= 1
        }
        return true
    }

    /// Spends the spare descriptor on closing one connection.
    private func refuseOne() -> Bool {
        spare = nil
        var remote = clinux_address()
        let status = unsafe clinux_accept(number, &remote)
        if status >= 0 {
            Glibc.close(status)
            statistics.refusedWithoutDescriptors &+= 1
        }
        openSpare()
        guard status >= 0 else {
            // Another thread took the descriptor in between.
            if status != -EAGAIN { pauseAccepting() }
            return false
        }
        return true
    }

    private func openSpare() {
        let number = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        spare = number >= 0 ? Descriptor(number) : nil
    }

    private func pauseAccepting() {
        guard let watch else { return }
        // Nothing to be done when it fails: the next turn tries again.
        try? watch.update([])
        let timer = loop.makeTimer(name: "tcp accept again") { [weak self] in
            guard let self else { return }
            if spare == nil { openSpare() }
            try? self.watch?.update(.reading)
        }
        timer.schedule(at: loop.now.advanced(byMilliseconds: Self.pauseMilliseconds))
        pause = timer
    }
}
