import ICE
import Loop
import Synchronization
import Wire

/// Accepts the TCP connections of clients that UDP does not reach (RFC 6544, passive) and finds their session.
///
/// Lives on the loop that receives. A connection has to begin with a check that names a session; then it moves to the
/// session's loop, where ``StreamConnections`` has it. Until then it costs a descriptor and at most one frame, and is one
/// of few.
actor StreamListener: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private final class Unproven {
        let connection: TCPConnection
        let host: SocketAddress
        let deadline: Instant
        /// What was read; the session reads it again.
        var bytes: [UInt8] = []
        var reader = StreamFrameReader()

        init(_ connection: TCPConnection, host: SocketAddress, deadline: Instant) {
            self.connection = connection
            self.host = host
            self.deadline = deadline
        }
    }

    private let demultiplexer: Demultiplexer
    private let counters: StreamCounters
    private let limits: StreamLimits
    private var listeners: [TCPListener] = []
    private var unproven: [UInt64: Unproven] = [:]
    private var unprovenByHost: [SocketAddress: Int] = [:]
    private var nextNumber: UInt64 = 0
    private var timer: (any LoopTimer)?

    init(on loop: EventLoop, demultiplexer: Demultiplexer, counters: StreamCounters, limits: StreamLimits) {
        eventLoop = loop
        self.demultiplexer = demultiplexer
        self.counters = counters
        self.limits = limits
    }

    /// Listens on one more address.
    ///
    /// - Returns: the address with the port in use.
    func listen(on address: SocketAddress) throws(LoopError) -> SocketAddress {
        let listener = try TCPListener(on: eventLoop, address: address) { socket in self.accept(socket) }
        listeners.append(listener)
        return listener.localAddress
    }

    func stop() {
        for listener in listeners { listener.close() }
        listeners = []
        for number in Array(unproven.keys) { drop(number) }
        timer?.cancel()
        timer = nil
    }

    /// Connections that have not shown a check yet.
    var unprovenCount: Int { unproven.count }

    // MARK: the first frame

    private func accept(_ socket: consuming AcceptedSocket) {
        let host = Self.counted(socket.remoteAddress)
        guard unproven.count < StreamLimits.maximumUnproven,
            unprovenByHost[host, default: 0] < StreamLimits.maximumUnprovenPerAddress
        else {
            counters.refused.wrappingAdd(1, ordering: .relaxed)
            return
        }
        guard counters.take() else { return }
        let number = nextNumber
        nextNumber &+= 1
        let connection = TCPConnection(socket, on: eventLoop)
        unproven[number] = Unproven(
            connection, host: host,
            deadline: eventLoop.now.advanced(byMilliseconds: limits.firstFrameMilliseconds))
        unprovenByHost[host, default: 0] += 1
        connection.start(
            onData: { self.received($0, number) }, onEndOfInput: { self.drop(number) },
            onClosed: { _ in self.drop(number) })
        armTimer()
    }

    /// An IPv6 client commonly holds a /64.
    private static func counted(_ address: SocketAddress) -> SocketAddress {
        address.isIPv6 ? SocketAddress(ipv6High: address.high, low: 1, port: 0) : address.withPort(0)
    }

    private func received(_ bytes: RawSpan, _ number: UInt64) {
        guard let entry = unproven[number] else { return }
        entry.bytes.append(contentsOf: bytes)
        var transport: PeerTransport?
        let tuple = TransportTuple(
            local: entry.connection.localAddress, remote: entry.connection.remoteAddress, transport: .tcp)
        let outcome = entry.reader.read(bytes) { frame in
            transport = demultiplexer.onLoop { $0.session(ofStreamBeginningWith: frame, on: tuple) }
            return false
        }
        if case .more = outcome { return }
        guard let transport else {
            counters.invalid.wrappingAdd(1, ordering: .relaxed)
            return drop(number)
        }
        hand(number, to: transport)
    }

    private func hand(_ number: UInt64, to transport: PeerTransport) {
        guard let entry = forget(number) else { return }
        guard let socket = entry.connection.detach() else { return counters.giveBack() }
        transport.arena.take(socket, entry.bytes, for: transport)
    }

    private func drop(_ number: UInt64) {
        guard let entry = forget(number) else { return }
        entry.connection.close()
        counters.giveBack()
    }

    private func forget(_ number: UInt64) -> Unproven? {
        guard let entry = unproven.removeValue(forKey: number) else { return nil }
        let left = (unprovenByHost[entry.host] ?? 1) - 1
        unprovenByHost[entry.host] = left > 0 ? left : nil
        return entry
    }

    // MARK: time

    private func armTimer() {
        if timer == nil {
            timer = eventLoop.makeTimer(name: "ICE-TCP first frames") { [weak self] in self?.onLoop { $0.sweep() } }
        }
        guard timer?.deadline == nil, !unproven.isEmpty else { return }
        timer?.schedule(at: eventLoop.now.advanced(byMilliseconds: StreamLimits.sweepMilliseconds))
    }

    private func sweep() {
        let now = eventLoop.now
        for (number, entry) in unproven where entry.deadline <= now {
            counters.timedOut.wrappingAdd(1, ordering: .relaxed)
            drop(number)
        }
        armTimer()
    }
}
