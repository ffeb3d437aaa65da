import Wire

/// The stream for retransmissions of one viewer's video (RFC 4588), on which the server also sends padding.
///
/// Its packets are numbered by whoever makes the retransmissions; padding that is put between them shifts the numbers,
/// so that the viewer sees one sequence without gaps.
public struct RepairStream: Sendable {
    /// RFC 3550, section 5.1: the count of padding bytes is one byte.
    static let paddingSize = 255

    public let ssrc: UInt32
    public let payloadType: UInt8
    let extensions: HeaderExtensionForwarding
    private let extensionSize: Int
    private var next: UInt16
    private var paddingPackets: UInt16 = 0
    private var timestamp: UInt32 = 0

    /// - Parameter firstSequenceNumber: what the first retransmission will be numbered.
    public init(
        ssrc: UInt32, payloadType: UInt8, firstSequenceNumber: UInt16, extensions: HeaderExtensionForwarding
    ) {
        self.ssrc = ssrc
        self.payloadType = payloadType
        self.extensions = extensions
        extensionSize = extensions.maximumSize(HeaderExtensionIndex())
        next = firstSequenceNumber
    }

    /// The size of a padding packet at most.
    var maximumPaddingSize: Int { RTPHeader.minimumSize + extensionSize + Self.paddingSize }

    /// Shifts the number of a retransmission that leaves now. Other streams' packets are left alone.
    mutating func renumber(_ packet: inout OutputRawSpan) {
        guard packet.byteCount >= RTPHeader.minimumSize, packet.bytes.integer(at: 8, as: UInt32.self) == ssrc,
            let number = packet.bytes.integer(at: 2, as: UInt16.self),
            let timestamp = packet.bytes.integer(at: 4, as: UInt32.self)
        else { return }
        next = number &+ 1
        self.timestamp = timestamp
        if paddingPackets != 0 { packet.set(bigEndian: number &+ paddingPackets, at: 2) }
    }

    /// A retransmission will never leave: the next one takes its number. Other streams' packets are left alone.
    mutating func withdrew(_ packet: RawSpan) {
        guard packet.byteCount >= RTPHeader.minimumSize, packet.integer(at: 8, as: UInt32.self) == ssrc,
            let number = packet.integer(at: 2, as: UInt16.self)
        else { return }
        next = number &+ 1
        paddingPackets &-= 1
    }

    /// A packet of nothing but padding, as it will leave next.
    struct Padding: Sendable {
        fileprivate let stream: RepairStream

        /// Writes it; values that are known only when it leaves are to be filled in.
        func append(to packet: inout OutputRawSpan) -> PacketSlots {
            RTPHeader.append(
                payloadType: stream.payloadType, marker: false, sequenceNumber: stream.next &+ stream.paddingPackets,
                timestamp: stream.timestamp, ssrc: stream.ssrc, hasExtension: stream.extensionSize > 0, to: &packet)
            packet.set(bigEndian: UInt8(stream.extensionSize > 0 ? 0xB0 : 0xA0), at: 0)
            var slots = PacketSlots()
            if stream.extensionSize > 0 {
                slots = stream.extensions.append(HeaderExtensionIndex(), from: RawSpan(), to: &packet)
            }
            for _ in 1..<RepairStream.paddingSize { packet.append(0) }
            packet.append(UInt8(RepairStream.paddingSize))
            return slots
        }
    }

    /// Makes a padding packet, which must leave before anything else on the stream.
    mutating func takePadding() -> Padding {
        defer { paddingPackets &+= 1 }
        return Padding(stream: self)
    }
}
