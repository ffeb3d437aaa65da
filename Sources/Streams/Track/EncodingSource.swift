import RTP
import Wire

/// Under which SSRC an encoding comes, and how far it has come. An encoder that begins anew comes under another SSRC (RTP-8);
/// what is late of the one before then must not pass for a change back.
struct EncodingSource {
    /// For how long packets of the former SSRC are late ones.
    static let latenessMilliseconds: UInt64 = 1_000

    private var ssrc: UInt32?
    private var former: (ssrc: UInt32, until: Instant)?
    private var newest: UInt16?
    /// Whether the packet taken last is the newest. One further back than anything late can be is of an encoder that
    /// begins anew under the same SSRC, and is the newest of that.
    private(set) var isInOrder = true

    /// Whether a packet of the encoding counts.
    mutating func takes(_ header: RTPHeader, at now: Instant) -> Bool {
        if header.ssrc != ssrc {
            if let former, former.ssrc == header.ssrc, now < former.until { return false }
            former = ssrc.map { ($0, now.advanced(byMilliseconds: Self.latenessMilliseconds)) }
            ssrc = header.ssrc
            newest = nil
        }
        isInOrder = newest.map { !header.sequenceNumber.isLate(after: $0) } ?? true
        if isInOrder { newest = header.sequenceNumber }
        return true
    }
}

extension UInt16 {
    /// Whether this sequence number lies so little before `newest`, or on it, that its packet can be a late one.
    func isLate(after newest: UInt16) -> Bool { newest &- self < UInt16(StreamRewriter.lateLimit) }

    /// Whether packets of this sequence number and of `other` can belong to one run of numbers.
    func isNear(_ other: UInt16) -> Bool { isLate(after: other) || other.isLate(after: self) }
}
