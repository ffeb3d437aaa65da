public import Wire

/// The header of an RTP packet and where its parts lie (RFC 3550, section 5.1).
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |V=2|P|X|  CC   |M|     PT      |       sequence number         |
///     |                           timestamp                           |
///     |           synchronization source (SSRC) identifier            |
///
/// A plain value without heap, safe to keep after the packet is gone; its ranges are offsets into the datagram.
@frozen
public struct RTPHeader: Hashable, Sendable {
    public var marker: Bool
    public var payloadType: UInt8
    public var sequenceNumber: UInt16
    public var timestamp: UInt32
    public var ssrc: UInt32
    /// The 16 bits that say how the extension block is laid out; 0 when there is no block.
    public var extensionProfile: UInt16
    /// The extension elements, without the four bytes that precede them; empty when there is no block.
    public var extensionBlock: Range<Int>
    /// What follows the header, without padding.
    public var payload: Range<Int>
    /// Padding bytes at the end of the packet, the count byte included.
    public var paddingCount: Int

    public static let minimumSize = 12

    /// Everything before the payload: fixed part, CSRCs, extension block.
    public var headerSize: Int { payload.lowerBound }
    public var hasPadding: Bool { paddingCount > 0 }
    /// Whether the packet carries nothing but padding, as bandwidth probes do.
    public var isPaddingOnly: Bool { paddingCount > 0 && payload.isEmpty }

    /// Reads the header of `datagram`, which must be one whole packet.
    ///
    /// The extension elements are not looked at; ``HeaderExtensionIterator`` does that.
    ///
    /// - Throws: ``WireError/truncated(at:)`` when a length field points past the end and
    ///   ``WireError/malformed(_:)`` for another version or impossible padding; the caller counts and drops.
    public init(parsing datagram: RawSpan) throws(WireError) {
        var reader = ByteReader(datagram)
        let first = try reader.read(UInt8.self)
        guard first >> 6 == 2 else { throw .malformed("RTP version") }
        let second = try reader.read(UInt8.self)
        marker = second & 0x80 != 0
        payloadType = second & 0x7F
        sequenceNumber = try reader.read()
        timestamp = try reader.read()
        ssrc = try reader.read()
        try reader.skip(4 * Int(first & 0x0F))
        extensionProfile = 0
        extensionBlock = reader.offset..<reader.offset
        if first & 0x10 != 0 {
            extensionProfile = try reader.read()
            let words = try reader.read(UInt16.self)
            extensionBlock = try reader.take(4 * Int(words))
        }
        var end = datagram.byteCount
        paddingCount = 0
        if first & 0x20 != 0 {
            guard end > reader.offset else { throw .truncated(at: end) }
            paddingCount = Int(datagram[end - 1])
            guard paddingCount > 0, paddingCount <= end - reader.offset else { throw .malformed("RTP padding") }
            end -= paddingCount
        }
        payload = reader.offset..<end
    }

    /// Appends the fixed twelve bytes of a header without CSRCs and padding.
    ///
    /// - Parameter hasExtension: whether an extension block follows at once.
    public static func append(
        payloadType: UInt8, marker: Bool, sequenceNumber: UInt16, timestamp: UInt32, ssrc: UInt32,
        hasExtension: Bool, to output: inout OutputRawSpan
    ) {
        output.append(hasExtension ? 0x90 : 0x80)
        output.append(payloadType & 0x7F | (marker ? 0x80 : 0))
        output.append(bigEndian: sequenceNumber)
        output.append(bigEndian: timestamp)
        output.append(bigEndian: ssrc)
    }

    /// Appends a whole packet of nothing but padding, ``minimumSize`` bytes and one: a number that holds nothing.
    public static func appendPadding(
        payloadType: UInt8, sequenceNumber: UInt16, timestamp: UInt32, ssrc: UInt32, to output: inout OutputRawSpan
    ) {
        output.append(UInt8(0xA0))
        output.append(payloadType & 0x7F)
        output.append(bigEndian: sequenceNumber)
        output.append(bigEndian: timestamp)
        output.append(bigEndian: ssrc)
        output.append(UInt8(1))
    }
}
