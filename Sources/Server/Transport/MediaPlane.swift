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
    let handshakes: [HandshakeQueue]
    let demultiplexer: Demultiplexer
    let sockets: [UDPSocket]
    let streamListener: StreamListener
    let streamCounters: StreamCounters
    /// Where ICE-TCP is accepted; empty without it.
    let streamAddresses: [SocketAddress]
    let identity: DTLSIdentity
    private let mailboxes: [DatagramMailbox]
    private let nextLoop = Atomic<Int>(0)

    /// Binds the sockets and starts the threads.
    init(
        loopCount: Int, listen: ListenAddress, listenTCP: LocalTCPAddress = .none,
        streamLimits: StreamLimits = StreamLimits(), udp: UDPSocket.Settings = UDPSocket.Settings(), logger: Logger
    ) async throws {
        let sockets = try Self.bind(listen, udp, logger)
        identity = try DTLSIdentity.generate()
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
        let streamCounters = StreamCounters()
        self.streamCounters = streamCounters
        arenas = loops.map { SendArena(on: $0, counters: streamCounters) }
        handshakes = loops.map { HandshakeQueue(on: $0) }
        demultiplexer = Demultiplexer(on: loops[0], limiterSeed: SecureRandom.uint64())
        mailboxes = loops.dropFirst().map { DatagramMailbox(to: $0) }
        for arena in arenas { try await arena.open(sockets) }
        for mailbox in mailboxes { await mailbox.open() }
        streamListener = StreamListener(
            on: loops[0], demultiplexer: demultiplexer, counters: streamCounters, limits: streamLimits)
        do {
            streamAddresses = try await Self.listen(listenTCP, beside: sockets, streamListener, logger)
            try await demultiplexer.start(sockets, mailboxes: mailboxes)
        } catch {
            await streamListener.stop()
            for loop in loops { loop.stop() }
            throw error
        }
    }

    /// ICE-TCP is accepted on the port of UDP or on one of its own. The shared port may be somebody else's for TCP: then
    /// the server goes without, because nobody asked for it by name.
    private static func listen(
        _ wanted: LocalTCPAddress, beside sockets: [UDPSocket], _ listener: StreamListener, _ logger: Logger
    ) async throws(LoopError) -> [SocketAddress] {
        let addresses =
            switch wanted {
            case .none: [SocketAddress]()
            case .sameAsUDP: sockets.map(\.localAddress)
            case .address(let address): address.socketAddresses
            }
        var bound: [SocketAddress] = []
        for address in addresses {
            do throws(LoopError) {
                bound.append(
                    try await listener.listen(
                        on: address.port == 0 ? address.withPort(bound.first?.port ?? 0) : address))
            } catch {
                guard wanted == .sameAsUDP || (address.isIPv6 && !bound.isEmpty) else { throw error }
                logger.warn(
                    "no media over TCP on this address; clients that UDP does not reach stay away",
                    [LogField(.address, address), LogField(.reason, error.description)])
            }
        }
        return bound
    }

    /// One socket per address family, all on one port number.
    private static func bind(
        _ listen: ListenAddress, _ settings: UDPSocket.Settings, _ logger: Logger
    ) throws(LoopError) -> [UDPSocket] {
        var sockets: [UDPSocket] = []
        for address in listen.socketAddresses {
            let wanted = address.port == 0 ? address.withPort(sockets.first?.localAddress.port ?? 0) : address
            do throws(LoopError) {
                let socket = try UDPSocket(binding: wanted, settings: settings)
                if socket.receiveBufferSize < min(usefulBufferSize, settings.receiveBufferSize) {
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

    func handshakes(of loop: EventLoop) -> HandshakeQueue {
        handshakes.first { $0.eventLoop === loop } ?? handshakes[0]
    }

    /// Stops receiving, sends what is queued and joins the threads.
    func stop() async {
        await streamListener.stop()
        await demultiplexer.stop()
        for loop in loops { loop.stop() }
    }
}
