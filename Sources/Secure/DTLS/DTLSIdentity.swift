internal import COpenSSL
internal import Wire

/// The certificate this process shows in DTLS, and the OpenSSL context built around it.
///
/// Made once and shared by every ``DTLSEndpoint`` on any thread: OpenSSL's context is reference-counted and only read
/// after this initialiser. The key exists in memory only.
@safe
public final class DTLSIdentity: @unchecked Sendable {
    /// SHA-256 of the certificate, for `a=fingerprint` and for peers' checks.
    public let fingerprintSHA256: [UInt8]

    let context: OpaquePointer

    /// Certificates are checked by fingerprint, not by date, so the end only has to lie beyond any uptime.
    public static let validityDays = 3650

    /// A fresh ECDSA P-256 key with a self-signed certificate.
    public static func generate() throws(SecureError) -> DTLSIdentity {
        guard let key = unsafe COpenSSL_EC_generate("P-256") else { throw ErrorQueue.failure("EC key generation") }
        return unsafe try DTLSIdentity(takingKey: key)
    }

    /// Signs a certificate for `key`, which becomes this object's.
    @unsafe
    init(takingKey key: OpaquePointer) throws(SecureError) {
        ErrorQueue.clear()
        defer { unsafe EVP_PKEY_free(key) }
        let certificate = unsafe try Self.certificate(for: key)
        defer { unsafe X509_free(certificate) }
        guard let context = unsafe SSL_CTX_new(DTLS_method()) else { throw ErrorQueue.failure("SSL_CTX_new") }
        unsafe self.context = context
        fingerprintSHA256 = unsafe fingerprint(of: certificate, .sha256)
        let isUsable =
            unsafe SSL_CTX_use_certificate(context, certificate) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1
        guard isUsable else { throw ErrorQueue.failure("certificate") }
        try configure()
    }

    deinit { unsafe SSL_CTX_free(context) }

    private func configure() throws(SecureError) {
        // OpenSSL 3.0 ends at DTLS 1.2; the upper bound keeps a later library from changing what is negotiated.
        let isRestricted =
            unsafe COpenSSL_SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) == 1
            && COpenSSL_SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION) == 1
            && SSL_CTX_set_cipher_list(context, Self.ciphers) == 1
            && COpenSSL_SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1
        guard isRestricted else { throw ErrorQueue.failure("DTLS parameters") }
        unsafe SSL_CTX_set_options(
            context,
            COpenSSL_refusedFeatures | COpenSSL_NO_TICKET | COpenSSL_NO_QUERY_MTU | COpenSSL_CIPHER_SERVER_PREFERENCE)
        _ = unsafe COpenSSL_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        // Every certificate passes here: the fingerprint decides after the handshake and before any key is used.
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT) { _, _ in 1 }
    }

    /// Forward secrecy and authenticated encryption only. Our certificate is ECDSA; RSA serves peers that act as server.
    static let ciphers = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305",
    ].joined(separator: ":")

    @unsafe
    private static func certificate(for key: OpaquePointer) throws(SecureError) -> OpaquePointer {
        guard let certificate = unsafe X509_new() else { throw ErrorQueue.failure("X509_new") }
        let day = 86_400
        // A serial number is at most 20 bytes and positive.
        var serial = SecureRandom.bytes(16)
        serial[0] &= 0x7F
        let number = unsafe BN_bin2bn(serial, CInt(serial.count), nil)
        defer { unsafe BN_free(number) }
        let name = unsafe X509_get_subject_name(certificate)
        let isSigned =
            unsafe X509_set_version(certificate, 2) == 1
            && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil
            && X509_gmtime_adj(X509_getm_notBefore(certificate), -day) != nil
            && X509_gmtime_adj(X509_getm_notAfter(certificate), validityDays * day) != nil
            && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, "martlet", -1, -1, 0) == 1
            && X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1
            && X509_sign(certificate, key, EVP_sha256()) > 0
        guard isSigned else {
            unsafe X509_free(certificate)
            throw ErrorQueue.failure("certificate signing")
        }
        return unsafe certificate
    }
}

/// The hash of the certificate's DER form; empty should OpenSSL be unable to encode it, which matches nothing.
@unsafe
func fingerprint(of certificate: OpaquePointer, _ algorithm: CertificateFingerprint.Algorithm) -> [UInt8] {
    var encoded: UnsafeMutablePointer<UInt8>?
    let count = unsafe i2d_X509(certificate, &encoded)
    guard count > 0, let bytes = unsafe encoded else { return [] }
    defer { unsafe CRYPTO_free(bytes, #file, #line) }
    let span = unsafe UnsafeRawBufferPointer(start: bytes, count: Int(count)).bytes
    return switch algorithm {
    case .sha256: Digest.sha256(span)
    case .sha384: Digest.sha384(span)
    case .sha512: Digest.sha512(span)
    }
}
