import Wire

/// Arrival times of packets by transport-wide number (draft-holmer-rmcat-transport-wide-cc-extensions-01).
///
///     |      base sequence number     |      packet status count      |
///     |                 reference time                | fb pkt. count |
///     |          packet chunk         |         packet chunk          |
///     |  ...                          |  recv delta   |  recv delta   |
///
/// The statuses are read with ``TransportFeedbackIterator``. When one of these is made, chunks for all statuses and
/// deltas for all packets received are known to lie inside the packet.
public struct TransportFeedback: Hashable, Sendable {
    public var sender: UInt32
    public var media: UInt32
    public var baseSequenceNumber: UInt16
    /// How many consecutive numbers, from the base on, the packet speaks about.
    public var statusCount: Int
    /// 24 bits, signed, in units of 64 ms.
    public var referenceTime: Int32
    public var feedbackCount: UInt8

    let chunks: Range<Int>
    let deltas: Range<Int>

    /// One unit of ``TransportFeedbackIterator/Status/arrival``.
    public static let tickNanoseconds: Int64 = 250_000
    /// Ticks of one unit of the reference time.
    static let ticksPerReference: Int64 = 256

    init(sender: UInt32, media: UInt32, _ content: Range<Int>, in datagram: RawSpan) throws(WireError) {
        let first = try RTCPPacket.word(content, 0, in: datagram)
        let second = try RTCPPacket.word(content, 4, in: datagram)
        self.sender = sender
        self.media = media
        baseSequenceNumber = UInt16(truncatingIfNeeded: first >> 16)
        statusCount = Int(first & 0xFFFF)
        referenceTime = Int32(bitPattern: second) >> 8
        feedbackCount = UInt8(truncatingIfNeeded: second)
        guard statusCount > 0 else { throw .malformed("transport feedback without statuses") }

        var position = content.lowerBound + 8
        let start = position
        var statuses = 0
        var deltaBytes = 0
        while statuses < statusCount {
            guard position + 2 <= content.upperBound, let word = datagram.integer(at: position, as: UInt16.self) else {
                throw .truncated(at: content.upperBound)
            }
            position += 2
            let chunk = StatusChunk(word)
            let used = min(chunk.count, statusCount - statuses)
            for index in 0..<used where chunk.isVector { deltaBytes += chunk.symbol(at: index).deltaSize }
            if !chunk.isVector { deltaBytes += used * chunk.symbol(at: 0).deltaSize }
            guard used > 0 else { throw .malformed("transport feedback run of nothing") }
            statuses += used
        }
        guard deltaBytes <= content.upperBound - position else { throw .truncated(at: content.upperBound) }
        chunks = start..<position
        deltas = position..<position + deltaBytes
    }
}

/// What became of one packet, in two bits.
enum PacketStatus: UInt8 {
    case notReceived = 0
    case smallDelta = 1
    case largeDelta = 2
    case reserved = 3

    /// Bytes its delta takes. The reserved value counts as not received.
    var deltaSize: Int {
        switch self {
        case .notReceived, .reserved: 0
        case .smallDelta: 1
        case .largeDelta: 2
        }
    }
}

/// One 16-bit chunk: a run of one status, or a vector of 14 one-bit or 7 two-bit statuses.
struct StatusChunk {
    private let word: UInt16

    static let oneBitCapacity = 14
    static let twoBitCapacity = 7
    static let maximumRun = 8191

    init(_ word: UInt16) { self.word = word }

    var isVector: Bool { word & 0x8000 != 0 }
    private var isTwoBit: Bool { word & 0x4000 != 0 }

    var count: Int {
        guard isVector else { return Int(word & 0x1FFF) }
        return isTwoBit ? Self.twoBitCapacity : Self.oneBitCapacity
    }

    /// Status `index` of this chunk, which must be below ``count``.
    func symbol(at index: Int) -> PacketStatus {
        let bits: UInt16
        if !isVector {
            bits = word >> 13 & 3
        } else if isTwoBit {
            bits = word >> UInt16(truncatingIfNeeded: 2 * (Self.twoBitCapacity - 1 - index)) & 3
        } else {
            bits = word >> UInt16(truncatingIfNeeded: Self.oneBitCapacity - 1 - index) & 1
        }
        return PacketStatus(rawValue: UInt8(truncatingIfNeeded: bits)) ?? .notReceived
    }
}

/// Walks the statuses of one feedback packet.
public struct TransportFeedbackIterator: Sendable {
    @frozen public struct Status: Hashable, Sendable {
        public var sequenceNumber: UInt16
        /// When the packet arrived, in ticks of 250 µs on the receiver's own clock; nil when it had not arrived.
        ///
        /// Comparable between feedback packets as long as the 24-bit reference time does not wrap (12 days).
        public var arrival: Int64?
    }

    private let feedback: TransportFeedback
    private var index = 0
    private var chunk = StatusChunk(0)
    private var chunkIndex = 0
    private var chunkPosition: Int
    private var deltaPosition: Int
    private var time: Int64

    public init(_ feedback: TransportFeedback) {
        self.feedback = feedback
        chunkPosition = feedback.chunks.lowerBound
        deltaPosition = feedback.deltas.lowerBound
        time = Int64(feedback.referenceTime) * TransportFeedback.ticksPerReference
    }

    /// The next status, in the order of the numbers; nil after the last. `datagram` is the one it was parsed from.
    public mutating func next(in datagram: RawSpan) -> Status? {
        guard index < feedback.statusCount else { return nil }
        if chunkIndex == chunk.count {
            guard let word = datagram.integer(at: chunkPosition, as: UInt16.self) else { return nil }
            chunk = StatusChunk(word)
            chunkIndex = 0
            chunkPosition += 2
        }
        let symbol = chunk.symbol(at: chunkIndex)
        let number = feedback.baseSequenceNumber &+ UInt16(truncatingIfNeeded: index)
        chunkIndex += 1
        index += 1
        switch symbol {
        case .notReceived, .reserved:
            return Status(sequenceNumber: number, arrival: nil)
        case .smallDelta:
            guard let delta = datagram.integer(at: deltaPosition, as: UInt8.self) else { return nil }
            time += Int64(delta)
        case .largeDelta:
            guard let delta = datagram.integer(at: deltaPosition, as: UInt16.self) else { return nil }
            time += Int64(Int16(bitPattern: delta))
        }
        deltaPosition += symbol.deltaSize
        return Status(sequenceNumber: number, arrival: time)
    }
}
