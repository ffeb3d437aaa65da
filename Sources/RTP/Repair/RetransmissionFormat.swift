import Wire

/// The packet format of retransmissions on a stream of their own (RFC 4588, section 4): the original packet with
/// another SSRC, payload type and sequence number, its own sequence number in the first two bytes of the payload.
public enum RetransmissionFormat {
    /// What the original sequence number adds to a packet.
    public static let overhead = 2

    public enum Unwrapped: Hashable, Sendable {
        /// The original packet has been written.
        case packet
        /// No payload at all: the sender probes the link.
        case probe
        /// Too short for an original sequence number, or not the packet the header was read from.
        case malformed
    }

    /// Appends the original of a retransmission to `output`: header extensions as they came, without padding.
    ///
    /// - Parameters:
    ///   - header: of the retransmission in `packet`.
    ///   - ssrc: of the stream that is repaired.
    ///   - payloadType: what the retransmission's payload type stands for (`apt`).
    public static func unwrap(
        _ packet: RawSpan, header: RTPHeader, ssrc: UInt32, payloadType: UInt8, into output: inout [UInt8]
    ) -> Unwrapped {
        guard !header.payload.isEmpty else { return .probe }
        guard header.payload.count >= overhead, header.headerSize >= RTPHeader.minimumSize,
            header.payload.upperBound <= packet.byteCount,
            let sequenceNumber = packet.integer(at: header.payload.lowerBound, as: UInt16.self)
        else { return .malformed }
        let start = output.count
        output.append(contentsOf: packet.extracting(0..<header.payload.lowerBound))
        output.append(contentsOf: packet.extracting(header.payload.lowerBound + overhead..<header.payload.upperBound))
        output[start] &= ~0x20
        output[start + 1] = payloadType & 0x7F | (header.marker ? 0x80 : 0)
        output.set(bigEndian: sequenceNumber, at: start + 2)
        output.set(bigEndian: ssrc, at: start + 8)
        return .packet
    }

    /// Appends the retransmission of `packet` to `output`, without its padding.
    ///
    /// - Parameters:
    ///   - header: of `packet`.
    ///   - ssrc, payloadType, sequenceNumber: of the retransmission stream.
    public static func wrap(
        _ packet: RawSpan, header: RTPHeader, ssrc: UInt32, payloadType: UInt8, sequenceNumber: UInt16,
        into output: inout [UInt8]
    ) {
        guard header.headerSize >= RTPHeader.minimumSize, header.payload.upperBound <= packet.byteCount else { return }
        let start = output.count
        output.append(contentsOf: packet.extracting(0..<header.payload.lowerBound))
        output.append(bigEndian: header.sequenceNumber)
        output.append(contentsOf: packet.extracting(header.payload))
        output[start] &= ~0x20
        output[start + 1] = payloadType & 0x7F | (header.marker ? 0x80 : 0)
        output.set(bigEndian: sequenceNumber, at: start + 2)
        output.set(bigEndian: ssrc, at: start + 8)
    }
}
