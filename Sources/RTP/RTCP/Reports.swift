import Wire

/// What a sender says about its stream (RFC 3550, section 6.4.1), without report blocks.
@frozen
public struct SenderReport: Hashable, Sendable {
    public var ssrc: UInt32
    /// Wall-clock time of the report, 32.32 fixed point; 0 when the sender has none.
    public var ntp: UInt64
    /// The same moment on the stream's RTP clock.
    public var timestamp: UInt32
    public var packetCount: UInt32
    /// Payload bytes sent, without headers and padding, modulo 2^32.
    public var octetCount: UInt32

    static let size = 24

    public init(ssrc: UInt32, ntp: UInt64, timestamp: UInt32, packetCount: UInt32, octetCount: UInt32) {
        self.ssrc = ssrc
        self.ntp = ntp
        self.timestamp = timestamp
        self.packetCount = packetCount
        self.octetCount = octetCount
    }

    init(_ body: Range<Int>, in datagram: RawSpan) throws(WireError) {
        ssrc = try RTCPPacket.word(body, 0, in: datagram)
        ntp = UInt64(try RTCPPacket.word(body, 4, in: datagram)) << 32
        ntp |= UInt64(try RTCPPacket.word(body, 8, in: datagram))
        timestamp = try RTCPPacket.word(body, 12, in: datagram)
        packetCount = try RTCPPacket.word(body, 16, in: datagram)
        octetCount = try RTCPPacket.word(body, 20, in: datagram)
    }
}

/// What a receiver says about one stream (RFC 3550, section 6.4.1).
@frozen
public struct ReportBlock: Hashable, Sendable {
    /// The stream the block is about.
    public var ssrc: UInt32
    /// Share of packets lost since the last report, in 1/256.
    public var fractionLost: UInt8
    /// Packets lost in all, 24 bits signed: negative when duplicates outnumber losses.
    public var cumulativeLost: Int32
    public var extendedHighestSequenceNumber: UInt32
    /// Interarrival jitter in units of the stream's clock.
    public var jitter: UInt32
    /// The middle 32 bits of the NTP time of the last sender report; 0 before the first.
    public var lastSenderReport: UInt32
    /// How long ago that report came, in 1/65536 s.
    public var delaySinceLastSenderReport: UInt32

    static let size = 24
    /// A report has five bits for the number of its blocks.
    public static let maximumCount = 31

    public init(
        ssrc: UInt32, fractionLost: UInt8, cumulativeLost: Int32, extendedHighestSequenceNumber: UInt32,
        jitter: UInt32, lastSenderReport: UInt32, delaySinceLastSenderReport: UInt32
    ) {
        self.ssrc = ssrc
        self.fractionLost = fractionLost
        self.cumulativeLost = cumulativeLost
        self.extendedHighestSequenceNumber = extendedHighestSequenceNumber
        self.jitter = jitter
        self.lastSenderReport = lastSenderReport
        self.delaySinceLastSenderReport = delaySinceLastSenderReport
    }

    /// The round trip in nanoseconds as the sender of the report block's stream computes it (RFC 3550, section
    /// 6.4.1), or nil when the other side has seen no sender report or the fields contradict each other.
    ///
    /// - Parameter ntp: the sender's NTP time when the block arrived.
    public func roundTripNanoseconds(arrivalNTP ntp: UInt64) -> UInt64? {
        guard lastSenderReport != 0 else { return nil }
        let middle = UInt32(truncatingIfNeeded: ntp >> 16)
        let roundTrip = middle &- lastSenderReport &- delaySinceLastSenderReport
        guard roundTrip < 0x8000_0000 else { return nil }
        return UInt64(roundTrip) * 1_000_000_000 / 65_536
    }
}

/// The report blocks of a sender or receiver report.
public struct ReportBlockList: Hashable, Sendable {
    private let range: Range<Int>
    public let count: Int

    init(_ range: Range<Int>, count: UInt8) throws(WireError) {
        guard range.count >= Int(count) * ReportBlock.size else { throw .truncated(at: range.upperBound) }
        self.range = range
        self.count = Int(count)
    }

    /// Block `index`; nil when there is none.
    public func block(at index: Int, in datagram: RawSpan) -> ReportBlock? {
        guard index >= 0, index < count else { return nil }
        let start = range.lowerBound + index * ReportBlock.size
        guard start + ReportBlock.size <= datagram.byteCount,
            let ssrc = datagram.integer(at: start, as: UInt32.self),
            let lost = datagram.integer(at: start + 4, as: UInt32.self),
            let highest = datagram.integer(at: start + 8, as: UInt32.self),
            let jitter = datagram.integer(at: start + 12, as: UInt32.self),
            let last = datagram.integer(at: start + 16, as: UInt32.self),
            let delay = datagram.integer(at: start + 20, as: UInt32.self)
        else { return nil }
        return ReportBlock(
            ssrc: ssrc, fractionLost: UInt8(truncatingIfNeeded: lost >> 24),
            cumulativeLost: Int32(bitPattern: lost << 8) >> 8, extendedHighestSequenceNumber: highest,
            jitter: jitter, lastSenderReport: last, delaySinceLastSenderReport: delay)
    }
}

/// The sources a BYE or REMB names.
public struct SSRCList: Hashable, Sendable {
    private let range: Range<Int>
    public let count: Int

    init(_ range: Range<Int>, count: Int) throws(WireError) {
        guard range.count >= 4 * count else { throw .truncated(at: range.upperBound) }
        self.range = range
        self.count = count
    }

    /// Entry `index`; nil when there is none.
    public func ssrc(at index: Int, in datagram: RawSpan) -> UInt32? {
        guard index >= 0, index < count else { return nil }
        return datagram.integer(at: range.lowerBound + 4 * index)
    }

    public func contains(_ ssrc: UInt32, in datagram: RawSpan) -> Bool {
        for index in 0..<count where self.ssrc(at: index, in: datagram) == ssrc { return true }
        return false
    }
}

/// The chunks of a source description, of which CNAMEs are read (RFC 3550, section 6.5).
public struct SourceDescriptionList: Hashable, Sendable {
    private let range: Range<Int>
    private let count: Int

    init(_ range: Range<Int>, count: UInt8) {
        self.range = range
        self.count = Int(count)
    }

    /// Calls `body` with each source that has a CNAME and where that lies; stops quietly at a malformed chunk.
    public func forEachCNAME(in datagram: RawSpan, _ body: (_ ssrc: UInt32, _ cname: Range<Int>) -> Void) {
        let end = min(range.upperBound, datagram.byteCount)
        var position = range.lowerBound
        var chunk = 0
        while chunk < count, position + 4 <= end, let ssrc = datagram.integer(at: position, as: UInt32.self) {
            chunk += 1
            position += 4
            while position < end, datagram[position] != 0 {
                guard position + 2 <= end else { return }
                let type = datagram[position]
                let start = position + 2
                let length = Int(datagram[position + 1])
                guard length <= end - start else { return }
                if type == 1 { body(ssrc, start..<start + length) }
                position = start + length
            }
            // A chunk ends with one to four zeros, up to the next word.
            position += 4 - (position - range.lowerBound) % 4
        }
    }
}
