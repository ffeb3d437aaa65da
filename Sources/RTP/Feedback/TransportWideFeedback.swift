public import Wire

/// Tells a publisher when its packets arrived, so that it can estimate its link
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3).
///
/// Every packet between the first and the last one received is reported. One that arrives after it was reported missing is
/// reported again together with all that follow it, always with the same arrival times. The history is bounded: packets
/// more than ``historySize`` behind are ignored, and a jump forward by more than that starts over without reporting the gap.
public struct TransportWideFeedback: Sendable {
    /// How many transport-wide numbers are remembered.
    public static let historySize: Int64 = 4096
    public static let defaultIntervalMilliseconds: UInt64 = 100
    /// Bytes of one feedback packet at most, so that it fits a datagram together with others.
    static let maximumPacketSize = 1100

    private let intervalMilliseconds: UInt64
    /// Arrival in ticks by number modulo the history size; negative where nothing arrived.
    private var arrivals: [Int64]
    private var numbers = SequenceUnwrapper()
    private var highest: Int64 = -1
    /// The first number the next feedback speaks about.
    private var start: Int64 = 0
    private var feedbackCount: UInt8 = 0
    private var statuses: [PacketStatus] = []

    /// When the next feedback is due; nil when there is nothing to report.
    public private(set) var nextDeadline: Instant?

    public init(intervalMilliseconds: UInt64 = defaultIntervalMilliseconds) {
        self.intervalMilliseconds = intervalMilliseconds
        arrivals = Array(repeating: -1, count: Int(Self.historySize))
    }

    /// A packet with this transport-wide number came, on whichever SSRC. Padding counts too. Allocates nothing.
    public mutating func received(_ sequenceNumber: UInt16, at arrival: Instant) {
        let ticks = Int64(truncatingIfNeeded: arrival.nanoseconds / UInt64(TransportFeedback.tickNanoseconds))
        let number = numbers.unwrap(sequenceNumber)
        if highest < 0 || number - highest >= Self.historySize {
            for index in arrivals.indices { arrivals[index] = -1 }
            start = number
            highest = number
        } else if number > highest {
            var missing = highest + 1
            while missing < number {
                arrivals[slot(missing)] = -1
                missing += 1
            }
            highest = number
            start = max(start, highest - Self.historySize + 1)
        } else {
            // Reported or to be reported once only: the first arrival counts.
            guard highest - number < Self.historySize, arrivals[slot(number)] < 0 else { return }
            start = min(start, number)
        }
        arrivals[slot(number)] = ticks
        if nextDeadline == nil { nextDeadline = arrival.advanced(byMilliseconds: intervalMilliseconds) }
    }

    /// Appends a feedback packet for what came since the last one, or several when times or sizes do not fit one.
    /// Appends nothing when there is nothing to report. Call when ``nextDeadline`` has passed.
    ///
    /// - Parameter media: the SSRC of any of the publisher's streams.
    public mutating func append(sender: UInt32, media: UInt32, to output: inout [UInt8]) {
        nextDeadline = nil
        guard highest >= 0 else { return }
        while start <= highest { appendPacket(sender: sender, media: media, to: &output) }
    }

    private func slot(_ number: Int64) -> Int { Int(truncatingIfNeeded: number & (Self.historySize - 1)) }

