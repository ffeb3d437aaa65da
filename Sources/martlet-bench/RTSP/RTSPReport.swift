/// Results of the RTSP benchmark, for people and for programs.
enum RTSPReport {
    private static let widths = [5, 8, 10, 13, 13, 10, 12, 11, 8, 8]
    private static let titles = [
        "over", "readers", "packets/s", "µs CPU/packet", "allocs/packet", "sends/pkt", "syscalls/pkt", "KiB/reader",
        "lost", "damaged",
    ]

    static var head: String { line(titles) }

    static func line(_ result: RTSPBenchmark.Result) -> String {
        line([
            result.delivery.rawValue, String(result.readers), Console.format(result.packetsPerSecond, 0),
            Console.format(result.medianMicroseconds, 2), Console.format(result.allocationsPerPacket, 4),
            Console.format(result.sendCallsPerPacket, 4), Console.format(result.systemCallsPerPacket, 4),
            Console.format((result.bytesPerReader ?? .nan) / 1_024, 1), "\(result.packetsMissing)",
            "\(result.packetsDamaged)",
        ])
    }

    private static func line(_ cells: [String]) -> String {
        zip(cells, widths).map { Console.pad($0, $1) }.joined(separator: " ")
    }

    static func json(_ result: RTSPBenchmark.Result) -> String {
        let windows = result.windows.map { Console.format($0.microsecondsPerPacket, 3) }.joined(separator: ",")
        let fields = [
            "\"delivery\":\"\(result.delivery.rawValue)\"",
            "\"readers\":\(result.readers)",
            "\"packets_per_second\":\(Console.format(result.packetsPerSecond, 1))",
            "\"cpu_microseconds_per_packet\":\(Console.format(result.medianMicroseconds, 3))",
            "\"cpu_microseconds_per_packet_windows\":[\(windows)]",
            "\"allocations\":\(result.total.allocations)",
            "\"allocations_per_packet\":\(Console.format(result.allocationsPerPacket, 5))",
            "\"send_calls_per_packet\":\(Console.format(result.sendCallsPerPacket, 5))",
            "\"system_calls_per_packet\":\(Console.format(result.systemCallsPerPacket, 5))",
            "\"bytes_per_reader\":\(result.bytesPerReader.map { Console.format($0, 0) } ?? "null")",
            "\"packets_sent\":\(result.total.packetsSent)",
            "\"packets_dropped_by_server\":\(result.total.packetsDropped)",
            "\"packets_expected\":\(result.packetsExpected)",
            "\"packets_lost\":\(result.packetsMissing)",
            "\"packets_verified\":\(result.packetsIntact)",
            "\"packets_damaged\":\(result.packetsDamaged)",
        ]
        return "{\(fields.joined(separator: ","))}"
    }
}
