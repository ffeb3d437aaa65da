/// The gate: allocations of the packet path against committed limits. Takes less than a minute.
enum LimitsCheck {
    /// Allocations of the whole server for each packet it sends, in the steady state.
    static let allocationsPerForwardedPacket = 0.01
    static let viewers = 10
    static let seconds = 10

    /// Prints what was measured; false when something is over its limit.
    static func run() async throws -> Bool {
        let measurements = try await MicroBenchmarks.run()
        Console.print(MicroBenchmarks.head)
        for measurement in measurements { Console.print(MicroBenchmarks.line(measurement)) }
        let result = try await FanoutBenchmark(viewerCount: viewers, seconds: seconds).run()
        Console.print("\n" + FanoutReport.head)
        Console.print(FanoutReport.line(result))
        guard result.isSound else { throw BenchmarkFault("what a viewer decrypted is not what was published") }
        var faults = measurements.filter { !$0.isWithinLimit }.map {
            "\($0.name): \(Console.format($0.allocationsPerCall, 4)) allocations a call, "
                + "at most \(Console.format($0.limit, 2)) are allowed"
        }
        if result.allocationsPerPacket >= allocationsPerForwardedPacket {
            faults.append(
                "the server allocates \(Console.format(result.allocationsPerPacket, 4)) times for each packet it sends, "
                    + "less than \(Console.format(allocationsPerForwardedPacket, 2)) is allowed")
        }
        for fault in faults { Console.complain(fault) }
        return faults.isEmpty
    }
}
