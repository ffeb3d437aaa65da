public import ICE
public import Secure
public import Wire

/// What a transport needs to know before its first datagram.
public struct TransportConfiguration: Sendable {
    public var localCredentials: ICECredentials
    public var remoteCredentials: ICECredentials
    public var remoteFingerprints: [CertificateFingerprint]
    public var role: DTLSRole
    public var identity: DTLSIdentity
    public var iceLimits: ICELimits
    public var handshakeSeconds: UInt64
    /// Random bytes that nobody else knows, for the checks that the server sends itself; it sends none without them.
    public var checkSecret: [UInt8]
    public static let checkSecretLength = 32

    public init(
        localCredentials: ICECredentials, remoteCredentials: ICECredentials,
        remoteFingerprints: [CertificateFingerprint], role: DTLSRole, identity: DTLSIdentity,
        iceLimits: ICELimits = ICELimits(),
        handshakeSeconds: UInt64 = DTLSEndpoint.defaultHandshakeLimitSeconds, checkSecret: [UInt8] = []
    ) {
        self.localCredentials = localCredentials
        self.remoteCredentials = remoteCredentials
        self.remoteFingerprints = remoteFingerprints
        self.role = role
        self.identity = identity
        self.iceLimits = iceLimits
        self.handshakeSeconds = handshakeSeconds
        self.checkSecret = checkSecret
    }
}

/// One WebRTC transport without its sockets: ICE-lite, DTLS and SRTP of one session (RFC 8445, RFC 5764).
///
/// Bytes and instants go in; plaintext comes out in place, answers come out of ``drainOutput(_:)`` and changes of
/// state out of ``takeEvent()``. After every input the owner drains both and asks for ``nextDeadline``.
/// Owned by one actor; nothing here allocates per media packet.
public final class TransportEngine {
    /// Answers waiting to be sent are bounded: a peer cannot make the engine hold more than this.
    static let maximumQueuedOutput = 64
    /// Output is copied through one buffer; a DTLS flight of several records fits easily.
    static let outputCapacity = 64 * 1024

    /// A tuple whose session was silent for longer than any client's interval of checks (RFC 7675: 6 s) is given to
    /// another session that proves itself on it.
    static let contestedTupleSeconds: Int64 = 7

    /// So many packets may go out without a sign of the peer. A stream's numbers may not run away from what the peer has
    /// seen by 32768 or more (SRTP-3), and at a high rate they would before consent is lost.
    static let maximumUnheardPackets = 30_000

    var ice: ICELiteAgent
    private let dtls: DTLSEndpoint
    private(set) var srtpIn: SRTPReceiver?
    private var srtpOut: SRTPSender?
    private(set) var srtcpIn: SRTCPReceiver?
    private var srtcpOut: SRTCPSender?

    private var output = PacketBatch(byteCapacity: outputCapacity, packetCapacity: maximumQueuedOutput)
    private var outputTuples: [TransportTuple] = []
    var response: [UInt8] = []
    private var events: [TransportEvent] = []
    private var nextEvent = 0
    private var closed: TransportCloseReason?
    private var dtlsStarted = false
    private var wasSelected = false
    /// Packets sent since the peer was heard of.
    var unheardPackets = 0

    public internal(set) var drops = TransportDropCounters()
    public private(set) var isConnected = false
    /// How far the session came, also after its end. The engine knows nothing of ``TransportProgress/media``.
    public private(set) var progress = TransportProgress.answered

    public init(_ configuration: TransportConfiguration, startedAt now: Instant) {
        ice = ICELiteAgent(
            local: configuration.localCredentials, remote: configuration.remoteCredentials,
            authentication: .openSSL, startedAt: now, limits: configuration.iceLimits,
            checkSecret: configuration.checkSecret)
        dtls = DTLSEndpoint(
            identity: configuration.identity, role: configuration.role == .client ? .client : .server,
            remoteFingerprints: configuration.remoteFingerprints, profiles: SRTPProfile.preferred,
            handshakeLimitSeconds: configuration.handshakeSeconds)
        outputTuples.reserveCapacity(Self.maximumQueuedOutput)
    }

