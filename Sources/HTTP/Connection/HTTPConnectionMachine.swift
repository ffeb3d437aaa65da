public import Wire

/// One server connection of HTTP/1.x: bytes and instants in, actions out.
///
///     head ──▶ body ──▶ handling ──▶ streaming
///      ▲ │       │         │             │
///      └─┼───────┼─────────┴─────────────┘ keep-alive
///        ▼       ▼
///      lingering (refused)            closing (answered, not to be used again)
///
/// One request is answered at a time; what the client sends ahead waits, up to a bound, and is not even parsed.
/// The machine reads no clock: the owner reports what happened and when, then drains ``nextAction()`` until nil, and
/// calls ``deadlineReached(at:)`` once ``nextDeadline`` has passed. Handlers have no deadline here.
public struct HTTPConnectionMachine: ~Copyable {
    public enum Action: Sendable {
        /// Answer this request by ``respond(_:at:)``, or abandon the connection.
        case deliver(HTTPRequest)
        case send([UInt8])
        /// Forward what the stream gives by ``streamed(_:)`` and ``streamFinished(at:)``; cancel it when the
        /// connection ends first.
        case stream(HTTPBodyStream)
        case pauseReading
        case resumeReading
        /// Close the sending direction once all output is out, and go on reading: a close with unread input would
        /// destroy the answer on its way to the client.
        case finishWriting
        /// Close once all output is out.
        case closeAfterFlush
        /// Close at once.
        case close
    }

    /// What the owner decides about requests that are not complete or not acceptable.
    public struct Policy {
        /// The largest body of a request, whose own body is still empty.
        public var bodyLimit: (HTTPRequest) -> Int
        /// The answer to a request that no handler will see; the request is there when its head was readable.
        public var errorResponse: (HTTPRequestError, HTTPRequest?) -> HTTPResponse

        public init(
            bodyLimit: @escaping (HTTPRequest) -> Int,
            errorResponse: @escaping (HTTPRequestError, HTTPRequest?) -> HTTPResponse = { error, _ in
                .problem(error.status, detail: error.detail)
            }
        ) {
            self.bodyLimit = bodyLimit
            self.errorResponse = errorResponse
        }
    }

    enum Phase { case head, body, handling, streaming, lingering, closing, closed }

    let limits: HTTPLimits
    let policy: Policy
    private let remoteAddress: SocketAddress
    private let isSecure: Bool

    /// The reading that the Date field is extrapolated from; to be renewed when the wall clock may have been set.
    public var wallClock: WallClock

    var phase = Phase.head
    private var headParser: RequestHeadParser
    private var decoder: BodyDecoder?
    var current: RequestHead?
    var framing = ResponseSerializer.Framing.complete
    private var isShuttingDown = false
    private var hasInputEnded = false

    private var actions: [Action] = []
    private var backlog: [UInt8] = []
    private var backlogStart = 0
    private var isReadingPaused = false
    private var lingerRemaining: Int

    private var phaseDeadline: Instant?
    private var stallDeadline: Instant?
    private var lastWritten: UInt64 = 0

    public init(
        limits: HTTPLimits = HTTPLimits(), remoteAddress: SocketAddress, isSecure: Bool, wallClock: WallClock,
        startedAt now: Instant, policy: Policy
    ) {
        self.limits = limits
        self.policy = policy
        self.remoteAddress = remoteAddress
        self.isSecure = isSecure
        self.wallClock = wallClock
        headParser = RequestHeadParser(limits: limits, remoteAddress: remoteAddress, isSecure: isSecure)
        lingerRemaining = limits.lingerBytes
        phaseDeadline = now.advanced(byMilliseconds: limits.headMilliseconds)
    }

    /// What to do next; nil when everything has been done.
    public mutating func nextAction() -> Action? { actions.isEmpty ? nil : actions.removeFirst() }

    /// When the owner must call ``deadlineReached(at:)``; nil when nothing is pending.
    public var nextDeadline: Instant? {
        guard let phaseDeadline else { return stallDeadline }
        guard let stallDeadline else { return phaseDeadline }
        return min(phaseDeadline, stallDeadline)
    }

