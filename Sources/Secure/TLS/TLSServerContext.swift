internal import COpenSSL
internal import Wire

/// A server's certificate, its key and the TLS parameters: what every ``TLSEndpoint`` of a listener shares.
///
/// Immutable and safe on any thread. A renewed certificate is a new context for the connections that follow; those
/// made before keep theirs.
@safe
public final class TLSServerContext: @unchecked Sendable {
    /// Seconds from loading until the certificate expires; negative when it has expired.
    public let remainingValiditySeconds: Int

    let context: OpaquePointer
    private let protocols: ApplicationProtocols

    /// - Parameters:
    ///   - certificatePEM: the content of the certificate file: the server's certificate, then its chain.
    ///   - privateKeyPEM: the content of the key file, not encrypted.
    ///   - applicationProtocols: the ALPN names accepted, best first. A client that offers others only is refused; one
    ///     that offers none is not.
    /// - Throws: ``SecureError/unusableFile(_:)`` with a text for the operator when one of the files is at fault.
    public init(
        certificatePEM: [UInt8], privateKeyPEM: [UInt8], applicationProtocols: [String] = ["http/1.1"]
    ) throws(SecureError) {
        ErrorQueue.clear()
        defer { ErrorQueue.clear() }
        let certificates = try PEMFile.certificates(certificatePEM)
        let key = try PEMFile.privateKey(privateKeyPEM)
        guard let leaf = certificates.first else { throw .unusableFile("certificate file: empty") }
        guard unsafe X509_check_private_key(leaf.pointer, key.pointer) == 1 else {
            throw .unusableFile("the private key does not belong to the (first) certificate of the certificate file")
        }
        remainingValiditySeconds = unsafe Self.remainingValidity(of: leaf.pointer)
        protocols = ApplicationProtocols(applicationProtocols)

        guard let context = unsafe SSL_CTX_new(TLS_server_method()) else { throw ErrorQueue.failure("SSL_CTX_new") }
        unsafe self.context = context
        let isUsable =
            unsafe SSL_CTX_use_certificate(context, leaf.pointer) == 1
            && SSL_CTX_use_PrivateKey(context, key.pointer) == 1
        guard isUsable else {
            throw .unusableFile("certificate file: not accepted: \(ErrorQueue.reason(ErrorQueue.take()))")
        }
        for issuer in certificates.dropFirst() {
            guard unsafe COpenSSL_SSL_CTX_add1_chain_cert(context, issuer.pointer) == 1 else {
                throw .unusableFile("certificate file: chain not accepted: \(ErrorQueue.reason(ErrorQueue.take()))")
            }
        }
        try configure()
    }

    deinit { unsafe SSL_CTX_free(context) }

    private func configure() throws(SecureError) {
        let isRestricted =
            unsafe COpenSSL_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1
            && SSL_CTX_set_cipher_list(context, DTLSIdentity.ciphers) == 1
        guard isRestricted else { throw ErrorQueue.failure("TLS parameters") }
        unsafe SSL_CTX_set_options(context, COpenSSL_refusedFeatures | COpenSSL_CIPHER_SERVER_PREFERENCE)
        // Resumption goes by tickets, which cost this side no memory; idle connections give their buffers back.
        _ = unsafe COpenSSL_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        _ = unsafe COpenSSL_SSL_CTX_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS))
        // The list lives as long as this object, which every endpoint holds.
        let list = unsafe Unmanaged.passUnretained(protocols).toOpaque()
        unsafe SSL_CTX_set_alpn_select_cb(
            context,
            { _, chosen, chosenCount, offered, offeredCount, list in
                guard let chosen = unsafe chosen, let chosenCount = unsafe chosenCount, let offered = unsafe offered,
                    let list = unsafe list
                else {
                    return SSL_TLSEXT_ERR_ALERT_FATAL
                }
                let accepted = unsafe Unmanaged<ApplicationProtocols>.fromOpaque(list).takeUnretainedValue()
                return unsafe accepted.select(chosen, chosenCount, offered, offeredCount)
            }, list)
    }

    @unsafe
    private static func remainingValidity(of certificate: OpaquePointer) -> Int {
        var days: CInt = 0
        var seconds: CInt = 0
        let end = unsafe X509_get0_notAfter(certificate)
        guard unsafe ASN1_TIME_diff(&days, &seconds, nil, end) == 1 else { return 0 }
        return Int(days) * 86_400 + Int(seconds)
    }
}

/// ALPN names in wire form, where OpenSSL's callback can reach them (RFC 7301).
@safe
private final class ApplicationProtocols: Sendable {
    /// Each name after its length; names that do not fit the format are left out.
    private let wire: [UInt8]

    init(_ names: [String]) {
        wire = names.map { Array($0.utf8) }.filter { (1...255).contains($0.count) }
            .flatMap { [UInt8($0.count)] + $0 }
    }

    @unsafe
    func select(
        _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>, _ chosenCount: UnsafeMutablePointer<UInt8>,
        _ offered: UnsafePointer<UInt8>, _ offeredCount: CUnsignedInt
    ) -> CInt {
        let client = unsafe UnsafeBufferPointer(start: offered, count: Int(offeredCount))
        var ours = wire.startIndex
        while ours < wire.endIndex {
            let name = wire[ours + 1...ours + Int(wire[ours])]
            var position = 0
            while position < client.count {
                let count = unsafe Int(client[position])
                let end = position + 1 + count
                guard end <= client.count else { break }
                if unsafe client[position + 1..<end].elementsEqual(name) {
                    // Points into what the client sent, which OpenSSL copies.
                    unsafe chosen.pointee = offered + position + 1
                    unsafe chosenCount.pointee = UInt8(count)
                    return SSL_TLSEXT_ERR_OK
                }
                position = end
            }
            ours = name.endIndex
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
}
