internal import COpenSSL
internal import Wire

/// One OpenSSL `SSL` object between two memory BIOs: bytes in, bytes out, no policy.
///
/// Every call clears the thread's error queue first, because the owner may run on another thread each time.
@safe
final class SSLConnection {
    enum Outcome {
        case done
        case needsInput
        case closed
        case alert(UInt8)
        case failed(String)
    }

    enum Role { case client, server }

    let ssl: OpaquePointer
    // Owned by `ssl`.
    private let input: OpaquePointer
    private let output: OpaquePointer

    @unsafe
    init(context: OpaquePointer, role: Role) throws(SecureError) {
        ErrorQueue.clear()
        guard let ssl = unsafe SSL_new(context) else { throw ErrorQueue.failure("SSL_new") }
        guard let input = unsafe BIO_new(BIO_s_mem()), let output = unsafe BIO_new(BIO_s_mem()) else {
            unsafe SSL_free(ssl)
            throw ErrorQueue.failure("BIO_new")
        }
        unsafe self.ssl = ssl
        unsafe self.input = input
        unsafe self.output = output
        unsafe SSL_set_bio(ssl, input, output)
        // An empty BIO means "not yet", not the end.
        _ = unsafe COpenSSL_BIO_set_mem_eof_return(input, -1)
        _ = unsafe COpenSSL_BIO_set_mem_eof_return(output, -1)
        switch role {
        case .client: unsafe SSL_set_connect_state(ssl)
        case .server: unsafe SSL_set_accept_state(ssl)
        }
    }

    deinit { unsafe SSL_free(ssl) }

    /// Appends to what is unread.
    func feed(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { _ = unsafe BIO_write(input, $0.baseAddress, CInt(clamping: $0.count)) }
    }

    func discardInput() { _ = unsafe COpenSSL_BIO_reset(input) }

    var pendingInput: Int { Int(unsafe BIO_ctrl_pending(input)) }
    var pendingOutput: Int { Int(unsafe BIO_ctrl_pending(output)) }

    func handshake() -> Outcome {
        ErrorQueue.clear()
        return outcome(of: unsafe SSL_do_handshake(ssl))
    }

    /// Reads at most one record into `buffer`; on `done`, `count` says how many bytes there were.
    @unsafe
    func read(into buffer: UnsafeMutableRawBufferPointer, count: inout Int) -> Outcome {
        ErrorQueue.clear()
        let result = unsafe SSL_read(ssl, buffer.baseAddress, CInt(clamping: buffer.count))
        count = max(0, Int(result))
        return outcome(of: result)
    }

    /// Encrypts all of `bytes`, which are not empty.
    func write(_ bytes: RawSpan) -> Outcome {
        ErrorQueue.clear()
        return unsafe bytes.withUnsafeBytes {
            outcome(of: unsafe SSL_write(ssl, $0.baseAddress, CInt(clamping: $0.count)))
        }
    }

    /// Queues a close_notify, once.
    func shutdown() {
        ErrorQueue.clear()
        unsafe SSL_shutdown(ssl)
        ErrorQueue.clear()
    }

    /// Lends everything to be sent and forgets it afterwards.
    func drain(_ body: (RawSpan) -> Void) {
        var bytes: UnsafeMutablePointer<CChar>?
        let count = unsafe COpenSSL_BIO_get_mem_data(output, &bytes)
        guard count > 0, let start = unsafe bytes else { return }
        body(unsafe UnsafeRawBufferPointer(start: start, count: count).bytes)
        discardOutput()
    }

    func discardOutput() { _ = unsafe COpenSSL_BIO_reset(output) }

    /// What ALPN agreed on.
    var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var count: CUnsignedInt = 0
        unsafe SSL_get0_alpn_selected(ssl, &name, &count)
        guard count > 0, let start = unsafe name else { return nil }
        return unsafe String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
    }

    func outcome(of result: CInt) -> Outcome {
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
