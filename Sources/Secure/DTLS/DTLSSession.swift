internal import COpenSSL
internal import Wire

/// One OpenSSL DTLS object between two memory BIOs: bytes in, bytes out, no policy.
///
/// Every call clears the thread's error queue first, because the owner may run on another thread each time.
@safe
final class DTLSSession {
    enum Outcome {
        case done
        case needsInput
        case closed
        case alert(UInt8)
        case failed(String)
    }

    /// A larger datagram cannot be a DTLS record of ours to read.
    static let maximumDatagram = 16_384 + 256

    private let ssl: OpaquePointer
    // Owned by `ssl`.
    private let input: OpaquePointer
    private let output: OpaquePointer

    init(
        identity: DTLSIdentity, isClient: Bool, profiles: [SRTPProfile], mtu: Int
    ) throws(SecureError) {
        ErrorQueue.clear()
        guard let ssl = unsafe SSL_new(identity.context) else { throw ErrorQueue.failure("SSL_new") }
        guard let input = unsafe BIO_new(BIO_s_mem()), let output = unsafe BIO_new(BIO_s_mem()) else {
            // What was created before memory ran out is not worth the code that would free it.
            throw ErrorQueue.failure("BIO_new")
        }
        unsafe self.ssl = ssl
        unsafe self.input = input
        unsafe self.output = output
        unsafe SSL_set_bio(ssl, input, output)
        // An empty BIO means "not yet", not the end.
        _ = unsafe COpenSSL_BIO_set_mem_eof_return(input, -1)
        _ = unsafe COpenSSL_BIO_set_mem_eof_return(output, -1)
        _ = unsafe COpenSSL_SSL_set_mtu(ssl, mtu)
        let names = profiles.map(\.openSSLName).joined(separator: ":")
        guard unsafe SSL_set_tlsext_use_srtp(ssl, names) == 0 else { throw ErrorQueue.failure("use_srtp") }
        unsafe DTLS_set_timer_cb(ssl) { _, previous in DTLSSession.nextTimeout(after: previous) }
        if isClient { unsafe SSL_set_connect_state(ssl) } else { unsafe SSL_set_accept_state(ssl) }
    }

    deinit { unsafe SSL_free(ssl) }

    /// The retransmission schedule in microseconds: 100 ms, doubling to 4 s. OpenSSL's own starts at 1 s, which is a
    /// second of black picture for every lost flight.
    private static func nextTimeout(after previous: UInt32) -> UInt32 {
        previous == 0 ? 100_000 : min(previous &* 2, 4_000_000)
    }

    /// Replaces what is unread by one datagram. OpenSSL takes the bytes of one read for one datagram.
    func feed(_ datagram: RawSpan) {
        _ = unsafe COpenSSL_BIO_reset(input)
        unsafe datagram.withUnsafeBytes { _ = unsafe BIO_write(input, $0.baseAddress, CInt($0.count)) }
    }

    func handshake() -> Outcome {
        ErrorQueue.clear()
        return outcome(of: unsafe SSL_do_handshake(ssl))
    }

    /// Reads one record of application data and forgets it; `done` means that there may be more.
    func discardApplicationData() -> Outcome {
        ErrorQueue.clear()
        var scratch = InlineArray<512, UInt8>(repeating: 0)
        return unsafe scratch.withMutableBytes { outcome(of: unsafe SSL_read(ssl, $0, 512)) }
    }

    /// Retransmits the last flight if OpenSSL's timer has run out.
    func handleTimeout() -> Outcome {
        ErrorQueue.clear()
        let result = unsafe COpenSSL_DTLSv1_handle_timeout(ssl)
        return result < 0 ? outcome(of: CInt(result)) : .needsInput
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

    /// Queues a close_notify.
    func shutdown() {
        ErrorQueue.clear()
        unsafe SSL_shutdown(ssl)
        ErrorQueue.clear()
    }

    /// Lends everything to be sent, records back to back, and forgets it afterwards.
    func drain(_ body: (RawSpan) -> Void) {
        var bytes: UnsafeMutablePointer<CChar>?
        let count = unsafe COpenSSL_BIO_get_mem_data(output, &bytes)
        guard count > 0, let start = unsafe bytes else { return }
        body(unsafe UnsafeRawBufferPointer(start: start, count: count).bytes)
        _ = unsafe COpenSSL_BIO_reset(output)
    }

    func discardOutput() { _ = unsafe COpenSSL_BIO_reset(output) }

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

    private func outcome(of result: CInt) -> Outcome {
        if result > 0 { return .done }
        let error = unsafe SSL_get_error(ssl, result)
        defer { ErrorQueue.clear() }
        switch error {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .needsInput
        case SSL_ERROR_ZERO_RETURN: return .closed
        default:
            let code = ErrorQueue.take()
            if let alert = ErrorQueue.receivedAlert(code) { return .alert(alert) }
            return .failed(code == 0 ? "error \(error)" : ErrorQueue.reason(code))
        }
    }
}
