import Loop
import Wire

/// One loop's way out to the network: the datagrams of a turn, sent together when the turn ends.
///
/// Every loop sends on the same sockets through an arena of its own, so nothing is shared between threads.
actor SendArena: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    /// The connections of sessions that UDP does not reach.
    let streams: StreamConnections
    private var sender: DatagramSender?

    init(on loop: EventLoop, counters: StreamCounters = StreamCounters()) {
        eventLoop = loop
        streams = StreamConnections(on: loop, counters: counters)
    }

    /// Gives the arena its sockets. Once, before the first packet.
    func open(_ sockets: [UDPSocket]) throws(LoopError) {
        sender = try DatagramSender(on: eventLoop, sockets: sockets)
    }

    /// Appends one datagram along `tuple`, written by `write`; `false` when it was dropped (the sender counts it).
    func append(along tuple: TransportTuple, maximumSize: Int, _ write: (inout OutputRawSpan) -> Void) -> Bool {
        guard tuple.transport == .udp else {
            return streams.append(along: tuple, maximumSize: maximumSize, write)
        }
        guard let sender else { return false }
        return sender.append(to: tuple.remote, from: tuple.local, maximumSize: maximumSize, write)
    }

    /// Appends the packets of a run from `first` on, as they are, as datagrams; what is dropped the sender counts.
    func append(_ run: borrowing PacketBatch, number: UInt64, from first: Int, along tuple: TransportTuple) {
        sender?.append(run, number: number, from: first, to: tuple.remote, from: tuple.local)
    }

    /// Armed timers of the arena's loop.
    var armedTimerCount: Int { eventLoop.armedTimerCount }

    /// Turns of the arena's loop so far.
    var turns: UInt64 { eventLoop.statistics.turns }

    var statistics: DatagramSender.Statistics { sender?.statistics ?? DatagramSender.Statistics() }
}
