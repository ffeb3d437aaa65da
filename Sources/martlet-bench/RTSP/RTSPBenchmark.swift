import Loop
import Wire

/// One publisher and many readers over RTSP on loopback; the server is a process of its own.
struct RTSPBenchmark {
    static let room = "bench"
    private static let windowSeconds = 2
    private static let settlingSeconds = 3
    private static let connectSeconds = 20

    var delivery: BenchmarkRTSPReader.Delivery
    var readerCount: Int
    var seconds: Int
    var hasAudio = true
    var tracesAllocations = false

    struct Result: Sendable {
        var delivery: BenchmarkRTSPReader.Delivery
        var readers: Int
        /// One for each window of two seconds.
        var windows: [ServerReading]
        var seconds: Int
        var packetsExpected: UInt64
        var packetsMissing: UInt64
        var packetsIntact: UInt64
        var packetsDamaged: UInt64
        /// What the server's memory grew by for each reader after the first; nil for a single one.
        var bytesPerReader: Double?

        var total: ServerReading { windows.reduce(ServerReading()) { $0 + $1 } }

        var medianMicroseconds: Double {
            let sorted = windows.map(\.microsecondsPerPacket).sorted()
            return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        }

        /// Whether a reader got what was published.
        var isSound: Bool { packetsDamaged == 0 && packetsIntact > 0 }
        var packetsPerSecond: Double { Double(total.packetsSent) / Double(seconds) }
        var allocationsPerPacket: Double { total.perPacket(total.allocations) }
        var sendCallsPerPacket: Double { total.perPacket(total.sendCalls) }
        var systemCallsPerPacket: Double { total.perPacket(total.sendCalls + total.otherCalls) }
    }

    func run() async throws -> Result {
        let server = try ServerProcess()
        defer { server.stop() }
        let publisherLoop = try EventLoop(name: "publisher")
        let readerLoop = try EventLoop(name: "readers")
        try publisherLoop.start()
        try readerLoop.start()
        defer {
            readerLoop.stop()
            publisherLoop.stop()
        }
        let address = SocketAddress(ipv4: 0x7F00_0001, port: server.rtspPort)
        let publisher = BenchmarkRTSPPublisher(
            on: publisherLoop, server: address, room: Self.room, hasAudio: hasAudio)
        try await publisher.publish()
        var readers: [BenchmarkRTSPReader] = []
        var residentBytes = 0
        for index in 0..<readerCount {
            let reader = BenchmarkRTSPReader(
                on: readerLoop, server: address, room: Self.room, over: delivery, isChecking: index == 0)
            try await reader.play()
            readers.append(reader)
            guard index == 0 else { continue }
            // The first pays for what all share.
            try await waitForMedia(readers)
            try await Task.sleep(for: .seconds(Self.settlingSeconds))
            residentBytes = try server.residentBytes()
        }
        try await waitForMedia(readers)
        var result = try await measure(server, readers)
        if readerCount > 1 {
            let growth = try server.residentBytes() - residentBytes
            result.bytesPerReader = Double(growth) / Double(readerCount - 1)
        }
        for reader in readers { await reader.stop() }
        await publisher.stop()
        return result
    }

    private func waitForMedia(_ readers: [BenchmarkRTSPReader]) async throws {
        for _ in 0..<Self.connectSeconds * 10 {
            var waiting = 0
            for reader in readers where await !reader.hasMedia { waiting += 1 }
            if waiting == 0 { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw BenchmarkFault("not every reader got media within \(Self.connectSeconds) s")
    }

    private func measure(_ server: ServerProcess, _ readers: [BenchmarkRTSPReader]) async throws -> Result {
        try await Task.sleep(for: .seconds(Self.settlingSeconds))
        // The first reading pays for what readings need once.
        _ = try server.reading()
        let before = await sum(readers)
        var windows: [ServerReading] = []
        var latest = try server.reading()
        // A trace shall not see the readings.
        let windowSeconds = tracesAllocations ? seconds : Self.windowSeconds
        if tracesAllocations { server.startTrace() }
        for index in 0..<max(1, seconds / windowSeconds) {
            try await Task.sleep(for: .seconds(windowSeconds))
            if tracesAllocations, index == 0 { server.stopTrace() }
            let reading = try server.reading()
            windows.append(reading - latest)
            latest = reading
        }
        let after = await sum(readers)
        let expected = after.expected - before.expected
        return Result(
            delivery: delivery, readers: readers.count, windows: windows, seconds: windows.count * windowSeconds,
            packetsExpected: expected, packetsMissing: expected - min(expected, after.packets - before.packets),
            packetsIntact: after.intact, packetsDamaged: after.damaged)
    }

    private func sum(_ readers: [BenchmarkRTSPReader]) async -> ReceivedPackets.Statistics {
        var sum = ReceivedPackets.Statistics()
        for reader in readers { sum += await reader.statistics }
        return sum
    }
}
