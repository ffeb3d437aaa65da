internal import Wire

/// One end of a TLS connection (TLS 1.2 and 1.3), between a byte stream and plaintext.
///
/// Not `Sendable`: one owner. After every call the owner writes what ``drainCiphertext(_:)`` yields to its socket;
/// after ``received(_:)`` it also takes what ``drainPlaintext(_:)`` yields.
///
///     handshaking ──▶ open ──close_notify──▶ halfClosed ──close──▶ closed
///          └────────────┴──────any error─────────┴──▶ failed
public final class TLSEndpoint {
    public enum State: Hashable, Sendable {
        case handshaking
        case open
        /// The peer will send nothing more; it may still wait for an answer.
        case halfClosed
        /// ``close()`` was called. What is left to drain ends with a close_notify.
        case closed
        /// The connection is to be dropped once the ciphertext, which may hold an alert, is sent. The text is for logs.
        case failed(String)
    }

    /// Plaintext that may wait to be drained; a peer that sends more before the owner looks is cut off.
    public static let maximumPendingInput = 1 << 20
    private static let recordSize = 16_384

    public private(set) var state: State = .handshaking
    /// The ALPN name agreed on, nil when the client offered none.
    public private(set) var applicationProtocol: String?

    private let connection: SSLConnection
    /// Holds the ALPN list that OpenSSL's context points to.
    private let context: any Sendable
    /// What the server's certificate has to be.
    private let pinned: CertificateFingerprint?
    private let maximumPendingOutput: Int
    private var plaintext: [UInt8] = []

    /// The server's end.
    ///
    /// - Parameter maximumPendingOutput: bytes of ciphertext that may wait to be drained before writing is refused.
    public init(context: TLSServerContext, maximumPendingOutput: Int = 4 << 20) throws(SecureError) {
        self.context = context
        pinned = nil
        self.maximumPendingOutput = maximumPendingOutput
        connection = unsafe try SSLConnection(context: context.context, role: .server)
    }

    /// The client's end, which has something to send at once. It opens only to the certificate that `context` trusts.
    ///
    /// - Parameter host: the server's name or address as the user wrote it, without brackets.
    public init(
        client context: TLSClientContext, host: String, maximumPendingOutput: Int = 4 << 20
    ) throws(SecureError) {
        self.context = context
        pinned = context.fingerprint
        self.maximumPendingOutput = maximumPendingOutput
        connection = unsafe try SSLConnection(context: context.context, role: .client)
        connection.expect(host: host)
        advanceHandshake()
    }

    /// What is wrong with the server's certificate, for the client's end once it is open; nil when it is trusted.
    public var certificateProblem: String? { connection.verificationProblem }

    /// Takes bytes read from the socket. Ignored once the connection is over.
    public func received(_ ciphertext: RawSpan) {
        switch state {
        case .handshaking, .open: break
        case .halfClosed, .closed, .failed: return
        }
        guard ciphertext.byteCount <= Self.maximumPendingInput, plaintext.count <= Self.maximumPendingInput else {
            return fail("more input than is read")
        }
        connection.feed(ciphertext)
        if state == .handshaking { advanceHandshake() }
        if state == .open { decrypt() }
        // A peer can ask for answers, such as new keys, without ever reading them.
        if connection.pendingOutput > maximumPendingOutput { fail("more output than is read") }
    }

    /// Lends the decrypted bytes that have arrived and forgets them. `body` must not call this object.
    public func drainPlaintext(_ body: (RawSpan) -> Void) {
        guard !plaintext.isEmpty else { return }
        plaintext.withBytes { body($0) }
        plaintext.removeAll(keepingCapacity: plaintext.capacity <= 4 * Self.recordSize)
    }

    /// Encrypts `bytes`.
    ///
    /// - Returns: `false`, having taken nothing, when the connection is not open or ciphertext beyond the limit waits.
    public func write(_ bytes: RawSpan) -> Bool {
        guard state == .open || state == .halfClosed, bytes.byteCount <= maximumPendingOutput - connection.pendingOutput
        else { return false }
        guard !bytes.isEmpty else { return true }
        guard case .done = connection.write(bytes) else {
            fail("write")
            return false
        }
        return true
    }

    /// Lends everything that must be written to the socket and forgets it. `body` must not call this object.
    public func drainCiphertext(_ body: (RawSpan) -> Void) { connection.drain(body) }

    /// Ciphertext bytes waiting to be drained.
    public var pendingOutput: Int { connection.pendingOutput }

    /// Ends the connection with a close_notify when there was one to speak of.
    public func close() {
        switch state {
        case .open, .halfClosed: connection.shutdown()
        case .handshaking: break
        case .closed, .failed: return
        }
        state = .closed
    }

    private func advanceHandshake() {
        switch connection.handshake() {
        case .needsInput: return
        case .done:
            if let pinned {
                let shown = connection.peerFingerprint(pinned.algorithm)
                guard shown == pinned else {
                    return fail("the server's certificate has another fingerprint: \(shown?.value ?? "none")")
                }
            }
            applicationProtocol = connection.applicationProtocol
            state = .open
        case .closed: fail("closed during the handshake")
        case .alert(let description): fail("alert \(description) during the handshake")
        case .failed(let reason):
            let problem = pinned == nil ? connection.verificationProblem : nil
            fail(problem.map { "the server's certificate is not trusted: \($0)" } ?? reason)
        }
    }

    private func decrypt() {
        while plaintext.count <= Self.maximumPendingInput {
            let outcome = readRecord()
            switch outcome {
            case .done: continue
            case .needsInput: return
            case .closed:
                state = .halfClosed
                return
            case .alert(let description): return fail("alert \(description)")
            case .failed(let reason): return fail(reason)
            }
        }
    }

    /// Appends one record's worth of plaintext.
    private func readRecord() -> SSLConnection.Outcome {
        var outcome = SSLConnection.Outcome.needsInput
        unsafe withUnsafeTemporaryAllocation(byteCount: Self.recordSize, alignment: 1) { buffer in
            var count = 0
            outcome = unsafe connection.read(into: buffer, count: &count)
            unsafe plaintext.append(contentsOf: buffer[..<count])
        }
        return outcome
    }

    private func fail(_ reason: String) { state = .failed(reason) }
}
