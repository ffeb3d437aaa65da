import HTTP
import Loop
import Secure
import Wire

/// One client's connection: moves bytes between a socket, TLS where there is any, and the HTTP machine.
///
/// Confined to its server's loop. It reports requests and its own end, and is answered by ``respond(_:)``.
final class HTTPConnection {
    enum Event {
        case requested(HTTPRequest)
        /// The client goes, or has gone: the answer to the request in work is not awaited any more.
        case abandoned
        case accessed(HTTPAccess)
        case closed
    }

    /// Streams are taken from while less than this waits for the socket.
    private static let streamLowWatermark = 64 * 1024
    private static let streamTakeBytes = 32 * 1024
    private static let acknowledgementMilliseconds: Int32 = 30_000

    private let loop: EventLoop
    private let socket: TCPConnection
    private let tls: TLSEndpoint?
    private let settings: HTTPServerSettings
    private let onEvent: (Event) -> Void
    private var machine: HTTPConnectionMachine
    private var timer: (any LoopTimer)?
    private var stream: HTTPBodyStream?
    private var streamSignal: LoopSignal?
    private var isClosed = false

    private var accessed: (request: HTTPRequest, at: Instant)?
    private var streamedStatus: Int?

    init(
        _ accepted: consuming AcceptedSocket, on loop: EventLoop, tls: TLSEndpoint?, settings: HTTPServerSettings,
        router: Router, onEvent: @escaping (Event) -> Void
    ) {
        self.loop = loop
        self.tls = tls
        self.settings = settings
        self.onEvent = onEvent
        let remote = accepted.remoteAddress
        var socketSettings = TCPConnectionSettings()
        socketSettings.maximumQueuedBytes = settings.maximumQueuedBytes
        // Small events never fill the kernel's buffer, so only this finds out that their reader is gone (SSE-11).
        socketSettings.acknowledgementMilliseconds = Self.acknowledgementMilliseconds
        socket = TCPConnection(accepted, on: loop, settings: socketSettings)
        let responses = settings.responses
        machine = HTTPConnectionMachine(
            limits: settings.limits, remoteAddress: remote, isSecure: tls != nil, wallClock: loop.wallClock,
            startedAt: loop.now,
            policy: HTTPConnectionMachine.Policy(bodyLimit: router.bodyLimit) { error, request in
                var response = HTTPResponse.problem(error.status, detail: error.detail)
                responses.apply(to: &response, request: request)
                onEvent(
                    .accessed(
                        HTTPAccess(
                            method: request?.method, path: request.map { HTTPAccess.loggable($0.path) },
                            status: error.status,
                            milliseconds: 0, remote: remote)))
                return response
            })
    }

    func start() {
        timer = loop.makeTimer { [weak self] in self?.deadlineReached() }
        socket.start(
            onData: { [self] in socketReceived($0) },
            onEndOfInput: { [self] in inputEnded() },
            onDrained: { [self] in pump() },
            onClosed: { [self] _ in closed() })
        perform()
    }

    /// The answer to the request that was reported.
    func respond(_ response: HTTPResponse) {
        if let accessed, !isClosed {
            if case .stream = response.body {
                streamedStatus = response.status
            } else {
                report(accessed, status: response.status)
            }
        }
        machine.respond(response, at: loop.now)
        perform()
    }

    /// Closes at once when idle, else after the response in work. Streams end with what is queued in them.
    func shutDown() {
        stream?.finish()
        machine.shutDown(at: loop.now)
        perform()
    }

    /// Closes at once.
    func close() {
        socket.close()
    }

    // MARK: Socket

    private func socketReceived(_ bytes: RawSpan) {
        machine.wallClock = loop.wallClock
        guard let tls else {
            machine.received(bytes, at: loop.now)
            perform()
            return
        }
        tls.received(bytes)
        tls.drainPlaintext { machine.received($0, at: loop.now) }
        sendCiphertext(of: tls)
        perform()
        switch tls.state {
        case .halfClosed: inputEnded()
        case .failed:
            // What waits to be sent is the alert that tells the client why.
            onEvent(.abandoned)
            socket.close(afterFlush: true)
        case .handshaking, .open, .closed: break
        }
    }

