internal import Wire

/// The little of an RTP packet that protection depends on, read before anything is authenticated.
struct RTPShape {
    static let minimumHeader = 12

    /// The fixed header, contributing sources and extension.
    let headerSize: Int
    let sequenceNumber: UInt16
    let ssrc: UInt32

    /// - Throws: `malformed` when `packet` is not version 2, `tooShort` when it ends before its header does.
    init(_ packet: RawSpan) throws(SRTPError) {
        guard let sequenceNumber = packet.integer(at: 2, as: UInt16.self),
            let ssrc = packet.integer(at: 8, as: UInt32.self)
        else { throw .tooShort }
        guard packet[0] >> 6 == 2 else { throw .malformed }
        var size = Self.minimumHeader + 4 * Int(packet[0] & 0x0F)
        if packet[0] & 0x10 != 0 {
            guard let words = packet.integer(at: size + 2, as: UInt16.self) else { throw .tooShort }
            size += 4 + 4 * Int(words)
        }
        guard size <= packet.byteCount else { throw .tooShort }
        headerSize = size
        self.sequenceNumber = sequenceNumber
        self.ssrc = ssrc
    }
}

/// The fixed parts of a protected RTCP packet.
enum SRTCPShape {
    /// What stays in the clear: the first header and the sender's SSRC.
    static let header = 8
    static let indexWord = 4
    /// The E bit of the index word: the packet is encrypted.
    static let encryptedFlag: UInt32 = 1 << 31
}
