public import Wire

/// One packet of a compound RTCP datagram, as a value without heap: lists are views by offset into the datagram
/// and are read with the datagram at hand.
///
/// Profile-specific extensions of reports, SDES items other than CNAME, BYE reasons and APP packets are not read.
public enum RTCPPacket: Hashable, Sendable {
    case senderReport(SenderReport, ReportBlockList)
    case receiverReport(ssrc: UInt32, ReportBlockList)
    case sourceDescription(SourceDescriptionList)
    case goodbye(SSRCList)
    case pictureLossIndication(sender: UInt32, media: UInt32)
    case fullIntraRequest(sender: UInt32, FullIntraRequestList)
    case receiverEstimatedBitrate(ReceiverEstimatedBitrate, SSRCList)
    case negativeAcknowledgement(sender: UInt32, media: UInt32, NegativeAcknowledgementList)
    case transportFeedback(TransportFeedback)
    case extendedReport(sender: UInt32, ExtendedReportList)
    /// A type that is not understood: skipped by its length.
    case unknown(packetType: UInt8, count: UInt8)
}

/// RTCP packet types (RFC 3550, section 12.1; RFC 4585, section 6.1; RFC 3611, section 2).
enum RTCPPacketType {
    static let senderReport: UInt8 = 200
    static let receiverReport: UInt8 = 201
    static let sourceDescription: UInt8 = 202
    static let goodbye: UInt8 = 203
    static let transportLayerFeedback: UInt8 = 205
    static let payloadSpecificFeedback: UInt8 = 206
    static let extendedReport: UInt8 = 207
}

/// Feedback message types, the five bits after the padding bit (RFC 4585, RFC 5104, draft-holmer-rmcat).
enum RTCPFeedbackType {
    static let negativeAcknowledgement: UInt8 = 1
    static let transportWide: UInt8 = 15
    static let pictureLossIndication: UInt8 = 1
    static let fullIntraRequest: UInt8 = 4
    static let applicationLayer: UInt8 = 15
}

/// Walks the packets of one RTCP datagram (RFC 3550, section 6.1; reduced-size: RFC 5506).
///
///     0                   1                   2                   3
///     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |V=2|P|  count  |  packet type  |    length in words minus one  |
///
/// Any packet may come first. A bad packet throws and ends the walk; what came before it stays valid.
public struct RTCPIterator: Sendable {
    private var position = 0
    private var hasFailed = false

    public static let headerSize = 4

    public init() {}

    /// Whether `datagram` is RTCP rather than RTP, when both share a port (RFC 5761, section 4).
    public static func isRTCP(_ datagram: RawSpan) -> Bool {
        guard datagram.byteCount >= 2, datagram[0] >> 6 == 2 else { return false }
        return (192...223).contains(datagram[1])
    }

    /// The next packet; nil at the end, and after a failure.
    public mutating func next(in datagram: RawSpan) throws(WireError) -> RTCPPacket? {
        guard !hasFailed, position < datagram.byteCount else { return nil }
        do {
            return try read(datagram)
        } catch {
            hasFailed = true
            throw error
        }
    }

    private mutating func read(_ datagram: RawSpan) throws(WireError) -> RTCPPacket {
        let start = position
        guard let first = datagram.integer(at: start, as: UInt8.self),
            let type = datagram.integer(at: start + 1, as: UInt8.self),
            let words = datagram.integer(at: start + 2, as: UInt16.self)
        else { throw .truncated(at: start) }
        guard first >> 6 == 2 else { throw .malformed("RTCP version") }
        var end = start + Self.headerSize + 4 * Int(words)
        guard end <= datagram.byteCount else { throw .truncated(at: datagram.byteCount) }
        position = end
        if first & 0x20 != 0 {
            let padding = Int(datagram[end - 1])
            guard padding > 0, padding <= end - start - Self.headerSize else { throw .malformed("RTCP padding") }
            end -= padding
        }
        let body = start + Self.headerSize..<end
        return try RTCPPacket(type: type, count: first & 0x1F, body: body, in: datagram)
    }
}

extension RTCPPacket {
    /// Reads one packet whose content after the common header is `body`.
    init(type: UInt8, count: UInt8, body: Range<Int>, in datagram: RawSpan) throws(WireError) {
        switch type {
        case RTCPPacketType.senderReport:
            let report = try SenderReport(body, in: datagram)
            let list = body.lowerBound + SenderReport.size..<body.upperBound
            self = .senderReport(report, try ReportBlockList(list, count: count))
        case RTCPPacketType.receiverReport:
            let ssrc = try Self.word(body, 0, in: datagram)
            self = .receiverReport(
                ssrc: ssrc, try ReportBlockList(body.lowerBound + 4..<body.upperBound, count: count))
        case RTCPPacketType.sourceDescription:
            self = .sourceDescription(SourceDescriptionList(body, count: count))
        case RTCPPacketType.goodbye:
            self = .goodbye(try SSRCList(body, count: Int(count)))
        case RTCPPacketType.transportLayerFeedback:
            try self.init(transportLayer: count, body: body, in: datagram)
        case RTCPPacketType.payloadSpecificFeedback:
            try self.init(payloadSpecific: count, body: body, in: datagram)
        case RTCPPacketType.extendedReport:
            let ssrc = try Self.word(body, 0, in: datagram)
            self = .extendedReport(sender: ssrc, ExtendedReportList(body.lowerBound + 4..<body.upperBound))
        default:
            self = .unknown(packetType: type, count: count)
        }
    }

    private init(transportLayer format: UInt8, body: Range<Int>, in datagram: RawSpan) throws(WireError) {
        let sender = try Self.word(body, 0, in: datagram)
        let media = try Self.word(body, 4, in: datagram)
        let content = body.lowerBound + 8..<body.upperBound
        switch format {
        case RTCPFeedbackType.negativeAcknowledgement:
            self = .negativeAcknowledgement(sender: sender, media: media, NegativeAcknowledgementList(content))
        case RTCPFeedbackType.transportWide:
            self = .transportFeedback(try TransportFeedback(sender: sender, media: media, content, in: datagram))
        default:
            self = .unknown(packetType: RTCPPacketType.transportLayerFeedback, count: format)
        }
    }

    private init(payloadSpecific format: UInt8, body: Range<Int>, in datagram: RawSpan) throws(WireError) {
        let sender = try Self.word(body, 0, in: datagram)
        let media = try Self.word(body, 4, in: datagram)
        let content = body.lowerBound + 8..<body.upperBound
        switch format {
        case RTCPFeedbackType.pictureLossIndication:
            self = .pictureLossIndication(sender: sender, media: media)
        case RTCPFeedbackType.fullIntraRequest:
            self = .fullIntraRequest(sender: sender, FullIntraRequestList(content))
        case RTCPFeedbackType.applicationLayer
        where datagram.integer(at: content.lowerBound, as: UInt32.self) == ReceiverEstimatedBitrate.identifier
            && content.count >= 4:
            let (estimate, ssrcs) = try ReceiverEstimatedBitrate.parse(sender: sender, content, in: datagram)
            self = .receiverEstimatedBitrate(estimate, ssrcs)
        default:
            self = .unknown(packetType: RTCPPacketType.payloadSpecificFeedback, count: format)
        }
    }

    /// The 32-bit word `offset` bytes into `body`.
    static func word(_ body: Range<Int>, _ offset: Int, in datagram: RawSpan) throws(WireError) -> UInt32 {
        let position = body.lowerBound + offset
        guard position + 4 <= body.upperBound, let value = datagram.integer(at: position, as: UInt32.self) else {
            throw .truncated(at: body.upperBound)
        }
        return value
    }
}