    public var selectedTuple: TransportTuple? { ice.selectedTuple }
    /// Whether media can be sent: there are keys, an address whose owner consents to it, and signs of the peer.
    public var canSend: Bool {
        isConnected && unheardPackets < Self.maximumUnheardPackets && ice.selectedTuple != nil
    }
    public var validatedTuples: [TransportTuple] { ice.validatedTuples }
    public var isClosed: Bool { closed != nil }
    public var iceStatistics: ICEStatistics { ice.statistics }

    // MARK: input

    /// Takes one datagram; RTP and RTCP are decrypted in place.
    ///
    /// - Parameter isTrial: whether the session is only tried with a datagram that others are tried with as well. What it
    ///   does not take then is none of its ``drops``.
    public func received(
        _ datagram: inout MutableRawSpan, on tuple: TransportTuple, at now: Instant, isTrial: Bool = false
    ) -> ReceivedDatagram {
        guard closed == nil else { return .consumed }
        switch DatagramKind(datagram.bytes) {
        case .stun:
            return receivedSTUN(datagram.bytes, on: tuple, at: now)
        case .dtls:
            receivedDTLS(datagram.bytes, on: tuple, at: now)
            return .consumed
        case .rtp:
            guard ice.isValidated(tuple) else {
                return receivedStray(&datagram, .rtp, on: tuple, at: now, isTrial: isTrial)
            }
            guard let srtpIn else { return drop(\.beforeKeys) }
            do throws(SRTPError) {
                let byteCount = try srtpIn.unprotect(&datagram)
                authenticated(on: tuple, at: now)
                return .rtp(byteCount: byteCount)
            } catch {
                return drop(error)
            }
        case .rtcp:
            guard ice.isValidated(tuple) else {
                return receivedStray(&datagram, .rtcp, on: tuple, at: now, isTrial: isTrial)
            }
            guard let srtcpIn else { return drop(\.beforeKeys) }
            do throws(SRTPError) {
                let byteCount = try srtcpIn.unprotect(&datagram)
                authenticated(on: tuple, at: now)
                return .rtcp(byteCount: byteCount)
            } catch {
                return drop(error)
            }
        case .zrtp, .turnChannel, .unknown:
            return drop(\.malformed)
        }
    }

    private func drop(_ counter: WritableKeyPath<TransportDropCounters, Int>) -> ReceivedDatagram {
        drops[keyPath: counter] &+= 1
        return .consumed
    }

    private func drop(_ error: SRTPError) -> ReceivedDatagram {
        switch error {
        case .replayed, .tooOld: drops.replayed &+= 1
        case .tooManyStreams: drops.tooManySources &+= 1
        case .authenticationFailed: drops.authenticationFailed &+= 1
        default: drops.malformed &+= 1
        }
        return .consumed
    }

    private func authenticated(on tuple: TransportTuple, at now: Instant) {
        unheardPackets = 0
        if ice.mediaReceived(on: tuple, at: now), let selected = ice.selectedTuple { post(.selected(selected)) }
    }

    /// Prepares an ICE restart: checks with the new credentials are heard beside those with the earlier ones, until the
    /// first of them (RFC 8445, section 9). Keys, paths and media stay as they are.
    public func restart(local: ICECredentials, remote: ICECredentials, at now: Instant) {
        ice.restart(local: local, remote: remote, at: now)
    }

