import COpenSSL
import Testing
import Wire

@testable import Secure

/// A ``TLSEndpoint`` and an OpenSSL client with a byte stream between them.
final class TLSPair {
    let server: TLSEndpoint
    let client: RawTLSClient
    /// Bytes per delivery.
    var chunk = 60_000
    var drainsPlaintext = true
    /// All plaintext the server has received.
    private(set) var received: [UInt8] = []

    init(
        version: CInt = TLS1_3_VERSION, protocols: [String] = ["http/1.1"], accepted: [String] = ["http/1.1"],
        maximumPendingOutput: Int = 4 << 20
    ) throws {
        let files = try TLSFiles(Identities.first)
        let context = try TLSServerContext(
            certificatePEM: files.certificate, privateKeyPEM: files.key, applicationProtocols: accepted)
        server = try TLSEndpoint(context: context, maximumPendingOutput: maximumPendingOutput)
        client = try RawTLSClient(version: version, protocols: protocols)
    }

    func write(_ bytes: [UInt8]) -> Bool { bytes.withBytes { server.write($0) } }

    /// Carries bytes both ways until there are none.
    func settle() {
        for _ in 0..<20 {
            client.handshake()
            let toServer = client.output()
            var start = 0
            while start < toServer.count {
                let end = min(start + chunk, toServer.count)
                Array(toServer[start..<end]).withBytes { server.received($0) }
                if drainsPlaintext { server.drainPlaintext { received += $0.array } }
                start = end
            }
            var toClient: [UInt8] = []
            server.drainCiphertext { toClient += $0.array }
            if toServer.isEmpty && toClient.isEmpty { return }
            client.input(toClient)
        }
    }
}

@safe
final class RawTLSClient {
    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer

    init(version: CInt, protocols: [String]) throws {
        unsafe context = try #require(SSL_CTX_new(TLS_client_method()))
        unsafe SSL_CTX_set_security_level(context, 0)
        _ = unsafe COpenSSL_SSL_CTX_set_min_proto_version(context, version)
        _ = unsafe COpenSSL_SSL_CTX_set_max_proto_version(context, version)
        unsafe ssl = try #require(SSL_new(context))
        unsafe incoming = try #require(BIO_new(BIO_s_mem()))
        unsafe outgoing = try #require(BIO_new(BIO_s_mem()))
        unsafe SSL_set_bio(ssl, incoming, outgoing)
        _ = unsafe COpenSSL_BIO_set_mem_eof_return(incoming, -1)
        let wire = protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        if !wire.isEmpty { unsafe SSL_set_alpn_protos(ssl, wire, UInt32(wire.count)) }
        unsafe SSL_set_connect_state(ssl)
    }

    deinit {
        unsafe SSL_free(ssl)
        unsafe SSL_CTX_free(context)
    }

    var isConnected: Bool { unsafe SSL_is_init_finished(ssl) == 1 }
    var isClosedByPeer: Bool {
        _ = read()
        return unsafe SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0
    }

    func handshake() {
        ERR_clear_error()
        if !isConnected { unsafe SSL_do_handshake(ssl) }
        ERR_clear_error()
    }

    func write(_ bytes: [UInt8]) {
        ERR_clear_error()
        let written = unsafe SSL_write(ssl, bytes, CInt(bytes.count))
        #expect(written == bytes.count)
    }

    func read() -> [UInt8] {
        ERR_clear_error()
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while case let count = unsafe SSL_read(ssl, &buffer, CInt(buffer.count)), count > 0 {
            all += buffer[..<Int(count)]
        }
        ERR_clear_error()
        return all
    }

    func close() { unsafe SSL_shutdown(ssl) }

    func input(_ bytes: [UInt8]) {
        if !bytes.isEmpty { unsafe BIO_write(incoming, bytes, CInt(bytes.count)) }
    }

    func output() -> [UInt8] {
        var bytes: UnsafeMutablePointer<CChar>?
        let count = unsafe COpenSSL_BIO_get_mem_data(outgoing, &bytes)
        defer { _ = unsafe COpenSSL_BIO_reset(outgoing) }
        return unsafe Array(UnsafeRawBufferPointer(start: bytes, count: max(0, count)))
    }
}
