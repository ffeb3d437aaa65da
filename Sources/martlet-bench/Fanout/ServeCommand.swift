import CAllocationCounter
import Glibc
import Loop
import Server
import Wire

/// `martlet-bench serve`: the real server in a process of its own, asked for readings over its standard input.
///
/// It prints its HTTP port and its RTSP port first, then obeys ``Command`` bytes. It ends when the input does, so it never outlives its
/// parent.
enum ServeCommand {
    enum Command: UInt8 {
        /// Answered with a ``ServerReading`` as a line.
        case read = 0x72
        /// Begins to trace allocations.
        case trace = 0x74
        /// Ends the trace, which goes to standard error, and answers with an empty line.
        case endTrace = 0x65
    }

    static func run() async throws {
        var settings = ServerSettings()
        settings.logDestinations = []
        settings.webrtcAddress = ListenAddress(host: SocketAddress(ipv4: 0x7F00_0001, port: 0), port: 0)
        settings.webrtcLocalUDPAddress = ListenAddress(port: 0)
        settings.rtspAddress = ListenAddress(host: SocketAddress(ipv4: 0x7F00_0001, port: 0), port: 0)
        settings.rtpAddress = ListenAddress(port: 0)
        settings.rtcpAddress = ListenAddress(port: 0)
        settings.httpRequestsPerSecond = 10_000
        settings.httpRequestBurst = 10_000
        let server = MartletServer(settings: settings, log: Log(level: .error, sinks: []))
        try await server.start()
        guard let http = await server.httpAddresses.first, let rtsp = await server.rtspAddresses.first else {
            throw BenchmarkFault("the server does not listen")
        }
        Console.print("\(http.port) \(rtsp.port)")
        // What answering has cost so far is no cost of the server's.
        var ownAllocations: UInt64 = 0
        var ownNanoseconds: UInt64 = 0
        while let command = nextCommand() {
            let allocations = allocation_count()
            let nanoseconds = process_cpu_nanoseconds()
            switch command {
            case .read:
                var reading = ServerReading(await server.mediaTraffic, await server.rtspTraffic)
                reading.allocations = allocations - ownAllocations
                reading.processorNanoseconds = nanoseconds - ownNanoseconds
                Console.print(reading.line)
            case .trace:
                allocation_trace_start()
            case .endTrace:
                allocation_trace_stop(STDERR_FILENO)
                Console.print("")
            }
            ownAllocations += allocation_count() - allocations
            ownNanoseconds += process_cpu_nanoseconds() - nanoseconds
        }
        await server.stop()
    }

    private static func nextCommand() -> Command? {
        var byte: UInt8 = 0
        guard unsafe read(STDIN_FILENO, &byte, 1) == 1 else { return nil }
        return Command(rawValue: byte)
    }
}
