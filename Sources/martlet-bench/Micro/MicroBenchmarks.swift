import Loop

/// The parts of the packet path, each measured by itself on one thread.
enum MicroBenchmarks {
    static func run(only word: String? = nil) async throws -> [Measurement] {
        var bench = Bench(only: word)
        PacketBenchmarks.run(&bench)
        ControlBenchmarks.run(&bench)
        try ProtectionBenchmarks.run(&bench)
        try ForwardingBenchmarks.run(&bench)
        QuietSessionsBenchmarks.run(&bench)
        let loop = try EventLoop(name: "bench")
        try loop.start()
        defer { loop.stop() }
        return bench.measurements + (await LoopBenchmarks(on: loop).run(only: word))
            + (try await JunkBenchmark.run(only: word))
    }

    static let head = line("", "ns/call", "allocs/call", "limit")

    static func line(_ measurement: Measurement) -> String {
        line(
            measurement.name, Console.format(measurement.nanosecondsPerCall, 1),
            Console.format(measurement.allocationsPerCall, 4),
            Console.format(measurement.limit, 2) + (measurement.isWithinLimit ? "" : "  over the limit"))
    }

    static func json(_ measurement: Measurement) -> String {
        "{\"name\":\"\(measurement.name)\",\"nanoseconds\":\(Console.format(measurement.nanosecondsPerCall, 2)),"
            + "\"allocations\":\(Console.format(measurement.allocationsPerCall, 5)),"
            + "\"limit\":\(Console.format(measurement.limit, 5))}"
    }

    private static func line(_ name: String, _ time: String, _ allocations: String, _ limit: String) -> String {
        name + String(repeating: " ", count: max(1, 52 - name.count)) + Console.pad(time, 10) + "  "
            + Console.pad(allocations, 12) + "  " + limit
    }
}
