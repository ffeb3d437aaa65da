import CAllocationCounter
import Glibc
import Loop
import Server
import Wire

/// `martlet-bench serve`: the real server in a process of its own, asked for readings over its standard input.
///
/// It prints its HTTP port first. `read` is answered with a ``ServerReading``; `trace` and `traced` begin and end a
/// trace of allocations, which goes to standard error. It ends when the input does, so it never outlives its parent.
enum ServeCommand {
    static func run() async throws {
        var settings = ServerSettings()
        settings.logDestinations = []
        settings.webrtcAddress = ListenAddress(host: SocketAddress(ipv4: 0x7F00_0001, port: 0), port: 0)
        settings.webrtcLocalUDPAddress = ListenAddress(port: 0)
        settings.httpRequestsPerSecond = 10_000
        settings.httpRequestBurst = 10_000
        let server = MartletServer(settings: settings, log: Log(level: .error, sinks: []))
        try await server.start()
        guard let address = await server.httpAddresses.first else { throw BenchmarkFault("the server does not listen") }
        Console.print(String(address.port))
        while let command = readLine() {
            switch command {
            case "read": Console.print(await reading(of: server).line)
            case "trace": allocation_trace_start()
            case "traced":
                allocation_trace_stop(STDERR_FILENO)
                Console.print("")
            default: throw BenchmarkFault("unknown command \(command)")
            }
        }
        await server.stop()
    }

    private static func reading(of server: MartletServer) async -> ServerReading {
        var reading = ServerReading()
        reading.allocationsAtBeginning = allocation_count()
        reading.processorNanosecondsAtBeginning = process_cpu_nanoseconds()
        let traffic = await server.mediaTraffic
        reading.packetsSent = traffic.sent.datagrams
        reading.sendCalls = traffic.sent.systemCalls
        reading.segmentedMessages = traffic.sent.segmentedMessages
        reading.packetsDropped = traffic.sent.droppedQueueFull + traffic.sent.droppedUnsendable
        reading.receiveCalls = traffic.received.batches
        reading.packetsReceived = traffic.received.datagrams
        reading.loopTurns = traffic.turns
        reading.processorNanosecondsAtEnd = process_cpu_nanoseconds()
        reading.allocationsAtEnd = allocation_count()
        return reading
    }
}
