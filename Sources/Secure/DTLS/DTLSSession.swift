internal import COpenSSL
internal import Wire

/// What DTLS adds to an ``SSLConnection``: datagrams, timers, the peer's certificate and the SRTP keys.
@safe
final class DTLSSession {
    /// A larger datagram cannot be a DTLS record of ours to read.
    static let maximumDatagram = 16_384 + 256

    private let connection: SSLConnection
    private var ssl: OpaquePointer { unsafe connection.ssl }

    init(
        identity: DTLSIdentity, isClient: Bool, profiles: [SRTPProfile], mtu: Int
    ) throws(SecureError) {
        connection = unsafe try SSLConnection(context: identity.context, role: isClient ? .client : .server)
        _ = unsafe COpenSSL_SSL_set_mtu(ssl, mtu)
        let names = profiles.map(\.openSSLName).joined(separator: ":")
        guard unsafe SSL_set_tlsext_use_srtp(ssl, names) == 0 else { throw ErrorQueue.failure("use_srtp") }
        unsafe DTLS_set_timer_cb(ssl) { _, previous in DTLSSession.nextTimeout(after: previous) }
    }

    /// The retransmission schedule in microseconds: 100 ms, doubling to 4 s. OpenSSL's own starts at 1 s, which is a
    /// second of black picture for every lost flight.
    private static func nextTimeout(after previous: UInt32) -> UInt32 {
        previous == 0 ? 100_000 : min(previous &* 2, 4_000_000)
    }

    /// Replaces what is unread by one datagram. OpenSSL takes the bytes of one read for one datagram.
    func feed(_ datagram: RawSpan) {
        connection.discardInput()
        connection.feed(datagram)
    }

    func handshake() -> SSLConnection.Outcome { connection.handshake() }

    /// Reads one record of application data and forgets it; `done` means that there may be more.
    func discardApplicationData() -> SSLConnection.Outcome {
        var scratch = InlineArray<512, UInt8>(repeating: 0)
        var count = 0
        return unsafe scratch.withMutableBytes {
            unsafe connection.read(into: UnsafeMutableRawBufferPointer(start: $0, count: 512), count: &count)
        }
    }

    func shutdown() { connection.shutdown() }
    func drain(_ body: (RawSpan) -> Void) { connection.drain(body) }
    func discardOutput() { connection.discardOutput() }

    /// Retransmits the last flight if OpenSSL's timer has run out.
    func handleTimeout() -> SSLConnection.Outcome {
        ErrorQueue.clear()
        let result = unsafe COpenSSL_DTLSv1_handle_timeout(ssl)
        return result < 0 ? connection.outcome(of: CInt(result)) : .needsInput
    }

    /// Nanoseconds until OpenSSL's timer runs out; nil when none is running.
    var timeout: UInt64? {
        var left = timeval()
        guard unsafe COpenSSL_DTLSv1_get_timeout(ssl, &left) == 1, left.tv_sec >= 0, left.tv_usec >= 0 else {
            return nil
        }
        return UInt64(left.tv_sec) &* 1_000_000_000 &+ UInt64(left.tv_usec) &* 1000
    }

    /// Whether nothing beyond the first hello has been understood, so that starting again loses nothing.
    var isAtHello: Bool {
        let state = unsafe SSL_get_state(ssl)
        return state == TLS_ST_BEFORE || state == TLS_ST_SR_CLNT_HELLO || state == TLS_ST_CW_CLNT_HELLO
            || state == TLS_ST_CR_SRVR_HELLO
    }

    /// Whether the peer's certificate has one of `fingerprints`. Of several algorithms the strongest decides
    /// (RFC 8122, section 5.1).
    func peerMatches(_ fingerprints: [CertificateFingerprint]) -> Bool {
        guard let certificate = unsafe SSL_get1_peer_certificate(ssl) else { return false }
        defer { unsafe X509_free(certificate) }
        guard let strongest = fingerprints.map(\.algorithm).max() else { return false }
        let actual = unsafe fingerprint(of: certificate, strongest)
        return fingerprints.contains { promised in
            promised.algorithm == strongest
                && promised.bytes.withBytes { promised in actual.withBytes { constantTimeEquals(promised, $0) } }
        }
    }

    var selectedProfile: SRTPProfile? {
        guard let profile = unsafe SSL_get_selected_srtp_profile(ssl) else { return nil }
        return unsafe UInt16(exactly: profile.pointee.id).flatMap(SRTPProfile.init(rawValue:))
    }

    /// RFC 5764, section 4.2. Nil should OpenSSL refuse to export.
    func exportKeys(_ profile: SRTPProfile, isClient: Bool) -> SRTPKeyMaterial? {
        ErrorQueue.clear()
        let label = "EXTRACTOR-dtls_srtp"
        var block = InlineArray<88, UInt8>(repeating: 0)
        return unsafe block.withMutableBytes { bytes in
            defer { unsafe OPENSSL_cleanse(bytes, 88) }
            let count = profile.keyBlockLength
            guard
                unsafe SSL_export_keying_material(ssl, bytes, count, label, label.utf8.count, nil, 0, 0) == 1
            else { return nil }
            let span = unsafe UnsafeRawBufferPointer(start: bytes, count: count).bytes
            return SRTPKeyMaterial(profile: profile, keyBlock: span, isClient: isClient)
        }
    }
}