    private func receivedSTUN(
        _ datagram: RawSpan, on tuple: TransportTuple, at now: Instant
    ) -> ReceivedDatagram {
        response.removeAll(keepingCapacity: true)
        let restarts = ice.statistics.restarts
        let event = ice.received(datagram, on: tuple, at: now, response: &response)
        if !response.isEmpty { response.withBytes { send($0, to: tuple) } }
        if case .rejected(.unauthenticated) = event { return .refusedCheck }
        if case .ignored = event, STUNMessage.isAnswer(datagram), !ice.isValidated(tuple) { return .refusedAnswer }
        if case .proved(let moved, let evicted) = event {
            ownCheckAnswered(on: tuple, moved: moved, evicted: evicted)
            return .consumed
        }
        guard case .answered(let added, let selectionChanged, let evicted) = event else { return .consumed }
        unheardPackets = 0
        progress = max(progress, .checked)
        if ice.statistics.restarts != restarts { post(.restarted) }
        if let evicted { post(.tupleRemoved(evicted)) }
        // Until media flows each check claims the tuple anew: another session may have held it the last time.
        if added || !isConnected { post(.tupleAdded(tuple)) }
        if selectionChanged, let selected = ice.selectedTuple { post(.selected(selected)) }
        // As DTLS client the server speaks first, on the first tuple that proved itself (DTLS-23).
        startDTLS(at: now)
        drainDTLS(to: ice.handshakeTuple(at: now))
        return .consumed
    }

    private func startDTLS(at now: Instant) {
        guard !dtlsStarted else { return }
        dtlsStarted = true
        dtls.start(at: now)
    }

    /// Whether `datagram` would cost work of the handshake, which its owner may want to put off.
    public func wouldContinueHandshake(_ datagram: RawSpan, on tuple: TransportTuple) -> Bool {
        !isConnected && closed == nil && DatagramKind(datagram) == .dtls && ice.isValidated(tuple)
    }

    /// Takes a DTLS datagram that was put off.
    public func receivedHandshake(_ datagram: RawSpan, on tuple: TransportTuple, at now: Instant) {
        guard closed == nil else { return }
        receivedDTLS(datagram, on: tuple, at: now)
    }

    /// Gives a tuple up to another session that proved itself on it, unless this one has been heard there lately.
    ///
    /// - Returns: whether the tuple is free.
    public func releases(_ tuple: TransportTuple, at now: Instant) -> Bool {
        guard closed == nil else { return true }
        if let heardAt = ice.heard(on: tuple),
            now.nanoseconds(since: heardAt) < Self.contestedTupleSeconds * 1_000_000_000
        {
            return false
        }
        if case .moved(let other) = ice.tupleClosed(tuple, at: now) { post(.selected(other)) }
        post(.tupleRemoved(tuple))
        return true
    }

    /// Reports that the connection behind `tuple` is gone.
    public func connectionClosed(_ tuple: TransportTuple, at now: Instant) {
        guard closed == nil, ice.isValidated(tuple) else { return }
        if case .moved(let other) = ice.tupleClosed(tuple, at: now) { post(.selected(other)) }
        post(.tupleRemoved(tuple))
    }

    /// Whether a check proved `tuple` to be the peer's.
    public func isValidated(_ tuple: TransportTuple) -> Bool { ice.isValidated(tuple) }

    private func receivedDTLS(_ datagram: RawSpan, on tuple: TransportTuple, at now: Instant) {
        guard ice.isValidated(tuple) else {
            drops.unvalidatedTuple &+= 1
            return
        }
        if !isConnected, ice.secureDatagramReceived(on: tuple, at: now), let selected = ice.selectedTuple {
            post(.selected(selected))
        }
        progress = max(progress, .handshaking)
        startDTLS(at: now)
        dtls.received(datagram, at: now)
        afterDTLS(replyTo: tuple)
    }

    private func afterDTLS(replyTo tuple: TransportTuple?) {
        drainDTLS(to: tuple)
        switch dtls.state {
        case .connected:
            guard !isConnected, let keys = dtls.takeKeys() else { return }
            install(keys)
        case .failed(let failure): close(.handshakeFailed(failure))
        case .closed: close(.closedByPeer)
        case .idle, .handshaking: break
        }
    }

    private func install(_ keys: SRTPKeyMaterial) {
        do throws(SecureError) {
            srtpIn = try SRTPReceiver(keys)
            srtcpIn = try SRTCPReceiver(keys)
            srtpOut = try SRTPSender(keys)
            srtcpOut = try SRTCPSender(keys)
            isConnected = true
            progress = .connected
            post(.connected(keys.profile))
        } catch {
            close(.handshakeFailed(.library("\(error)")))
        }
    }

