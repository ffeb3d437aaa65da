/// What the server's process has used and sent up to one moment, as one line of numbers between the processes.
struct ServerReading: Sendable {
    /// Taking a reading costs a little itself; differences go from one reading's end to the next one's beginning.
    var allocationsAtBeginning: UInt64 = 0
    var allocationsAtEnd: UInt64 = 0
    var processorNanosecondsAtBeginning: UInt64 = 0
    var processorNanosecondsAtEnd: UInt64 = 0
    var packetsSent: UInt64 = 0
    var sendCalls: UInt64 = 0
    /// Messages that the kernel cut into datagrams.
    var segmentedMessages: UInt64 = 0
    var packetsDropped: UInt64 = 0
    var receiveCalls: UInt64 = 0
    var packetsReceived: UInt64 = 0
    var loopTurns: UInt64 = 0

    private static let fields: [any WritableKeyPath<ServerReading, UInt64> & Sendable] = [
        \.allocationsAtBeginning, \.allocationsAtEnd, \.processorNanosecondsAtBeginning, \.processorNanosecondsAtEnd,
        \.packetsSent, \.sendCalls, \.segmentedMessages, \.packetsDropped, \.receiveCalls, \.packetsReceived,
        \.loopTurns,
    ]

    init() {}

    init?(line: String) {
        let numbers = line.split(separator: " ").compactMap { UInt64($0) }
        guard numbers.count == Self.fields.count else { return nil }
        for (field, number) in zip(Self.fields, numbers) { self[keyPath: field] = number }
    }

    var line: String { Self.fields.map { String(self[keyPath: $0]) }.joined(separator: " ") }

    /// What happened between `earlier` and this reading.
    func since(_ earlier: ServerReading) -> ServerInterval {
        ServerInterval(
            allocations: allocationsAtBeginning - earlier.allocationsAtEnd,
            processorNanoseconds: processorNanosecondsAtBeginning - earlier.processorNanosecondsAtEnd,
            packetsSent: packetsSent - earlier.packetsSent,
            sendCalls: sendCalls - earlier.sendCalls,
            segmentedMessages: segmentedMessages - earlier.segmentedMessages,
            packetsDropped: packetsDropped - earlier.packetsDropped,
            // A turn waits once and a batch is read once; the read that finds nothing is not counted.
            otherCalls: receiveCalls - earlier.receiveCalls + loopTurns - earlier.loopTurns)
    }
}

/// What the server did between two readings.
struct ServerInterval: Sendable {
    var allocations: UInt64 = 0
    var processorNanoseconds: UInt64 = 0
    var packetsSent: UInt64 = 0
    var sendCalls: UInt64 = 0
    var segmentedMessages: UInt64 = 0
    var packetsDropped: UInt64 = 0
    var otherCalls: UInt64 = 0

    func perPacket(_ value: UInt64) -> Double { Double(value) / Double(max(1, packetsSent)) }

    var microsecondsPerPacket: Double { perPacket(processorNanoseconds) / 1_000 }

    static func + (left: ServerInterval, right: ServerInterval) -> ServerInterval {
        ServerInterval(
            allocations: left.allocations + right.allocations,
            processorNanoseconds: left.processorNanoseconds + right.processorNanoseconds,
            packetsSent: left.packetsSent + right.packetsSent,
            sendCalls: left.sendCalls + right.sendCalls,
            segmentedMessages: left.segmentedMessages + right.segmentedMessages,
            packetsDropped: left.packetsDropped + right.packetsDropped,
            otherCalls: left.otherCalls + right.otherCalls)
    }
}