    private func inputEnded() {
        onEvent(.abandoned)
        machine.inputEnded(at: loop.now)
        perform()
    }

    private func deadlineReached() {
        reportOutput()
        if let deadline = machine.nextDeadline, deadline <= loop.now { machine.deadlineReached(at: loop.now) }
        perform()
    }

    private func closed() {
        guard !isClosed else { return }
        isClosed = true
        machine.connectionLost()
        timer?.cancel()
        streamSignal?.cancel()
        stream?.cancel()
        stream = nil
        if let accessed { report(accessed, status: streamedStatus) }
        onEvent(.closed)
    }

    private func reportOutput() {
        machine.outputReported(written: socket.statistics.bytesSent, pending: socket.queuedBytes, at: loop.now)
    }

    private func write(_ bytes: [UInt8]) {
        guard let tls else {
            if !socket.write(bytes) { socket.close() }
            return
        }
        if !bytes.withBytes({ tls.write($0) }) { socket.close() }
        sendCiphertext(of: tls)
    }

    private func sendCiphertext(of tls: TLSEndpoint) {
        guard tls.pendingOutput > 0 else { return }
        tls.drainCiphertext { if !socket.write($0) { socket.close() } }
    }

    /// Tells the client that the end of the bytes is the end of what was meant.
    private func closeSecure() {
        guard let tls else { return }
        tls.close()
        sendCiphertext(of: tls)
    }

    // MARK: Machine

    private func perform() {
        while let action = machine.nextAction() {
            switch action {
            case .deliver(let request): deliver(request)
            case .send(let bytes): write(bytes)
            case .stream(let stream): attach(stream)
            case .pauseReading: socket.pauseReading()
            case .resumeReading: socket.resumeReading()
            case .finishWriting:
                closeSecure()
                socket.finishWriting()
            case .closeAfterFlush:
                closeSecure()
                socket.close(afterFlush: true)
            case .close: socket.close()
            }
        }
        guard !isClosed else { return }
        reportOutput()
        if let deadline = machine.nextDeadline { timer?.schedule(at: deadline) } else { timer?.cancel() }
    }

    private func deliver(_ request: HTTPRequest) {
        var request = request
        ForwardedFields.resolve(&request, isTrusted: settings.isTrustedProxy)
        accessed = (request, loop.now)
        onEvent(.requested(request))
    }

    private func report(_ exchange: (request: HTTPRequest, at: Instant), status: Int?) {
        accessed = nil
        streamedStatus = nil
        onEvent(
            .accessed(
                HTTPAccess(
                    method: exchange.request.method, path: HTTPAccess.loggable(exchange.request.path),
                    status: status,
                    milliseconds: loop.now.milliseconds(since: exchange.at), remote: exchange.request.remoteAddress)))
    }

    // MARK: Streams

    private func attach(_ stream: HTTPBodyStream) {
        self.stream = stream
        let signal = loop.makeSignal(name: "HTTP body stream") { [weak self] in self?.pump() }
        streamSignal = signal
        stream.attach { signal.raise() }
        pump()
    }

    /// Moves what the stream holds to the socket, as far as the socket keeps up.
    private func pump() {
        while let stream, !isClosed, socket.queuedBytes < Self.streamLowWatermark {
            switch stream.next(maximumBytes: Self.streamTakeBytes) {
            case .bytes(let bytes): machine.streamed(bytes)
            case .pending:
                perform()
                return
            case .finished:
                self.stream = nil
                streamSignal?.cancel()
                streamSignal = nil
                if let accessed { report(accessed, status: streamedStatus) }
                machine.streamFinished(at: loop.now)
            }
            perform()
        }
        perform()
    }
}
