internal import Wire

/// Checks and decrypts the RTP packets of one direction (RFC 3711 and RFC 7714, without MKI, key derivation rate,
/// encrypted header extensions and cryptex).
///
/// Not `Sendable`: one owner. After the first packet of an SSRC nothing allocates. Nothing is remembered of a packet
/// that is not authentic.
///
/// Measured at 1200 bytes, release build, ns and heap allocations per packet: GCM-128 440 and 0 (libsrtp2 on NSS
/// 790 and 5), GCM-256 470 and 0 (845 and 5), CM with SHA-1 890 and 0 (3900 and 14). Hence OpenSSL here.
public final class SRTPReceiver {
    /// SSRCs one receiver follows. Each holds a replay window; a peer that keeps inventing SSRCs gains nothing.
    public static let maximumStreams = 64
    /// How many sequence numbers behind the newest a packet may be, wide enough for retransmissions.
    public static let window = 4096

    private struct Stream {
        let ssrc: UInt32
        var seen: ReplayWindow
    }

    public let profile: SRTPProfile
    public private(set) var statistics = SRTPReceiveStatistics()
    private let cipher: SRTPCipher
    private var streams: [Stream] = []
    private var latest = 0

    public init(profile: SRTPProfile, key: SecretBytes, salt: SecretBytes) throws(SecureError) {
        self.profile = profile
        cipher = try SRTPCipher(profile: profile, stream: .rtp, direction: .open, key: key, salt: salt)
        streams.reserveCapacity(Self.maximumStreams)
    }

    /// The receiving half of `keys`.
    public convenience init(_ keys: SRTPKeyMaterial) throws(SecureError) {
        try self.init(profile: keys.profile, key: keys.remoteKey, salt: keys.remoteSalt)
    }

    /// Decrypts one datagram in place.
    ///
    /// - Returns: the size of the RTP packet at the start of `packet`; the tag follows it and is of no more use.
    /// - Throws: why the packet must be dropped. Its bytes are then undefined.
    public func unprotect(_ packet: inout MutableRawSpan) throws(SRTPError) -> Int {
        do throws(SRTPError) {
            let count = try open(&packet)
            statistics.accepted &+= 1
            return count
        } catch {
            statistics.count(error)
            throw error
        }
    }

    private func open(_ packet: inout MutableRawSpan) throws(SRTPError) -> Int {
        let end = packet.byteCount - profile.tagLength
        guard end >= RTPShape.minimumHeader else { throw .tooShort }
        let shape = try RTPShape(packet.bytes.extracting(0..<end))

        guard let stream = stream(of: shape.ssrc) else {
            let index = UInt64(shape.sequenceNumber)
            guard authenticate(&packet, shape, end, index) else { throw .authenticationFailed }
            guard streams.count < Self.maximumStreams else { throw .tooManyStreams }
            streams.append(Stream(ssrc: shape.ssrc, seen: ReplayWindow(size: Self.window, first: index)))
            return end
        }

        let index = SRTPPacketIndex.estimate(shape.sequenceNumber, after: streams[stream].seen.highest)
        guard index <= SRTPPacketIndex.maximum else { throw .exhausted }
        switch streams[stream].seen.verdict(index) {
        case .repeated: throw .replayed
        case .tooOld: throw .tooOld
        case .fresh: break
        }
        guard authenticate(&packet, shape, end, index) else { throw .authenticationFailed }
        streams[stream].seen.insert(index)
        return end
    }

    private func stream(of ssrc: UInt32) -> Int? {
        if latest < streams.count, streams[latest].ssrc == ssrc { return latest }
        guard let found = streams.firstIndex(where: { $0.ssrc == ssrc }) else { return nil }
        latest = found
        return found
    }

    private func authenticate(_ packet: inout MutableRawSpan, _ shape: RTPShape, _ end: Int, _ index: UInt64) -> Bool {
        unsafe packet.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return unsafe cipher.open(
                base, header: shape.headerSize, end: end, ssrc: shape.ssrc, index: index,
                trailer: UInt32(truncatingIfNeeded: index >> 16), tag: base + end)
        }
    }
}
