/// Counts what is sent of one stream and makes its sender reports (RFC 3550, section 6.4.1).
public struct SenderStatistics: Hashable, Sendable {
    public private(set) var packets: UInt64 = 0
    /// Payload bytes, without headers and padding.
    public private(set) var octets: UInt64 = 0

    public init() {}

    /// A packet with `payloadSize` bytes of payload was sent. A retransmission on the same SSRC counts again.
    public mutating func sent(payloadSize: Int) {
        packets &+= 1
        octets &+= UInt64(max(0, payloadSize))
    }

    /// A report that `timestamp` of the stream's clock is `ntp` of the wall clock.
    public func makeReport(ssrc: UInt32, ntp: UInt64, timestamp: UInt32) -> SenderReport {
        SenderReport(
            ssrc: ssrc, ntp: ntp, timestamp: timestamp, packetCount: UInt32(truncatingIfNeeded: packets),
            octetCount: UInt32(truncatingIfNeeded: octets))
    }
}
