public import Wire

/// One packet the other side says it received.
@frozen public struct AcknowledgedPacket: Hashable, Sendable {
    /// When it was sent, in nanoseconds of this side's clock.
    public var sent: Int64
    /// When it arrived, in nanoseconds of the other side's clock.
    public var arrival: Int64
    public var byteCount: Int
    /// The probe it was sent in; 0 outside of any.
    public var probe: UInt8
}

/// What one feedback packet said about packets not spoken of before.
@frozen public struct FeedbackSummary: Hashable, Sendable {
    public var received = 0
    public var lost = 0
    /// Packets once reported lost that arrived after all.
    public var recovered = 0
    /// Nanoseconds since the newest packet acknowledged was sent: a round trip and the time until the feedback left.
    public var responseNanoseconds: Int64?

    public init() {}
}

/// A packet of video, sent for the first time or again.
@frozen public struct SentVideo: Hashable, Sendable {
    /// Of the video stream, not of the one for retransmissions.
    public var sequenceNumber: UInt16
    public var isRepair: Bool

    public init(sequenceNumber: UInt16, isRepair: Bool) {
        self.sequenceNumber = sequenceNumber
        self.isRepair = isRepair
    }
}

/// What became of a packet of video: that it was lost, or that one which was lost came after all.
@frozen public struct VideoNews: Hashable, Sendable {
    public var sequenceNumber: UInt16
    /// Whether this was about a retransmission of it.
    public var wasRepair: Bool
    public var hasArrived: Bool

    public init(sequenceNumber: UInt16, wasRepair: Bool, hasArrived: Bool) {
        self.sequenceNumber = sequenceNumber
        self.wasRepair = wasRepair
        self.hasArrived = hasArrived
    }
}

/// What left under which transport-wide number, until the other side has told what became of it (RTP-92, RTP-93).
///
/// Bounded: a packet more than ``capacity`` numbers back is forgotten. What no feedback ever covered is neither received
/// nor lost. Allocates with the first packet and the first feedback only.
public struct SentPacketLog: Sendable {
    public static let capacity = 2048
    /// More of a feedback's news is not kept; the viewer asks for what is missing.
    static let newsLimit = 256

    private enum State: UInt8 { case empty, inFlight, lost, received }

    private struct Entry {
        /// Microseconds of this side's clock, modulo 2^32.
        var sent: UInt32 = 0
        var byteCount: UInt16 = 0
        var state: State = .empty
        var probe: UInt8 = 0
        /// The number of the video packet it carries.
        var video: UInt16 = 0
        var content: Content = .other
    }

    private enum Content: UInt8 { case other, video, repair }

    private var entries: [Entry] = []
    /// The number of the next packet.
    private var next: Int64 = 0
    private var referenceTime: Int32?
    /// 24-bit wraps of the other side's reference time so far, in its units.
    private var referenceOffset: Int64 = 0
    /// What the feedback being read says has arrived.
    private var arrived: [AcknowledgedPacket] = []
    private var news: [VideoNews] = []

    public init() {}

    /// Notes a packet that leaves now and returns its number.
    ///
    /// - Parameters:
    ///   - probe: the probe it belongs to; 0 outside of any.
    ///   - video: which packet of video it carries; nil for anything else.
    public mutating func sent(byteCount: Int, probe: UInt8 = 0, video: SentVideo? = nil, at now: Instant) -> UInt16 {
        if entries.isEmpty { entries = Array(repeating: Entry(), count: Self.capacity) }
        entries[slot(next)] = Entry(
            sent: UInt32(truncatingIfNeeded: now.nanoseconds / 1000), byteCount: UInt16(clamping: byteCount),
            state: .inFlight, probe: probe, video: video?.sequenceNumber ?? 0,
            content: video.map { $0.isRepair ? .repair : .video } ?? .other)
        let number = UInt16(truncatingIfNeeded: next)
        next += 1
        return number
    }

    /// What the last feedback said of video: what is lost, and of that what came after all. Rarely more than a few.
    public var videoNews: [VideoNews] { news }

    private mutating func note(_ entry: Entry, hasArrived: Bool) {
        guard entry.content != .other, news.count < Self.newsLimit else { return }
        news.append(
            VideoNews(
                sequenceNumber: entry.video, wasRepair: entry.content == .repair, hasArrived: hasArrived))
    }

    /// Reads a feedback packet: calls `body` with every packet it is the first to say has arrived, in
    /// the order of arrival: packets that overtook each other would look like delay that comes and goes.
    ///
    /// Numbers never sent, forgotten, or spoken of before are passed over; a feedback that begins outside the log is
    /// ignored as a whole, so that the work is bounded by the log and not by what the other side claims.
    public mutating func acknowledge(
        _ feedback: TransportFeedback, in datagram: RawSpan, at now: Instant, _ body: (AcknowledgedPacket) -> Void
    ) -> FeedbackSummary {
        var summary = FeedbackSummary()
        news.removeAll(keepingCapacity: true)
        guard next > 0 else { return summary }
        let newest = next - 1
        let difference = Int16(bitPattern: feedback.baseSequenceNumber &- UInt16(truncatingIfNeeded: newest))
        var number = newest + Int64(difference)
        guard number >= 0, number <= newest, newest - number < Int64(Self.capacity) else { return summary }
        let offset = unwrap(feedback.referenceTime) * TransportFeedback.ticksPerReference
        let microseconds = UInt32(truncatingIfNeeded: now.nanoseconds / 1000)

        var statuses = TransportFeedbackIterator(feedback)
        while number <= newest, let status = statuses.next(in: datagram) {
            let slot = slot(number)
            number += 1
            let entry = entries[slot]
            guard entry.state == .inFlight || entry.state == .lost else { continue }
            guard let arrival = status.arrival else {
                if entry.state == .inFlight {
                    summary.lost += 1
                    note(entry, hasArrived: false)
                }
                entries[slot].state = .lost
                continue
            }
            if entry.state == .lost { summary.recovered += 1 }
            if entry.state == .lost || entry.content == .repair { note(entry, hasArrived: true) }
            entries[slot].state = .received
            summary.received += 1
            let age = Int64(microseconds &- entry.sent) * 1000
            summary.responseNanoseconds = min(summary.responseNanoseconds ?? age, age)
            note(
                AcknowledgedPacket(
                    sent: Int64(truncatingIfNeeded: now.nanoseconds) &- age,
                    arrival: (arrival + offset) * TransportFeedback.tickNanoseconds, byteCount: Int(entry.byteCount),
                    probe: entry.probe))
        }
        for packet in arrived { body(packet) }
        arrived.removeAll(keepingCapacity: true)
        return summary
    }

    /// Keeps `packet` behind those that arrived before it; few ever come out of order.
    private mutating func note(_ packet: AcknowledgedPacket) {
        var place = arrived.count
        while place > 0, arrived[place - 1].arrival > packet.arrival { place -= 1 }
        arrived.insert(packet, at: place)
    }

    private func slot(_ number: Int64) -> Int { Int(truncatingIfNeeded: number & Int64(Self.capacity - 1)) }

    /// What to add to times of a feedback with this reference so that they go on over the 24-bit wrap, in its units.
    private mutating func unwrap(_ reference: Int32) -> Int64 {
        let wrap: Int32 = 1 << 24
        if let previous = referenceTime {
            if reference - previous < -wrap / 2 { referenceOffset += Int64(wrap) }
            if reference - previous > wrap / 2 { referenceOffset -= Int64(wrap) }
        }
        referenceTime = reference
        return referenceOffset
    }
}
