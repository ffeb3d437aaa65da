import Wire

/// Frames of media inside a connection: a dollar sign, the channel, the length, the packet (RFC 2326, section 10.12).
public enum InterleavedFrame {
    public static let headerSize = 4

    /// Appends `packet`; one that is too long for a frame is left out.
    public static func append(_ packet: RawSpan, channel: UInt8, to bytes: inout [UInt8]) {
        guard packet.byteCount <= 0xFFFF else { return }
        bytes.append(UInt8(ascii: "$"))
        bytes.append(channel)
        bytes.append(bigEndian: UInt16(packet.byteCount))
        bytes.append(contentsOf: packet)
    }
}
