internal import COpenSSL
internal import Wire

/// What only the client's side of TLS does.
extension SSLConnection {
    /// Asks for `host` by name, and has its certificate checked for that name or address.
    func expect(host: String) {
        if SocketAddress(host: host, port: 0) != nil {
            unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host)
        } else {
            unsafe SSL_set1_host(ssl, host)
            _ = unsafe COpenSSL_SSL_set_tlsext_host_name(ssl, host)
        }
    }

    /// Why the server's certificate was not trusted; nil when it was, or has not been seen.
    var verificationProblem: String? {
        let result = unsafe SSL_get_verify_result(ssl)
        guard result != Int(X509_V_OK), let text = unsafe X509_verify_cert_error_string(result) else { return nil }
        return unsafe String(cString: text)
    }

    /// The fingerprint of the certificate that the peer showed, for comparing with `other`.
    func peerFingerprint(_ algorithm: CertificateFingerprint.Algorithm) -> CertificateFingerprint? {
        guard let certificate = unsafe SSL_get1_peer_certificate(ssl) else { return nil }
        defer { unsafe X509_free(certificate) }
        return unsafe CertificateFingerprint(
            algorithm: algorithm, bytes: Secure.fingerprint(of: certificate, algorithm))
    }
}
