public import Wire

/// One end of a DTLS 1.2 association that exists to agree on SRTP keys (RFC 6347, RFC 5764).
///
/// Not `Sendable`: one owner. Datagrams and instants go in; datagrams, a state and once the keys come out. After
/// every call the owner sends what ``drainDatagrams(_:)`` yields and arms a timer for ``nextDeadline``.
///
///     idle ──start──▶ handshaking ──fingerprint right──▶ connected ──close or close_notify──▶ closed
///                         └──anything that cannot be repaired──▶ failed ◀──fatal alert──┘
///
/// Only datagrams of tuples that ICE has validated may come here: a forged ClientHello costs a signature.
///
/// OpenSSL times its retransmissions by the system's clock, which it reads itself. ``nextDeadline`` asks it how long
/// is left; ``deadlineReached(at:)`` lets it act. Should the system's clock be set back meanwhile, retransmission
/// pauses and the limit of the handshake, which goes by the owner's instants, still holds.
///
/// Left out: DTLS 1.0, 1.3 and resumption, cookies (ICE has validated the tuple), data channels.
public final class DTLSEndpoint {
    public enum Role: Sendable { case client, server }

    public enum State: Hashable, Sendable {
        case idle
        case handshaking
        /// The handshake is complete and the peer's certificate is the promised one.
        case connected
        case failed(DTLSFailure)
        case closed
    }

    public static let defaultHandshakeLimitSeconds: UInt64 = 30
    /// How often a handshake that failed at its first message starts again with a new OpenSSL object.
    static let maximumRestarts = 3
    /// The longest wait OpenSSL is believed; anything above comes from a clock that was set back.
    static let longestTimeout: UInt64 = 4_000_000_000
    /// After so many timeouts the network is taken for very lossy and each flight is sent in two copies, of which the
    /// peer drops the second. At 50 % loss that halves the handshakes that fail.
    static let timeoutsBeforeSendingTwice = 3
    /// Records of one datagram that are looked at once connected.
    static let recordsPerDatagram = 64
    private static let recordHeader = 13
    /// The record type of application data (RFC 6347, section 4.1).
    private static let applicationData: UInt8 = 23
    /// What a datagram, and so a record, must have room for: a record header, a fragment header and some of its body.
    static let minimumMTU = 256

    public let role: Role
    public private(set) var state: State = .idle
    /// Handshakes started again after a first message that could not be used.
    public private(set) var restarts = 0

    private let identity: DTLSIdentity
    private let remoteFingerprints: [CertificateFingerprint]
    private let profiles: [SRTPProfile]
    private let mtu: Int
    private let handshakeLimitSeconds: UInt64
    private var session: DTLSSession?
    private var handshakeDeadline: Instant?
    private var retransmission: Instant?
    private var keys: SRTPKeyMaterial?
    private var timeouts = 0
    private var sendsTwice = false

    /// - Parameters:
    ///   - remoteFingerprints: what the peer's session description promises; with none, every handshake fails.
    ///   - profiles: what is offered or accepted, best first.
    ///   - mtu: the longest datagram sent, in bytes of UDP payload; at least 256.
    ///   - handshakeLimitSeconds: how long the handshake may take.
    public init(
        identity: DTLSIdentity, role: Role, remoteFingerprints: [CertificateFingerprint],
        profiles: [SRTPProfile] = SRTPProfile.preferred, mtu: Int = 1200,
        handshakeLimitSeconds: UInt64 = DTLSEndpoint.defaultHandshakeLimitSeconds
    ) {
        self.identity = identity
        self.role = role
        self.remoteFingerprints = remoteFingerprints
        self.profiles = profiles
        self.mtu = max(mtu, Self.minimumMTU)
        self.handshakeLimitSeconds = max(1, handshakeLimitSeconds)
    }

    /// Starts the clock of the handshake, and as a client sends the first flight. Does nothing a second time.
    public func start(at now: Instant) {
        guard state == .idle else { return }
        state = .handshaking
        handshakeDeadline = now.advanced(bySeconds: handshakeLimitSeconds)
        renewSession()
        if role == .client { advanceHandshake(at: now) }
    }

    /// Takes one datagram that begins like DTLS. Whatever cannot be used is ignored, before ``start(at:)`` everything.
    public func received(_ datagram: RawSpan, at now: Instant) {
        guard let session, datagram.byteCount >= Self.recordHeader, datagram.byteCount <= DTLSSession.maximumDatagram
        else { return }
        switch state {
        case .handshaking:
            // Application data means nothing yet, and anyone on the path can send it. Plaintext would be fatal to OpenSSL;
            // of a later epoch it keeps for after the handshake, which 3.0.19 then fails over.
            guard datagram[0] != Self.applicationData else { return }
            session.feed(datagram)
            advanceHandshake(at: now)
        case .connected:
            session.feed(datagram)
            readRecords()
            // Output is now the final flight again: it was lost, and no timer of ours repeats it.
            sendsTwice = true
        case .idle, .failed, .closed:
            return
        }
    }

