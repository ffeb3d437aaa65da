import Loop
import RTSP
import Secure
import Wire

/// The connection to another RTSP server, plain or over TLS. Confined to its loop.
final class RTSPClientStream {
    private let socket: TCPConnection
    /// nil for plain connections.
    private let tls: TLSEndpoint?
    private var hasConnected = false
    /// What ended the connection, when this side knows it better than the socket.
    private var problem: String?
    private var onConnected: () -> Void = {}
    private var onData: (RawSpan) -> Void = { _ in }

    /// Begins to connect.
    ///
    /// - Parameter context: whom to trust, for `rtsps`.
    init(
        to address: SocketAddress, for url: RTSPURL, trusting context: TLSClientContext?, on loop: EventLoop,
        settings: TCPConnectionSettings = TCPConnectionSettings()
    ) throws {
        tls = try context.map { try TLSEndpoint(client: $0, host: url.host) }
        socket = try TCPConnection.connect(to: address, on: loop, settings: settings)
    }

    /// - Parameters:
    ///   - onConnected: requests may be written; over TLS, the server has shown that it is the one.
    ///   - onClosed: once, with what happened; the last call.
    func start(
        onConnected: @escaping () -> Void, onData: @escaping (RawSpan) -> Void, onClosed: @escaping (String) -> Void
    ) {
        self.onConnected = onConnected
        self.onData = onData
        socket.start(
            onConnected: { [self] in
                if tls == nil { return connected() }
                sendCiphertext()
            },
            onData: { [self] in received($0) },
            onClosed: { [self] reason in
                self.onConnected = {}
                self.onData = { _ in }
                onClosed(problem ?? reason.text)
            })
    }

    private func connected() {
        guard !hasConnected else { return }
        hasConnected = true
        onConnected()
    }

    private func received(_ bytes: RawSpan) {
        guard let tls else { return onData(bytes) }
        tls.received(bytes)
        sendCiphertext()
        switch tls.state {
        case .failed(let reason):
            problem = "TLS: \(reason)"
            return socket.close(afterFlush: true)
        case .open: connected()
        case .handshaking, .halfClosed, .closed: break
        }
        tls.drainPlaintext { onData($0) }
        if tls.state == .halfClosed { socket.close(afterFlush: true) }
    }

    private func sendCiphertext() {
        guard let tls, tls.pendingOutput > 0 else { return }
        // Half a record is worth nothing: a server that cannot take it all is cut off.
        tls.drainCiphertext { if !socket.write($0) { socket.close() } }
    }

    // MARK: writing

    func write(_ bytes: [UInt8]) -> Bool {
        guard tls == nil else { return bytes.withBytes { write($0) } }
        return socket.write(bytes)
    }

    func write(_ bytes: RawSpan) -> Bool {
        guard let tls else { return socket.write(bytes) }
        guard tls.write(bytes) else { return false }
        sendCiphertext()
        return true
    }

    /// Bytes that others send too, which are kept as they are.
    func write(shared bytes: [UInt8]) -> Bool { tls == nil ? socket.write(shared: bytes) : write(bytes) }

    var queuedBytes: Int { socket.queuedBytes }
    var localAddress: SocketAddress { socket.localAddress }
    var isOpen: Bool { socket.isOpen }

    /// Ends the connection once everything is sent.
    func close() {
        if let tls {
            tls.close()
            sendCiphertext()
        }
        socket.close(afterFlush: true)
    }
}

extension TCPCloseReason {
    /// For a log.
    fileprivate var text: String {
        switch self {
        case .requested: "the connection was closed"
        case .peerClosed: "the server closed the connection"
        case .failed(let error): error.description
        case .loopStopped: "the server is stopping"
        }
    }
}

extension RTSPClientMachine.Failure {
    /// For a log: what happened, and what to try.
    var text: String {
        switch self {
        case .refused(let method, let status):
            "the server answered \(method.rawValue) with \(status.code) \(status.phrase)"
        case .unauthorized: "the server does not take the user and password of the URL"
        case .transportRefused: "the server does not carry media the way it was asked to (rtspTransport)"
        case .malformed(let problem): problem
        case .noAnswer(let method): "the server does not answer \(method.rawValue)"
        case .noFirstMedia:
            "the server sends no media, or it does not arrive; a firewall may keep out UDP (rtspTransport)"
        case .noMedia: "the server stopped sending media"
        }
    }
}
