import Loop
import Wire

/// One publisher, one room, some viewers, all on loopback; the server is a process of its own.
struct FanoutBenchmark {
    static let room = "bench"
    private static let windowSeconds = 2
    private static let settlingSeconds = 3
    private static let connectSeconds = 20

    var viewerCount: Int
    var seconds: Int
    /// How many video packets the publisher sends at once.
    var packetsPerBurst = 1_000
    /// Whether the viewers tell the server when packets arrived, so that it looks after their links.
    var givesFeedback = true
    var tracesAllocations = false

    struct Result: Sendable {
        var viewers: Int
        /// One for each window of two seconds.
        var windows: [ServerReading]
        var seconds: Int
        var packetsExpected: UInt64
        var packetsMissing: UInt64
        var packetsIntact: UInt64
        var packetsDamaged: UInt64

        var total: ServerReading { windows.reduce(ServerReading()) { $0 + $1 } }

        var medianMicroseconds: Double {
            let sorted = windows.map(\.microsecondsPerPacket).sorted()
            return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        }

        /// Whether a viewer got what was published.
        var isSound: Bool { packetsDamaged == 0 && packetsIntact > 0 }
        var packetsPerSecond: Double { Double(total.packetsSent) / Double(seconds) }
        var allocationsPerPacket: Double { total.perPacket(total.allocations) }
        var sendCallsPerPacket: Double { total.perPacket(total.sendCalls) }
        var systemCallsPerPacket: Double { total.perPacket(total.sendCalls + total.otherCalls) }
        var messagesPerPacket: Double { total.perPacket(total.segmentedMessages) }
    }

    func run() async throws -> Result {
        let server = try ServerProcess()
        defer { server.stop() }
        let publisherLoop = try EventLoop(name: "publisher")
        let viewerLoop = try EventLoop(name: "viewers")
        try publisherLoop.start()
        try viewerLoop.start()
        defer {
            viewerLoop.stop()
            publisherLoop.stop()
        }
        let signaling = SignalingClient(on: viewerLoop, server: SocketAddress(ipv4: 0x7F00_0001, port: server.port))
        let publisher = BenchmarkPublisher(on: publisherLoop, packetsPerBurst: packetsPerBurst)
        try await publisher.publish(Self.room, through: signaling)
        let identity = try ClientTransport.Identity()
        var viewers: [BenchmarkViewer] = []
        for index in 0..<viewerCount {
            let viewer = BenchmarkViewer(on: viewerLoop, isChecking: index == 0, givesFeedback: givesFeedback)
            try await viewer.watch(Self.room, as: identity, through: signaling)
            viewers.append(viewer)
        }
        try await waitForMedia(viewers)
        let result = try await measure(server, viewers)
        for viewer in viewers { await viewer.stop() }
        await publisher.stop()
        return result
    }

    private func waitForMedia(_ viewers: [BenchmarkViewer]) async throws {
        for _ in 0..<Self.connectSeconds * 10 {
            var waiting = 0
            for viewer in viewers where await !viewer.hasVideo { waiting += 1 }
            if waiting == 0 { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw BenchmarkFault("not every viewer got media within \(Self.connectSeconds) s")
    }

    private func measure(_ server: ServerProcess, _ viewers: [BenchmarkViewer]) async throws -> Result {
        try await Task.sleep(for: .seconds(Self.settlingSeconds))
        // The first reading pays for what readings need once.
        _ = try server.reading()
        let before = await sum(viewers)
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
        let after = await sum(viewers)
        let expected = after.expected - before.expected
        return Result(
            viewers: viewers.count, windows: windows, seconds: windows.count * windowSeconds, packetsExpected: expected,
            packetsMissing: expected - min(expected, after.packets - before.packets),
            packetsIntact: after.intact, packetsDamaged: after.damaged)
    }

    private func sum(_ viewers: [BenchmarkViewer]) async -> BenchmarkViewer.Statistics {
        var sum = BenchmarkViewer.Statistics()
        for viewer in viewers {
            let statistics = await viewer.statistics
            sum.packets += statistics.packets
            sum.expected += statistics.expected
            sum.intact += statistics.intact
            sum.damaged += statistics.damaged
        }
        return sum
    }
}