    /// When ``deadlineReached(at:)`` wants to be called; nil when nothing is pending.
    public var nextDeadline: Instant? {
        guard state == .handshaking, let handshakeDeadline else { return nil }
        guard let retransmission else { return handshakeDeadline }
        return min(retransmission, handshakeDeadline)
    }

    /// Retransmits the last flight when its time has come, and ends a handshake that takes too long.
    public func deadlineReached(at now: Instant) {
        guard state == .handshaking, let session, let handshakeDeadline else { return }
        if now >= handshakeDeadline { return fail(.timedOut) }
        guard let retransmission, now >= retransmission else { return }
        conclude(session.handleTimeout(), at: now)
        timeouts += 1
        sendsTwice = timeouts > Self.timeoutsBeforeSendingTwice
        scheduleRetransmission(at: now)
    }

    /// Lends each datagram to be sent, none longer than the MTU, and forgets it. `body` must not call this object.
    public func drainDatagrams(_ body: (RawSpan) -> Void) {
        let copies = sendsTwice ? 2 : 1
        sendsTwice = false
        session?.drain { flight in
            for _ in 0..<copies { self.split(flight, body) }
        }
        switch state {
        case .failed, .closed: session = nil
        case .idle, .handshaking, .connected: break
        }
    }

    /// The keys, once: nil before ``State/connected`` and after the first call.
    public func takeKeys() -> SRTPKeyMaterial? {
        guard state == .connected else { return nil }
        defer { keys = nil }
        return keys
    }

    /// Ends the association. A connected peer is told by a close_notify, sent twice because nothing repeats it.
    public func close() {
        switch state {
        case .connected:
            session?.shutdown()
            sendsTwice = true
        case .idle, .handshaking:
            session = nil
        case .failed, .closed:
            return
        }
        end(.closed)
    }

    // MARK: Handshake

    private func renewSession() {
        do throws(SecureError) {
            session = try DTLSSession(identity: identity, isClient: role == .client, profiles: profiles, mtu: mtu)
        } catch {
            fail(.library("\(error)"))
        }
    }

    private func advanceHandshake(at now: Instant) {
        guard let session else { return }
        conclude(session.handshake(), at: now)
        scheduleRetransmission(at: now)
        // The datagram that ended the handshake may carry more.
        if state == .connected { readRecords() }
    }

    private func conclude(_ outcome: SSLConnection.Outcome, at now: Instant) {
        switch outcome {
        case .needsInput: break
        case .done: finishHandshake()
        case .closed: end(.closed)
        case .alert(let description): fail(.alert(description))
        case .failed(let reason): restart(after: reason, at: now)
        }
    }

    /// A first message that cannot be used leaves the OpenSSL object dead, while the peer's real one may still come:
    /// such a failure is forgotten, and no alert betrays it. Any later failure is final.
    private func restart(after reason: String, at now: Instant) {
        guard let session, session.isAtHello, restarts < Self.maximumRestarts else { return fail(.handshake(reason)) }
        restarts += 1
        session.discardOutput()
        renewSession()
        if role == .client { advanceHandshake(at: now) }
    }

    private func finishHandshake() {
        guard let session, state == .handshaking else { return }
        guard session.peerMatches(remoteFingerprints) else { return refuse(.fingerprintMismatch) }
        guard let profile = session.selectedProfile, profiles.contains(profile) else { return refuse(.noCommonProfile) }
        guard let exported = session.exportKeys(profile, isClient: role == .client) else {
            return refuse(.library("key export"))
        }
        keys = exported
        state = .connected
        handshakeDeadline = nil
    }

    private func scheduleRetransmission(at now: Instant) {
        guard state == .handshaking, let left = session?.timeout else {
            retransmission = nil
            return
        }
        retransmission = now.advanced(byNanoseconds: min(left, Self.longestTimeout))
    }

    // MARK: Afterwards

    /// Answers a repeated Finished, notices a close, ignores application data and a new ClientHello.
    private func readRecords() {
        for _ in 0..<Self.recordsPerDatagram {
            guard let session, state == .connected else { return }
            switch session.discardApplicationData() {
            case .done: continue
            case .needsInput: return
            case .closed:
                session.shutdown()
                return end(.closed)
            case .alert(let description): return fail(.alert(description))
            case .failed(let reason): return fail(.handshake(reason))
            }
        }
    }

    /// Ends a handshake that is complete but worthless; the peer is told by an alert.
    private func refuse(_ failure: DTLSFailure) {
        session?.shutdown()
        fail(failure)
    }

    private func fail(_ failure: DTLSFailure) { end(.failed(failure)) }

    private func end(_ final: State) {
        state = final
        keys = nil
        handshakeDeadline = nil
        retransmission = nil
    }

    /// OpenSSL leaves a flight as records back to back; packs as many into a datagram as fit.
    private func split(_ flight: RawSpan, _ body: (RawSpan) -> Void) {
        var start = 0
        var end = 0
        while let length = flight.integer(at: end + 11, as: UInt16.self) {
            let next = min(end + Self.recordHeader + Int(length), flight.byteCount)
            if next - start > mtu, end > start {
                body(flight.extracting(start..<end))
                start = end
            }
            end = next
        }
        if end > start { body(flight.extracting(start..<end)) }
    }
}
