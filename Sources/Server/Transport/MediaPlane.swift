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
    ///
    /// - Parameter addresses: where to listen; all on the same port number, at most one IPv4 and one IPv6 address.
    init(loopCount: Int, addresses: [SocketAddress]) async throws {
        var loops: [EventLoop] = []
        for index in 0..<max(1, loopCount) {
            let loop = try EventLoop(name: "media \(index)")
            try loop.start()
            loops.append(loop)
        }
        self.loops = loops
        var sockets: [UDPSocket] = []
        for address in addresses { sockets.append(try UDPSocket(binding: address)) }
        self.sockets = sockets
        identity = try DTLSIdentity.generate()
        arenas = loops.map { SendArena(on: $0) }
        demultiplexer = Demultiplexer(on: loops[0], limiterSeed: SecureRandom.uint64())
        mailboxes = loops.dropFirst().map { DatagramMailbox(to: $0) }
        for arena in arenas { try await arena.open(sockets) }
        for mailbox in mailboxes { await mailbox.open() }
        try await demultiplexer.start(sockets, mailboxes: mailboxes)
    }

    /// The loop and arena for a new room; rooms are spread in turn.
    func assignLoop() -> (loop: EventLoop, arena: SendArena) {
        let index = nextLoop.wrappingAdd(1, ordering: .relaxed).oldValue % loops.count
        return (loops[index], arenas[index])
    }

    func arena(of loop: EventLoop) -> SendArena {
        arenas.first { $0.eventLoop === loop } ?? arenas[0]
    }

    /// Stops receiving, sends what is queued and joins the threads.
    func stop() async {
        await demultiplexer.stop()
        for loop in loops { loop.stop() }
    }
}
