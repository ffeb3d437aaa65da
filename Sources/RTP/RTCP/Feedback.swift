import Wire

/// The lost packets a generic NACK names (RFC 4585, section 6.2.1).
public struct NegativeAcknowledgementList: Hashable, Sendable {
    private let range: Range<Int>

    init(_ range: Range<Int>) { self.range = range }

    /// How many items of a first packet and a 16-bit mask there are; each names up to 17 packets.
    public var itemCount: Int { range.count / 4 }

    /// Calls `body` with each sequence number named, in the order of the items.
    public func forEach(in datagram: RawSpan, _ body: (_ sequenceNumber: UInt16) -> Void) {
        for index in 0..<itemCount {
            let start = range.lowerBound + 4 * index
            guard let first = datagram.integer(at: start, as: UInt16.self),
                var mask = datagram.integer(at: start + 2, as: UInt16.self)
            else { return }
            body(first)
            while mask != 0 {
                body(first &+ 1 &+ UInt16(truncatingIfNeeded: mask.trailingZeroBitCount))
                mask &= mask - 1
            }
        }
    }
}

/// The entries of a full intra request (RFC 5104, section 4.3.1).
public struct FullIntraRequestList: Hashable, Sendable {
    @frozen public struct Entry: Hashable, Sendable {
        /// The stream that shall send a keyframe.
        public var ssrc: UInt32
        /// The same number again is the same request again.
        public var sequenceNumber: UInt8
    }

    private let range: Range<Int>

    init(_ range: Range<Int>) { self.range = range }

    public var count: Int { range.count / 8 }

    /// Entry `index`; nil when there is none.
    public func entry(at index: Int, in datagram: RawSpan) -> Entry? {
        guard index >= 0, index < count,
            let ssrc = datagram.integer(at: range.lowerBound + 8 * index, as: UInt32.self),
            let number = datagram.integer(at: range.lowerBound + 8 * index + 4, as: UInt8.self)
        else { return nil }
        return Entry(ssrc: ssrc, sequenceNumber: number)
    }
}

/// Tells new full intra requests of one viewer stream from repeated ones (RFC 5104, section 4.3.1.2).
public struct FullIntraRequestFilter: Hashable, Sendable {
    private var last: UInt8?

    public init() {}

    /// Whether the request with this number is a new one.
    public mutating func isNew(_ sequenceNumber: UInt8) -> Bool {
        guard sequenceNumber != last else { return false }
        last = sequenceNumber
        return true
    }
}

/// A receiver's estimate of what its link carries (draft-alvestrand-rmcat-remb-03).
///
///     |  Num SSRC     | BR Exp    |  BR Mantissa                      |
///     |     8 bits    |  6 bits   |  18 bits                          |
@frozen
public struct ReceiverEstimatedBitrate: Hashable, Sendable {
    public var sender: UInt32
    /// Bits per second; estimates of 2^64 and more are capped at the largest value.
    public var bitsPerSecond: UInt64

    /// The letters `REMB`.
    static let identifier: UInt32 = 0x5245_4D42
    /// More sources than a transport has are refused rather than written.
    public static let maximumSSRCCount = 255

    static func parse(
        sender: UInt32, _ content: Range<Int>, in datagram: RawSpan
    ) throws(WireError) -> (Self, SSRCList) {
        let word = try RTCPPacket.word(content, 4, in: datagram)
        let exponent = word >> 18 & 0x3F
        let mantissa = UInt64(word & 0x3_FFFF)
        let bitsPerSecond = mantissa.leadingZeroBitCount >= exponent ? mantissa << UInt64(exponent) : UInt64.max
        let list = try SSRCList(content.lowerBound + 8..<content.upperBound, count: Int(word >> 24))
        return (Self(sender: sender, bitsPerSecond: bitsPerSecond), list)
    }
}

/// The blocks of an extended report that concern round trips (RFC 3611, sections 4.4 and 4.5).
public struct ExtendedReportList: Hashable, Sendable {
    public enum Block: Hashable, Sendable {
        /// A receiver's clock, to be answered by ``delaySinceLastReceiverReport(ssrc:lastReceiverReport:delay:)``.
        case receiverReferenceTime(ntp: UInt64)
        /// One answer: the middle 32 bits of the reference time and how long ago it came, in 1/65536 s.
        case delaySinceLastReceiverReport(ssrc: UInt32, lastReceiverReport: UInt32, delay: UInt32)
    }

    private let range: Range<Int>

    init(_ range: Range<Int>) { self.range = range }

    /// Calls `body` with each block understood; others are skipped by their length, a malformed one ends the walk.
    public func forEach(in datagram: RawSpan, _ body: (Block) -> Void) {
        let end = min(range.upperBound, datagram.byteCount)
        var position = range.lowerBound
        while position + 4 <= end, let words = datagram.integer(at: position + 2, as: UInt16.self) {
            let type = datagram[position]
            let start = position + 4
            let blockEnd = start + 4 * Int(words)
            guard blockEnd <= end else { return }
            if type == 4, blockEnd - start >= 8, let ntp = datagram.integer(at: start, as: UInt64.self) {
                body(.receiverReferenceTime(ntp: ntp))
            } else if type == 5 {
                var item = start
                while item + 12 <= blockEnd, let ssrc = datagram.integer(at: item, as: UInt32.self),
                    let last = datagram.integer(at: item + 4, as: UInt32.self),
                    let delay = datagram.integer(at: item + 8, as: UInt32.self)
                {
                    body(.delaySinceLastReceiverReport(ssrc: ssrc, lastReceiverReport: last, delay: delay))
                    item += 12
                }
            }
            position = blockEnd
        }
    }
}
