/// The gate: allocations of the packet path against committed limits. Takes about a minute.
enum LimitsCheck {
    /// Allocations of the whole server for each packet it sends, in the steady state.
    static let allocationsPerForwardedPacket = 0.01
    static let viewers = 10
    /// The same for readers over RTSP: what a turn allocates is allocated once for all of them.
    static let allocationsPerRTSPPacket = 0.015
    /// What the server's memory may grow by for each of them, a late start over datagrams included.
    static let bytesPerRTSPReader = 48.0 * 1_024
    static let rtspReaders = 50
    static let seconds = 10
    static let tries = 3

    /// Prints what was measured; false when something is over its limit.
    static func run() async throws -> Bool {
        let measurements = try await MicroBenchmarks.run()
        Console.print(MicroBenchmarks.head)
        for measurement in measurements { Console.print(MicroBenchmarks.line(measurement)) }
        Console.print("\n" + FanoutReport.head)
        var result = try await FanoutBenchmark(viewerCount: viewers, seconds: seconds).run()
        Console.print(FanoutReport.line(result))
        // What a late second of a busy machine adds is not there every time; what the packet path allocates is.
        for _ in 1..<tries where result.isSound && result.allocationsPerPacket >= allocationsPerForwardedPacket {
            result = try await FanoutBenchmark(viewerCount: viewers, seconds: seconds).run()
            Console.print(FanoutReport.line(result))
        }
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
        Console.print("\n" + RTSPReport.head)
        for delivery in [BenchmarkRTSPReader.Delivery.tcp, .udp] {
            var result = try await RTSPBenchmark(delivery: delivery, readerCount: rtspReaders, seconds: seconds).run()
            Console.print(RTSPReport.line(result))
            for _ in 1..<tries where result.isSound && !self.faults(of: result).isEmpty {
                result = try await RTSPBenchmark(delivery: delivery, readerCount: rtspReaders, seconds: seconds).run()
                Console.print(RTSPReport.line(result))
            }
            guard result.isSound else { throw BenchmarkFault("what an RTSP reader got is not what was published") }
            faults += self.faults(of: result)
        }
        for fault in faults { Console.complain(fault) }
        return faults.isEmpty
    }

    private static func faults(of result: RTSPBenchmark.Result) -> [String] {
        var faults: [String] = []
        if result.allocationsPerPacket >= allocationsPerRTSPPacket {
            faults.append(
                "the server allocates \(Console.format(result.allocationsPerPacket, 4)) times for each packet it sends "
                    + "over RTSP (\(result.delivery.rawValue)), "
                    + "less than \(Console.format(allocationsPerRTSPPacket, 3)) is allowed")
        }
        if let bytes = result.bytesPerReader, bytes > bytesPerRTSPReader {
            faults.append(
                "the server takes \(Console.format(bytes / 1_024, 1)) KiB for each reader over RTSP "
                    + "(\(result.delivery.rawValue)), at most \(Console.format(bytesPerRTSPReader / 1_024, 0)) are allowed"
            )
        }
        return faults
    }
}