    private mutating func appendPacket(sender: UInt32, media: UInt32, to output: inout [UInt8]) {
        let base = start
        var first = base
        while first < highest, arrivals[slot(first)] < 0 { first += 1 }
        guard arrivals[slot(first)] >= 0 else {
            start = highest + 1
            return
        }
        let reference = arrivals[slot(first)] / TransportFeedback.ticksPerReference
        let end = collectStatuses(reference: reference)

        let packetStart = output.count
        RTCPWriter.appendHeader(
            RTCPPacketType.transportLayerFeedback, count: Int(RTCPFeedbackType.transportWide), bodySize: 0, to: &output)
        output.append(bigEndian: sender)
        output.append(bigEndian: media)
        output.append(bigEndian: UInt16(truncatingIfNeeded: base))
        output.append(bigEndian: UInt16(truncatingIfNeeded: statuses.count))
        output.append(bigEndian: UInt32(truncatingIfNeeded: reference << 8) | UInt32(feedbackCount))
        feedbackCount &+= 1
        StatusChunkWriter.append(statuses, to: &output)
        appendDeltas(from: base, reference: reference, to: &output)
        let padding = (4 - (output.count - packetStart) % 4) % 4
        if padding > 0 {
            for count in 1...padding { output.append(count == padding ? UInt8(truncatingIfNeeded: padding) : 0) }
            output[packetStart] |= 0x20
        }
        RTCPWriter.setLength(from: packetStart, in: &output)
        start = end
    }

    /// Fills ``statuses`` from ``start`` on as far as one packet reaches; returns the number after the last.
    private mutating func collectStatuses(reference: Int64) -> Int64 {
        statuses.removeAll(keepingCapacity: true)
        var previous = reference * TransportFeedback.ticksPerReference
        var deltaBytes = 0
        var number = start
        var end = start
        while number <= highest {
            // A chunk of two bytes speaks for seven packets at least, except for the last one.
            let size = 20 + 2 * (statuses.count / StatusChunk.twoBitCapacity + 2) + deltaBytes + 2 + 3
            guard size <= Self.maximumPacketSize else { break }
            let arrival = arrivals[slot(number)]
            if arrival < 0 {
                statuses.append(.notReceived)
            } else {
                let delta = arrival - previous
                // An empty packet is impossible: the first one received is within its own reference unit.
                guard Int16(exactly: delta) != nil else { break }
                statuses.append(UInt8(exactly: delta) != nil ? .smallDelta : .largeDelta)
                deltaBytes += UInt8(exactly: delta) != nil ? 1 : 2
                previous = arrival
            }
            number += 1
            end = number
        }
        return end
    }

    private func appendDeltas(from base: Int64, reference: Int64, to output: inout [UInt8]) {
        var previous = reference * TransportFeedback.ticksPerReference
        var number = base
        for status in statuses {
            let arrival = arrivals[slot(number)]
            number += 1
            guard status != .notReceived else { continue }
            let delta = arrival - previous
            if status == .smallDelta {
                output.append(UInt8(truncatingIfNeeded: delta))
            } else {
                output.append(bigEndian: Int16(truncatingIfNeeded: delta))
            }
            previous = arrival
        }
    }
}

/// Packs statuses into 16-bit chunks: runs where that is shorter, vectors elsewhere.
enum StatusChunkWriter {
    static func append(_ statuses: [PacketStatus], to output: inout [UInt8]) {
        var index = 0
        while index < statuses.count {
            let run = runLength(statuses, from: index)
            let needsTwoBits = statuses[index..<min(index + StatusChunk.oneBitCapacity, statuses.count)]
                .contains(.largeDelta)
            let capacity = needsTwoBits ? StatusChunk.twoBitCapacity : StatusChunk.oneBitCapacity
            if run >= capacity || index + run == statuses.count {
                output.append(bigEndian: UInt16(statuses[index].rawValue) << 13 | UInt16(truncatingIfNeeded: run))
                index += run
                continue
            }
            let count = min(capacity, statuses.count - index)
            var word: UInt16 = needsTwoBits ? 0xC000 : 0x8000
            let bits = needsTwoBits ? 2 : 1
            for offset in 0..<count {
                word |= UInt16(statuses[index + offset].rawValue) << UInt16((capacity - 1 - offset) * bits)
            }
            output.append(bigEndian: word)
            index += count
        }
    }

    private static func runLength(_ statuses: [PacketStatus], from start: Int) -> Int {
        var end = start + 1
        while end < statuses.count, end - start < StatusChunk.maximumRun, statuses[end] == statuses[start] { end += 1 }
        return end - start
    }
}
