public import Wire

/// What a datagram on the shared media port is, told from its first bytes (RFC 7983, RFC 5761).
@frozen
public enum DatagramKind: UInt8, Hashable, Sendable {
    case stun
    case zrtp
    case dtls
    case turnChannel
    case rtp
    case rtcp
    /// Empty, or a first byte no protocol of the port begins with.
    case unknown

    /// - Parameter secondByte: tells RTCP (packet types 192–223) from RTP; any value for a one-byte datagram.
    @inlinable
    public init(firstByte: UInt8, secondByte: UInt8) {
        switch firstByte {
        case 0...3: self = .stun
        case 16...19: self = .zrtp
        case 20...63: self = .dtls
        case 64...79: self = .turnChannel
        case 128...191: self = (192...223).contains(secondByte) ? .rtcp : .rtp
        default: self = .unknown
        }
    }

    @inlinable
    public init(_ datagram: RawSpan) {
        guard let first = datagram.integer(at: 0, as: UInt8.self) else {
            self = .unknown
            return
        }
        self.init(firstByte: first, secondByte: datagram.integer(at: 1, as: UInt8.self) ?? 0)
    }
}