    // MARK: output

    /// Hands every waiting answer to `body`, in order.
    public func drainOutput(_ body: (TransportTuple, RawSpan) -> Void) {
        guard !output.isEmpty else { return }
        for index in 0..<output.count {
            let tuple = outputTuples[index]
            output.withPacket(at: index) { body(tuple, $0) }
        }
        output.removeAll()
        outputTuples.removeAll(keepingCapacity: true)
    }

    /// The next change of state, or nil.
    public func takeEvent() -> TransportEvent? {
        guard nextEvent < events.count else {
            if nextEvent > 0 {
                events.removeAll(keepingCapacity: true)
                nextEvent = 0
            }
            return nil
        }
        defer { nextEvent += 1 }
        return events[nextEvent]
    }

    /// Encrypts the complete RTP packet in `packet`, which needs ``SRTPProfile/maximumTagLength`` bytes of room.
    public func protect(_ packet: inout OutputRawSpan) -> Bool {
        unheardPackets &+= 1
        return srtpOut?.protect(&packet) ?? false
    }

    /// Encrypts the compound RTCP packet in `packet` in place.
    public func protectControl(_ packet: inout [UInt8]) -> Bool { srtcpOut?.protect(&packet) ?? false }

    func post(_ event: TransportEvent) {
        if case .selected = event { wasSelected = true }
        events.append(event)
    }

    func send(_ bytes: RawSpan, to tuple: TransportTuple) {
        guard outputTuples.count < Self.maximumQueuedOutput, output.append(copying: bytes) else { return }
        outputTuples.append(tuple)
    }

    /// Sends the waiting flight to `tuple`; without one it is dropped, as DTLS repeats it, and so it is without consent,
    /// because the address may be somebody else's by now (ICE-28).
    private func drainDTLS(to tuple: TransportTuple?) {
        let target = hasLostConsent ? nil : tuple
        dtls.drainDatagrams { datagram in
            if let target { send(datagram, to: target) }
        }
    }

    private var hasLostConsent: Bool { wasSelected && ice.selectedTuple == nil }

    // MARK: time

    /// When ``deadlineReached(at:)`` must be called; nil when nothing is pending.
    public var nextDeadline: Instant? {
        guard closed == nil else { return nil }
        guard let dtlsDeadline = dtls.nextDeadline else { return ice.nextDeadline }
        guard let iceDeadline = ice.nextDeadline else { return dtlsDeadline }
        return min(iceDeadline, dtlsDeadline)
    }

    public func deadlineReached(at now: Instant) {
        guard closed == nil else { return }
        if let deadline = dtls.nextDeadline, deadline <= now {
            dtls.deadlineReached(at: now)
            afterDTLS(replyTo: ice.handshakeTuple(at: now))
        }
        guard closed == nil else { return }
        switch ice.deadlineReached(at: now) {
        case .wait, .consentLost: break
        case .moved(let tuple): post(.selected(tuple))
        case .neverConnected: close(.neverConnected)
        case .expired: close(.consentLost)
        }
        sendOwnChecks(at: now)
    }

    /// Ends the session from this side: close_notify is left in the output.
    public func close() {
        guard closed == nil else { return }
        if dtlsStarted {
            dtls.close()
            drainDTLS(to: ice.selectedTuple)
        }
        close(.closedLocally)
    }

    private func close(_ reason: TransportCloseReason) {
        guard closed == nil else { return }
        closed = reason
        isConnected = false
        for tuple in ice.validatedTuples { post(.tupleRemoved(tuple)) }
        ice.close()
        post(.closed(reason))
    }
}

extension ICEAuthentication {
    /// The digests of `Secure`, as ICE takes them.
    static let openSSL = ICEAuthentication(
        hmacSHA1: { key, message, code in key.withBytes { Digest.hmacSHA1(key: $0, message, into: &code) } },
        hmacSHA256: { key, message, code in key.withBytes { Digest.hmacSHA256(key: $0, message, into: &code) } })
}
