internal import COpenSSL
internal import Wire

/// Whom this side's TLS connections to servers trust: the system's authorities for the server's name, or one certificate
/// by its fingerprint and nothing else.
///
/// Immutable and safe on any thread.
@safe
public final class TLSClientContext: @unchecked Sendable {
    /// What a server's certificate has to be; nil when the system's authorities decide.
    public let fingerprint: CertificateFingerprint?

    let context: OpaquePointer

    public convenience init(fingerprint: CertificateFingerprint? = nil) throws(SecureError) {
        try self.init(fingerprint: fingerprint, isTolerant: false)
    }

    /// For connections to whoever answers, to say what is wrong with its certificate
    /// (``TLSEndpoint/certificateProblem``). What nobody else may read is not to be sent over one with a problem.
    public static func tolerant() throws(SecureError) -> TLSClientContext {
        try TLSClientContext(fingerprint: nil, isTolerant: true)
    }

    private init(fingerprint: CertificateFingerprint?, isTolerant: Bool) throws(SecureError) {
        ErrorQueue.clear()
        defer { ErrorQueue.clear() }
        self.fingerprint = fingerprint
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else { throw ErrorQueue.failure("SSL_CTX_new") }
        unsafe self.context = context
        guard unsafe COpenSSL_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 else {
            throw ErrorQueue.failure("TLS parameters")
        }
        unsafe SSL_CTX_set_options(context, COpenSSL_refusedFeatures)
        _ = unsafe COpenSSL_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        _ = unsafe COpenSSL_SSL_CTX_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS))
        if fingerprint == nil {
            unsafe SSL_CTX_set_default_verify_paths(context)
            // Without SSL_VERIFY_PEER a certificate is judged all the same, and the handshake goes on.
            unsafe SSL_CTX_set_verify(context, isTolerant ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nil)
        } else {
            // The fingerprint is compared after the handshake and before anything is sent.
            unsafe SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        }
    }

    deinit { unsafe SSL_CTX_free(context) }
}
