import COpenSSL
import Testing
import Wire

@testable import Secure

/// What a test may change about its client.
@safe
struct RawContext {
    let pointer: OpaquePointer

    func setCiphers(_ list: String) { unsafe SSL_CTX_set_cipher_list(pointer, list) }
    func setGroups(_ list: String) { _ = unsafe COpenSSL_SSL_CTX_set1_groups_list(pointer, list) }

    func setDTLS10() {
        _ = unsafe COpenSSL_SSL_CTX_set_min_proto_version(pointer, DTLS1_VERSION)
        _ = unsafe COpenSSL_SSL_CTX_set_max_proto_version(pointer, DTLS1_VERSION)
        unsafe SSL_CTX_set_security_level(pointer, 0)
        setCiphers("ALL:@SECLEVEL=0")
    }
}

/// An OpenSSL client of the test's own making, for what a ``DTLSEndpoint`` would never send.
@safe
final class RawDTLSClient {
    private let context: OpaquePointer
    let ssl: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer

    /// `configure` gets the context before the connection is made from it.
    init(
        mtu: Int = 1200, paddedBy padding: Int = 0, identity: DTLSIdentity? = nil,
        _ configure: (RawContext) -> Void = { _ in }
    ) throws {
        unsafe context = try #require(SSL_CTX_new(DTLS_client_method()))
        unsafe SSL_CTX_set_options(context, COpenSSL_NO_QUERY_MTU)
        if let identity {
            unsafe SSL_CTX_use_certificate(context, identity.certificate())
            unsafe SSL_CTX_use_PrivateKey(context, SSL_CTX_get0_privatekey(identity.context))
        }
        configure(unsafe RawContext(pointer: context))
        unsafe ssl = try #require(SSL_new(context))
        unsafe input = try #require(BIO_new(BIO_s_mem()))
        unsafe output = try #require(BIO_new(BIO_s_mem()))
        unsafe SSL_set_bio(ssl, input, output)
        _ = unsafe COpenSSL_BIO_set_mem_eof_return(input, -1)
        _ = unsafe COpenSSL_BIO_set_mem_eof_return(output, -1)
        _ = unsafe COpenSSL_SSL_set_mtu(ssl, mtu)
        unsafe SSL_set_tlsext_use_srtp(ssl, "SRTP_AEAD_AES_128_GCM")
        if padding > 0 {
            // Long protocol names make a hello longer than one datagram, as post-quantum key shares do.
            let name = [UInt8(200)] + [UInt8](repeating: 120, count: 200)
            let names = Array(repeatElement(name, count: padding / 201).joined())
            unsafe SSL_set_alpn_protos(ssl, names, UInt32(names.count))
        }
        unsafe SSL_set_connect_state(ssl)
    }

    deinit {
        unsafe SSL_free(ssl)
        unsafe SSL_CTX_free(context)
    }

    var isConnected: Bool { unsafe SSL_is_init_finished(ssl) == 1 }
    var version: String { unsafe String(cString: SSL_get_version(ssl)) }

    /// Goes on with the handshake and returns what is to be sent, one record per datagram.
    func datagrams() -> [[UInt8]] {
        ERR_clear_error()
        unsafe SSL_do_handshake(ssl)
        return records()
    }

    /// What the client sends again once its timer has run out.
    func retransmit() -> [[UInt8]] {
        ERR_clear_error()
        _ = unsafe COpenSSL_DTLSv1_handle_timeout(ssl)
        return records()
    }

    /// Gives the client one datagram; before the handshake's end it answers through ``datagrams()``.
    func receive(_ datagram: [UInt8]) {
        unsafe BIO_write(input, datagram, CInt(datagram.count))
    }

    func write(_ bytes: [UInt8]) -> [[UInt8]] {
        ERR_clear_error()
        unsafe SSL_write(ssl, bytes, CInt(bytes.count))
        return records()
    }

    func records() -> [[UInt8]] {
        var bytes: UnsafeMutablePointer<CChar>?
        let count = unsafe COpenSSL_BIO_get_mem_data(output, &bytes)
        guard count > 0, let start = unsafe bytes else { return [] }
        let all = unsafe UnsafeRawBufferPointer(start: start, count: count).bytes
        var records: [[UInt8]] = []
        var offset = 0
        while let length = all.integer(at: offset + 11, as: UInt16.self) {
            let end = min(offset + 13 + Int(length), all.byteCount)
            records.append(all.array(offset..<end))
            offset = end
        }
        _ = unsafe COpenSSL_BIO_reset(output)
        return records
    }

    /// Exchanges datagrams with `server` until neither has anything to say.
    func converse(with server: DTLSEndpoint, at now: Instant = .seconds(1), first: [[UInt8]]? = nil) {
        var toServer = first ?? datagrams()
        for _ in 0..<20 {
            for datagram in toServer { datagram.withBytes { server.received($0, at: now) } }
            var toClient: [[UInt8]] = []
            server.drainDatagrams { toClient.append($0.array) }
            toServer = []
            for datagram in toClient {
                receive(datagram)
                toServer += datagrams()
            }
            if toServer.isEmpty { return }
        }
    }
}