    public var isClosed: Bool { phase == .closed }
    /// Whether a request is being answered.
    public var isBusy: Bool { phase == .handling || phase == .streaming }

    // MARK: Input

    /// Bytes have come from the client.
    public mutating func received(_ bytes: RawSpan, at now: Instant) {
        if backlogStart == backlog.count {
            backlog.removeAll(keepingCapacity: true)
            backlogStart = 0
            var offset = 0
            process(bytes, from: &offset, at: now)
            backlog.append(contentsOf: bytes.extracting(offset..<bytes.byteCount))
        } else if isReadingPaused, backlog.count - backlogStart > 2 * limits.pipelinedBytes {
            abort()
        } else {
            backlog.append(contentsOf: bytes)
        }
        adjustReading()
    }

    /// The client will send nothing more. It may still be reading, so what it has sent is answered; only a stream ends.
    public mutating func inputEnded(at now: Instant) {
        hasInputEnded = true
        switch phase {
        case .handling, .closing, .closed: break
        case .head, .body, .lingering: closeAfterFlush()
        case .streaming: abort()
        }
    }

    /// The connection is gone. No action follows.
    public mutating func connectionLost() {
        phase = .closed
        phaseDeadline = nil
        stallDeadline = nil
        actions.removeAll()
        backlog = []
        backlogStart = 0
    }

    /// No further request is wanted: closes when idle, else after the response in work.
    public mutating func shutDown(at now: Instant) {
        isShuttingDown = true
        if phase == .head, !headParser.hasStarted { closeAfterFlush() }
    }

    private mutating func process(_ bytes: RawSpan, from offset: inout Int, at now: Instant) {
        while true {
            switch phase {
            case .head:
                let wasIdle = !headParser.hasStarted
                do {
                    guard let head = try headParser.consume(bytes, from: &offset) else {
                        if wasIdle, headParser.hasStarted { startHeadDeadline(at: now) }
                        return
                    }
                    try begin(head, at: now)
                } catch {
                    refuse(error, at: now)
                }
            case .body:
                do {
                    guard try decoder?.consume(bytes, from: &offset) == true else { return }
                    deliver()
                } catch {
                    refuse(error, at: now)
                }
            case .handling, .streaming:
                return
            case .lingering:
                lingerRemaining -= bytes.byteCount - offset
                offset = bytes.byteCount
                if lingerRemaining < 0 { abort() }
                return
            case .closing, .closed:
                offset = bytes.byteCount
                return
            }
        }
    }

    private mutating func begin(_ head: RequestHead, at now: Instant) throws(HTTPRequestError) {
        current = head
        decoder = try BodyDecoder(
            framing: head.framing, limit: max(0, policy.bodyLimit(head.request)), limits: limits)
        if head.expectsContinue { actions.append(.send(ResponseSerializer.interimContinue)) }
        phase = .body
        phaseDeadline = now.advanced(byMilliseconds: limits.bodyMilliseconds)
    }

    private mutating func deliver() {
        guard var request = current?.request else { return }
        request.body = decoder?.body ?? []
        decoder = nil
        phase = .handling
        phaseDeadline = nil
        actions.append(.deliver(request))
    }

    /// The first request's time runs from accepting the connection, so that waiting first buys no more of it.
    private mutating func startHeadDeadline(at now: Instant) {
        let deadline = now.advanced(byMilliseconds: limits.headMilliseconds)
        phaseDeadline = current == nil ? phaseDeadline : deadline
    }

    // MARK: Deadlines

    /// ``nextDeadline`` has passed.
    public mutating func deadlineReached(at now: Instant) {
        if let stallDeadline, stallDeadline <= now {
            abort()
            return
        }
        guard let phaseDeadline, phaseDeadline <= now else { return }
        switch phase {
        case .head where !headParser.hasStarted: closeAfterFlush()
        case .head, .body: refuse(.timeout, at: now)
        case .lingering: abort()
        case .handling, .streaming, .closing, .closed: self.phaseDeadline = nil
        }
    }

