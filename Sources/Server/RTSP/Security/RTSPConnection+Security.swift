import Loop
import RTSP
import Secure
import Streams
import Synchronization
import Wire

/// Media that is encrypted by itself, beside a connection over TLS or inside it.
extension RTSPConnection {
    /// What clients are told of the keys, on connections that have some.
    static func keyMessage(_ keys: RTSPMediaKeys) -> @Sendable ([UInt32]) -> [UInt8] {
        let bundle = SecureRandom.uint32()
        return { ssrcs in
            MIKEYMessage(keys: keys, bundle: bundle, ssrcs: ssrcs)
                .serialized(ntp: MonotonicClock.wallClock.ntp, random: SecureRandom.bytes(16))
        }
    }

    /// Gives the sessions to come keys of their own. The streams of a room have the same identifiers and numbers for all
    /// sessions, and one key must never encrypt two packets of one number (RFC 3711, section 9.1).
    func renewKeys() {
        guard mediaKeys != nil, let keys = RTSPSecurity.newKeys() else { return }
        mediaKeys = keys
        machine.use(keyMessage: Self.keyMessage(keys))
    }

    /// Whether descriptions ask clients to encrypt: only then may their media travel beside the connection.
    var describesSecurely: Bool {
        machine.configuration.keyMessage != nil && machine.configuration.deliveries.contains(.udp)
    }

    /// What the client is told of where tracks begin that it was sent before: their numbers go on for it alone.
    func ownNumbers(
        _ positions: [Int: (sequenceNumber: UInt16?, timestamp: UInt32?)], of media: [RTSPServerSession.Media],
        _ offer: RTSPReaderOffer
    ) -> [Int: (sequenceNumber: UInt16?, timestamp: UInt32?)] {
        guard let security else { return positions }
        var positions = positions
        for item in media where item.transport.isSecure && offer.formats.indices.contains(item.track) {
            let ssrc = RTSPReaders.ssrc(offer.formats[item.track].kind, numericID: offer.entry.numericID)
            guard let number = security.resume(ssrc) else { continue }
            positions[item.track] = (number, positions[item.track]?.timestamp)
        }
        return positions
    }

    private func secureMedia(_ track: Int) -> (RTSPSecurity, RTSPServerSession.Media)? {
        guard let media = machine.session?.media.first(where: { $0.track == track }), media.transport.isSecure,
            let keys = mediaKeys
        else { return nil }
        if security == nil { security = RTSPSecurity(keys) }
        return security.map { ($0, media) }
    }

    /// Sends a track's packet; `false` when the reader is too slow for it, or it cannot be encrypted.
    func sendProtected(_ packet: RawSpan, track: Int) -> Bool {
        guard let (security, media) = secureMedia(track) else { return false }
        if let channels = media.transport.channels {
            guard hasQueueRoom else { return false }
            return security.protect(packet) { send($0, channel: channels.rtp) }
        }
        guard let tuples = tuples(of: media), let arena = service.datagrams?.arena(of: eventLoop) else { return false }
        return security.protect(packet) { bytes in
            arena.onLoop {
                _ = $0.append(along: tuples.rtp, maximumSize: bytes.byteCount) { $0.append(contentsOf: bytes) }
            }
            return true
        }
    }

    /// Sends a track's reports.
    func sendProtectedControl(_ compound: [UInt8], track: Int) {
        guard let (security, media) = secureMedia(track), let packet = security.protectControl(compound) else { return }
        if let channels = media.transport.channels {
            guard let channel = channels.rtcp else { return }
            packet.withBytes { _ = send($0, channel: channel) }
        } else if let way = reportWay(of: media) {
            service.datagrams?.arena(of: eventLoop).onLoop { $0.send(packet, along: way) }
        }
    }

    /// Takes a packet of a track, encrypted or not.
    func receivedMedia(_ packet: RawSpan, track: Int, isControl: Bool, at now: Instant) {
        guard let media = machine.session?.media.first(where: { $0.track == track }) else { return }
        guard media.transport.isSecure else { return took(packet, track: track, isControl: isControl, at: now) }
        guard let (security, media) = secureMedia(track),
            security.open(
                packet, of: media, isControl: isControl, { took($0, track: track, isControl: isControl, at: now) })
        else {
            service.counters.rejectedProtected.wrappingAdd(1, ordering: .relaxed)
            return
        }
    }

    private func took(_ packet: RawSpan, track: Int, isControl: Bool, at now: Instant) {
        publishing?.received(packet, track: track, isControl: isControl, at: now)
        if let reading, !isControl { return spoke(packet, track: track, reading, at: now) }
        if isControl { reading?.receivedControl(packet, wallClock: eventLoop.wallClock, at: now) }
    }
}
