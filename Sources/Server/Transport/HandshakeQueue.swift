import Loop
import Wire

/// Spreads the handshakes of one loop over its turns, so that a crowd that joins at once delays no media (DTLS-25).
///
/// A step of a handshake costs up to a millisecond of signatures. A few are taken in each turn; the datagrams of the
/// others wait here, in order, and media passes between the turns. What does not fit is dropped, and its sender
/// repeats it.
actor HandshakeQueue: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    /// Handshake datagrams taken in one turn.
    static let stepsPerTurn = 2
    /// What may wait, over all sessions of the loop: some seconds of work.
    static let datagramCapacity = 2048
    static let byteCapacity = 4 * 1024 * 1024
    /// What one session may have waiting: two flights in small fragments.
    static let datagramsPerSession = 16

    struct Statistics: Sendable {
        /// Handshake datagrams that had to wait.
        var queued: UInt64 = 0
        /// Handshake datagrams dropped because too much was waiting.
        var dropped: UInt64 = 0
    }

    private struct Entry {
        var transport: PeerTransport
        var datagram: [UInt8]
        var tuple: TransportTuple
    }

    private var waiting: [Entry] = []
    /// The first entry that still waits.
    private var first = 0
    private var waitingBytes = 0
    private var waitingPerSession: [PeerID: Int] = [:]
    private var turn: Instant?
    private var stepsTaken = 0
    private var timer: (any LoopTimer)?
    private(set) var statistics = Statistics()

    init(on loop: EventLoop) { eventLoop = loop }

    /// Whether a handshake datagram may be processed now; otherwise it was put aside, and comes back through
    /// ``PeerTransport/receiveQueued(_:on:)``, or was dropped.
    func admits(_ datagram: RawSpan, for transport: PeerTransport, on tuple: TransportTuple) -> Bool {
        if waitingCount == 0, takeStep() { return true }
        let ofSession = waitingPerSession[transport.peerID] ?? 0
        guard waitingCount < Self.datagramCapacity, ofSession < Self.datagramsPerSession,
            waitingBytes + datagram.byteCount <= Self.byteCapacity
        else {
            statistics.dropped &+= 1
            return false
        }
        statistics.queued &+= 1
        waitingPerSession[transport.peerID] = ofSession + 1
        waitingBytes += datagram.byteCount
        waiting.append(Entry(transport: transport, datagram: datagram.array, tuple: tuple))
        wake()
        return false
    }

    /// Datagrams that wait now.
    var waitingCount: Int { waiting.count - first }

    private func takeStep() -> Bool {
        if turn != eventLoop.now {
            turn = eventLoop.now
            stepsTaken = 0
        }
        guard stepsTaken < Self.stepsPerTurn else { return false }
        stepsTaken += 1
        return true
    }

    /// The timer is due at once, which is the next turn, after the sockets have been read.
    private func wake() {
        if timer == nil {
            timer = eventLoop.makeTimer(name: "waiting handshakes") { [weak self] in self?.onLoop { $0.goOn() } }
        }
        if timer?.deadline == nil { timer?.schedule(at: eventLoop.now) }
    }

    private func goOn() {
        while first < waiting.count, takeStep() {
            let entry = waiting[first]
            first += 1
            waitingBytes -= entry.datagram.count
            let left = (waitingPerSession[entry.transport.peerID] ?? 1) - 1
            waitingPerSession[entry.transport.peerID] = left > 0 ? left : nil
            entry.datagram.withBytes { entry.transport.receiveQueued($0, on: entry.tuple) }
        }
        if waitingCount == 0 {
            waiting.removeAll(keepingCapacity: true)
            first = 0
        } else {
            if first >= Self.datagramCapacity {
                waiting.removeFirst(first)
                first = 0
            }
            wake()
        }
    }
}
