import RTSP
import Secure
import Wire

/// The SRTP of one session (RTSP-24): one key of the server's for all that it sends, and a key of the client's for each
/// track. Confined to its connection's loop.
final class RTSPSecurity {
    /// More than the longest packet and what protection adds to it.
    private static let scratchBytes = 65_535 + 64
    private static let profile = SRTPProfile.aes128CMSHA1_80
    /// How far behind others packets may come.
    private static let reordering: Int16 = 1_024

    private final class Receiver {
        let media: SRTPReceiver
        let control: SRTCPReceiver
        let identifier: [UInt8]

        init(_ keys: RTSPMediaKeys) throws(SecureError) {
            let (key, salt) = (SecretBytes(keys.key), SecretBytes(keys.salt))
            media = try SRTPReceiver(profile: RTSPSecurity.profile, key: key, salt: salt)
            control = try SRTCPReceiver(profile: RTSPSecurity.profile, key: key, salt: salt)
            identifier = keys.identifier
        }
    }

    /// How the packets of one stream are numbered for this session.
    private struct Numbering {
        let ssrc: UInt32
        /// The number of the packet sent last.
        var last: UInt16
        /// What is added to the room's numbers.
        var offset: UInt16 = 0
        /// Whether the stream begins again with the next packet.
        var isBeginning = false
        /// The number under which it began last, as long as packets from before may come.
        var first: UInt16?
    }

    private var numberings: [Numbering] = []
    private let sender: SRTPSender
    private let controlSender: SRTCPSender
    private var receivers: [Int: Receiver] = [:]
    private var scratch = PacketBatch(byteCapacity: scratchBytes, packetCapacity: 1)

    /// nil when OpenSSL refuses the keys.
    init?(_ keys: RTSPMediaKeys) {
        let (key, salt) = (SecretBytes(keys.key), SecretBytes(keys.salt))
        guard let sender = try? SRTPSender(profile: Self.profile, key: key, salt: salt),
            let controlSender = try? SRTCPSender(profile: Self.profile, key: key, salt: salt)
        else { return nil }
        self.sender = sender
        self.controlSender = controlSender
    }

    /// Keys for a new session.
    static func newKeys() -> RTSPMediaKeys? {
        RTSPMediaKeys(
            key: SecureRandom.bytes(RTSPMediaKeys.keyLength), salt: SecureRandom.bytes(RTSPMediaKeys.saltLength))
    }

    /// Has the numbers of a stream go on where they ended, once it is sent again: the room's have gone on meanwhile, and a
    /// long way ahead looks like the past to both sides of SRTP (RFC 3711, section 3.3.1).
    ///
    /// - Returns: the number of its next packet; nil when nothing was sent yet, and the room's is taken.
    func resume(_ ssrc: UInt32) -> UInt16? {
        guard let index = numberings.firstIndex(where: { $0.ssrc == ssrc }) else { return nil }
        numberings[index].isBeginning = true
        return numberings[index].last &+ 1
    }

    /// The number of a packet in this session; nil for one from before the session went on, which is out of its time.
    private func number(_ number: UInt16, _ ssrc: UInt32) -> UInt16? {
        guard let index = numberings.firstIndex(where: { $0.ssrc == ssrc }) else {
            numberings.append(Numbering(ssrc: ssrc, last: number))
            return number
        }
        if numberings[index].isBeginning {
            numberings[index].isBeginning = false
            numberings[index].offset = numberings[index].last &+ 1 &- number
            numberings[index].first = number
        } else if let first = numberings[index].first {
            let distance = Int16(bitPattern: number &- first)
            if distance < 0 { return nil }
            if distance >= Self.reordering { numberings[index].first = nil }
        }
        let own = number &+ numberings[index].offset
        if Int16(bitPattern: own &- numberings[index].last) > 0 { numberings[index].last = own }
        return own
    }

    /// Lends `packet` encrypted; `false` when it cannot be, or `body` says so.
    func protect(_ packet: RawSpan, _ body: (RawSpan) -> Bool) -> Bool {
        guard let number: UInt16 = packet.integer(at: 2), let ssrc: UInt32 = packet.integer(at: 8) else { return false }
        guard let number = self.number(number, ssrc) else { return true }
        scratch.removeAll()
        let sender = sender
        var isProtected = false
        let fits = scratch.append(maximumSize: packet.byteCount + SRTPProfile.maximumTagLength) { output in
            output.append(contentsOf: packet.extracting(0..<2))
            output.append(bigEndian: number)
            output.append(contentsOf: packet.extracting(4..<packet.byteCount))
            isProtected = sender.protect(&output)
        }
        guard fits, isProtected else { return false }
        return scratch.withPacket(at: 0, body)
    }

    /// `compound` encrypted; nil when it cannot be.
    func protectControl(_ compound: [UInt8]) -> [UInt8]? {
        var packet = compound
        return controlSender.protect(&packet) ? packet : nil
    }

    /// Lends what a track's packet says; `false` when it is not authentic.
    func open(
        _ packet: RawSpan, of media: RTSPServerSession.Media, isControl: Bool, _ body: (RawSpan) -> Void
    ) -> Bool {
        guard let receiver = receiver(of: media), packet.byteCount <= Self.scratchBytes,
            copyWithoutIdentifier(packet, receiver.identifier)
        else { return false }
        let size: Int? = scratch.withMutablePacket(at: 0) { bytes in
            isControl ? try? receiver.control.unprotect(&bytes) : try? receiver.media.unprotect(&bytes)
        }
        guard let size else { return false }
        scratch.withPacket(at: 0) { body($0.extracting(0..<size)) }
        return true
    }

    /// The identifier of the key stands in front of the tag (RFC 3711, section 3.1).
    private func copyWithoutIdentifier(_ packet: RawSpan, _ identifier: [UInt8]) -> Bool {
        scratch.removeAll()
        guard !identifier.isEmpty else { return scratch.append(copying: packet) }
        let tag = packet.byteCount - Self.profile.controlTagLength
        let start = tag - identifier.count
        guard start >= 0, packet.extracting(start..<tag).array == identifier else { return false }
        return scratch.append(maximumSize: packet.byteCount) { output in
            output.append(contentsOf: packet.extracting(0..<start))
            output.append(contentsOf: packet.extracting(tag..<packet.byteCount))
        }
    }

    private func receiver(of media: RTSPServerSession.Media) -> Receiver? {
        if let receiver = receivers[media.track] { return receiver }
        guard let keys = media.keys, let receiver = try? Receiver(keys) else { return nil }
        receivers[media.track] = receiver
        return receiver
    }
}
