import CAllocationCounter
import Loop
import Server
import Wire

/// What a datagram that belongs to nobody costs with the kernel's part: from the socket to being dropped, in processor
/// time of the loop that receives (ICE-50: under 2 µs).
enum JunkBenchmark {
    private static let burst = 64
    private static let bursts = 1_000

    /// - Returns: nothing where the kernel does not tell a thread's processor time.
    static func run(only word: String?) async throws -> [Measurement] {
        var measurements: [Measurement] = []
        for (name, first) in [("media", UInt8(0x80)), ("a check", 0), ("a hello", 22)] {
            let name = "junk from the socket: \(name)"
            if let word, !name.contains(word) { continue }
            var junk = [UInt8](repeating: 0x5A, count: 200)
            junk[0] = first
            if let measurement = try await measure(name, junk) { measurements.append(measurement) }
        }
        return measurements
    }

    private static func measure(_ name: String, _ junk: [UInt8]) async throws -> Measurement? {
        let loops = try (0..<2).map { _ in try EventLoop(name: "junk") }
        for loop in loops { try loop.start() }
        defer { for loop in loops { loop.stop() } }
        let receiver = try await JunkReceiver(on: loops[0])
        let sender = try await JunkSender(on: loops[1], to: receiver.address)
        func round(_ count: Int) async {
            for _ in 0..<count {
                await sender.send(junk, count: burst)
                await receiver.wait(for: burst)
            }
        }
        await round(bursts / 10)
        let before = await receiver.reading
        let allocations = allocation_count()
        await round(bursts)
        let made = allocation_count() - allocations
        let after = await receiver.reading
        let count = Double(after.datagrams - before.datagrams)
        guard count > 0, after.processorNanoseconds > before.processorNanoseconds else { return nil }
        return Measurement(
            name: name, nanosecondsPerCall: Double(after.processorNanoseconds - before.processorNanoseconds) / count,
            // The rounds themselves allocate, once per burst.
            allocationsPerCall: Double(made) / count, limit: 0.5)
    }
}

private actor JunkReceiver: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }
    nonisolated let address: SocketAddress

    private let demultiplexer: Demultiplexer
    private let socket: UDPSocket
    private var receiver: UDPReceiver?
    private var datagrams = 0
    private var awaited = 0
    private var waiter: CheckedContinuation<Void, Never>?

    init(on loop: EventLoop) async throws {
        eventLoop = loop
        demultiplexer = Demultiplexer(on: loop, limiterSeed: 1)
        socket = try UDPSocket(binding: SocketAddress(ipv4: 0x7F00_0001, port: 0))
        address = socket.localAddress
        try open()
    }

    private func open() throws {
        receiver = try UDPReceiver(socket, on: eventLoop) { batch in self.received(&batch) }
    }

    private func received(_ batch: inout DatagramBatch) {
        let now = eventLoop.now
        for index in 0..<batch.count {
            let tuple = batch.tuple(at: index)
            let belongs = batch.withBytes(at: index) { datagram in
                demultiplexer.onLoop { $0.belongsToSession(datagram, on: tuple, at: now) }
            }
            consume(belongs ? 1 : 0)
        }
        datagrams += batch.count
        answer()
    }

    /// Returns when so many more have come.
    func wait(for count: Int) async {
        awaited += count
        await withCheckedContinuation {
            waiter = $0
            answer()
        }
    }

    private func answer() {
        guard datagrams >= awaited else { return }
        waiter?.resume()
        waiter = nil
    }

    /// What this thread has done, and used.
    var reading: (datagrams: Int, processorNanoseconds: UInt64) {
        let text = (try? FileReader.readNow("/proc/thread-self/schedstat", maximumSize: 256)) ?? []
        let first = String(decoding: text, as: UTF8.self).split(separator: " ").first
        return (datagrams, first.flatMap { UInt64($0) } ?? 0)
    }
}

private actor JunkSender: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private let target: SocketAddress
    private let socket: UDPSocket
    private var sender: DatagramSender?

    init(on loop: EventLoop, to target: SocketAddress) async throws {
        eventLoop = loop
        self.target = target
        // Junk comes in single datagrams, not in runs that the kernel joins.
        var settings = UDPSocket.Settings()
        settings.usesSegmentation = false
        socket = try UDPSocket(binding: SocketAddress(ipv4: 0x7F00_0001, port: 0), settings: settings)
        try open()
    }

    private func open() throws { sender = try DatagramSender(on: eventLoop, sockets: [socket]) }

    func send(_ junk: [UInt8], count: Int) {
        for _ in 0..<count {
            _ = sender?.append(to: target, from: socket.localAddress, maximumSize: junk.count) { output in
                junk.withBytes { output.append(contentsOf: $0) }
            }
        }
        sender?.flush()
    }
}
