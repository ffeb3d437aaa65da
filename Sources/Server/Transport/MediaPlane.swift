import Loop
import Secure
import Synchronization
import Wire

/// The threads and sockets that carry media: N media loops over one UDP port per address family.
///
/// The first loop receives and demultiplexes; every loop sends through an arena of its own.
final class MediaPlane: Sendable {
    let loops: [EventLoop]
    let arenas: [SendArena]
    let demultiplexer: Demultiplexer
    let sockets: [UDPSocket]
    let identity: DTLSIdentity
    private let mailboxes: [DatagramMailbox]
    private let nextLoop = Atomic<Int>(0)

    /// Binds the sockets and starts the threads.
    init(loopCount: Int, listen: ListenAddress, logger: Logger) async throws {
        let sockets = try Self.bind(listen, logger)
        var loops: [EventLoop] = []
        for index in 0..<max(1, loopCount) {
            let loop = try EventLoop(name: "media \(index)") { slow in
                logger.debug("a callback held up a media loop", [LogField(.message, "\(slow)")])
            }
            try loop.start()
            loops.append(loop)
        }
        self.loops = loops
        self.sockets = sockets
        identity = try DTLSIdentity.generate()
        arenas = loops.map { SendArena(on: $0) }
        demultiplexer = Demultiplexer(on: loops[0], limiterSeed: SecureRandom.uint64())
        mailboxes = loops.dropFirst().map { DatagramMailbox(to: $0) }
        for arena in arenas { try await arena.open(sockets) }
        for mailbox in mailboxes { await mailbox.open() }
        try await demultiplexer.start(sockets, mailboxes: mailboxes)
    }

    /// One socket per address family, all on one port number.
    private static func bind(_ listen: ListenAddress, _ logger: Logger) throws(LoopError) -> [UDPSocket] {
        var sockets: [UDPSocket] = []
        for address in listen.socketAddresses {
            let wanted = address.port == 0 ? address.withPort(sockets.first?.localAddress.port ?? 0) : address
            do throws(LoopError) {
                let socket = try UDPSocket(binding: wanted)
                if socket.receiveBufferSize < usefulBufferSize {
                    logger.warn(
                        "the kernel gives the media port a small receive buffer; raise net.core.rmem_max",
                        [LogField(.address, wanted), LogField(.count, socket.receiveBufferSize)])
                }
                sockets.append(socket)
            } catch {
                // A machine without IPv6 still serves IPv4.
                guard wanted.isIPv6, !sockets.isEmpty else { throw error }
                logger.warn("no media over IPv6", [LogField(.reason, error.description)])
            }
        }
        return sockets
    }

    /// Below this, bursts of many publishers are lost in the kernel.
    private static let usefulBufferSize = 1 << 20

    /// The loop and arena for a new room; rooms are spread in turn.
    func assignLoop() -> (loop: EventLoop, arena: SendArena) {
        let index = nextLoop.wrappingAdd(1, ordering: .relaxed).oldValue % loops.count
        return (loops[index], arenas[index])
    }

    func arena(of loop: EventLoop) -> SendArena {
        arenas.first { $0.eventLoop === loop } ?? arenas[0]
    }

    var traffic: MediaTraffic {
        get async {
            var traffic = MediaTraffic()
            traffic.received = await demultiplexer.received
            for arena in arenas {
                traffic.sent = traffic.sent + (await arena.statistics)
                traffic.turns &+= await arena.turns
            }
            return traffic
        }
    }

    /// Stops receiving, sends what is queued and joins the threads.
    func stop() async {
        await demultiplexer.stop()
        for loop in loops { loop.stop() }
    }
}
