import RTSP
import Secure
import Wire

/// The SRTP of one session (RTSP-24): one key of the server's for all that it sends, and a key of the client's for each
/// track. Confined to its connection's loop.
final class RTSPSecurity {
    /// More than the longest packet and what protection adds to it.
    private static let scratchBytes = 65_535 + 64
    private static let profile = SRTPProfile.aes128CMSHA1_80

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

    /// Lends `packet` encrypted; `false` when it cannot be, or `body` says so.
    func protect(_ packet: RawSpan, _ body: (RawSpan) -> Bool) -> Bool {
        scratch.removeAll()
        let sender = sender
        var isProtected = false
        let fits = scratch.append(maximumSize: packet.byteCount + SRTPProfile.maximumTagLength) { output in
            output.append(contentsOf: packet)
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