    /// How the socket keeps up. To be called after sending, and when the socket has taken bytes.
    ///
    /// - Parameters:
    ///   - written: bytes the socket has taken in the connection's life.
    ///   - pending: bytes still queued for it.
    public mutating func outputReported(written: UInt64, pending: Int, at now: Instant) {
        if pending == 0 {
            stallDeadline = nil
        } else if stallDeadline == nil || written != lastWritten {
            stallDeadline = now.advanced(byMilliseconds: limits.writeStallMilliseconds)
        }
        lastWritten = written
    }

    // MARK: Output

    /// The answer to the request that was delivered. Ignored when there is none (any more).
    public mutating func respond(_ response: HTTPResponse, at now: Instant) {
        guard phase == .handling, let current else {
            if case .stream(let stream) = response.body { stream.cancel() }
            return
        }
        var output: [UInt8] = []
        framing = ResponseSerializer.write(
            response,
            context(current.request, isPersistent: current.isPersistent && !isShuttingDown, at: now), into: &output)
        actions.append(.send(output))
        guard case .stream(let stream) = response.body else {
            finishExchange(at: now)
            return
        }
        guard framing != .complete else {
            stream.cancel()
            finishExchange(at: now)
            return
        }
        phase = .streaming
        actions.append(.stream(stream))
    }

    /// The next bytes of the stream.
    public mutating func streamed(_ bytes: [UInt8]) {
        guard phase == .streaming, !bytes.isEmpty else { return }
        guard framing == .chunked else {
            actions.append(.send(bytes))
            return
        }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + 16)
        ResponseSerializer.writeChunk(bytes, into: &output)
        actions.append(.send(output))
    }

    /// The stream has ended as it should.
    public mutating func streamFinished(at now: Instant) {
        guard phase == .streaming else { return }
        if framing == .chunked { actions.append(.send(ResponseSerializer.lastChunk)) }
        finishExchange(at: now)
    }

    private mutating func finishExchange(at now: Instant) {
        guard current?.isPersistent == true, !isShuttingDown, framing != .closeDelimited else {
            closeAfterFlush()
            return
        }
        phase = .head
        headParser = RequestHeadParser(limits: limits, remoteAddress: remoteAddress, isSecure: isSecure)
        phaseDeadline = now.advanced(byMilliseconds: limits.idleMilliseconds)
        if backlogStart < backlog.count {
            let bytes = backlog
            var offset = backlogStart
            bytes.withBytes { process($0, from: &offset, at: now) }
            backlogStart = offset
        }
        if backlogStart == backlog.count {
            backlog.removeAll(keepingCapacity: true)
            backlogStart = 0
        }
        if hasInputEnded, phase == .head || phase == .body { closeAfterFlush() }
        adjustReading()
    }

    private func context(
        _ request: HTTPRequest?, isPersistent: Bool, at now: Instant
    ) -> ResponseSerializer.Context {
        ResponseSerializer.Context(
            method: request?.method ?? .get, version: request?.version ?? .http11, isPersistent: isPersistent,
            date: HTTPDate.format(now, by: wallClock))
    }

    private mutating func refuse(_ error: HTTPRequestError, at now: Instant) {
        // Of a body that fails the head is known; of a head that fails nothing is, and `current` is the previous one.
        let request = phase == .body || error == .bodyTooLarge ? current?.request : nil
        var output: [UInt8] = []
        let response = policy.errorResponse(error, request)
        _ = ResponseSerializer.write(response, context(request, isPersistent: false, at: now), into: &output)
        if case .stream(let stream) = response.body { stream.cancel() }
        decoder = nil
        actions.append(.send(output))
        actions.append(.finishWriting)
        phase = .lingering
        phaseDeadline = now.advanced(byMilliseconds: limits.lingerMilliseconds)
    }

    private mutating func closeAfterFlush() {
        phase = .closing
        phaseDeadline = nil
        actions.append(.closeAfterFlush)
    }

    private mutating func abort() {
        guard phase != .closed else { return }
        connectionLost()
        actions.append(.close)
    }

    private mutating func adjustReading() {
        let waiting = backlog.count - backlogStart
        if !isReadingPaused, waiting >= limits.pipelinedBytes, isBusy {
            isReadingPaused = true
            actions.append(.pauseReading)
        } else if isReadingPaused, waiting < limits.pipelinedBytes || !isBusy, phase != .closed {
            isReadingPaused = false
            actions.append(.resumeReading)
        }
    }
}
