import Loop
import Server

/// What the server's process has used and sent up to one moment, as one line of numbers between the processes.
struct ServerReading: Sendable {
    /// Without what earlier readings cost; likewise ``processorNanoseconds``.
    var allocations: UInt64 = 0
    var processorNanoseconds: UInt64 = 0
    var packetsSent: UInt64 = 0
    var sendCalls: UInt64 = 0
    /// Messages that the kernel cut into datagrams.
    var segmentedMessages: UInt64 = 0
    var packetsDropped: UInt64 = 0
    /// Calls that read datagrams or waited for events; a read that finds nothing is not counted.
    var otherCalls: UInt64 = 0

    private static let fields: [any WritableKeyPath<ServerReading, UInt64> & Sendable] = [
        \.allocations, \.processorNanoseconds, \.packetsSent, \.sendCalls, \.segmentedMessages, \.packetsDropped,
        \.otherCalls,
    ]

    init() {}

    init(_ traffic: MediaTraffic, _ rtsp: RTSPTraffic) {
        packetsSent = traffic.sent.datagrams + rtsp.packets
        sendCalls = traffic.sent.systemCalls + rtsp.sendCalls
        segmentedMessages = traffic.sent.segmentedMessages + rtsp.segmentedMessages
        packetsDropped = traffic.sent.droppedQueueFull + traffic.sent.droppedUnsendable + rtsp.discarded
        otherCalls = traffic.received.batches + traffic.turns
    }

    init?(line: String) {
        let numbers = line.split(separator: " ").compactMap { UInt64($0) }
        guard numbers.count == Self.fields.count else { return nil }
        for (field, number) in zip(Self.fields, numbers) { self[keyPath: field] = number }
    }

    var line: String { Self.fields.map { String(self[keyPath: $0]) }.joined(separator: " ") }

    private func combined(_ other: ServerReading, _ combine: (UInt64, UInt64) -> UInt64) -> ServerReading {
        var result = ServerReading()
        for field in Self.fields { result[keyPath: field] = combine(self[keyPath: field], other[keyPath: field]) }
        return result
    }

    static func + (left: ServerReading, right: ServerReading) -> ServerReading { left.combined(right, &+) }

    /// What happened from `right` to `left`.
    static func - (left: ServerReading, right: ServerReading) -> ServerReading { left.combined(right, &-) }

    func perPacket(_ value: UInt64) -> Double { Double(value) / Double(max(1, packetsSent)) }

    var microsecondsPerPacket: Double { perPacket(processorNanoseconds) / 1_000 }
}
