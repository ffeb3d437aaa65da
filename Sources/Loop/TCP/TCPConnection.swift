internal import CLinux
internal import Glibc
public import Wire

/// Why a connection is over.
public enum TCPCloseReason: Hashable, Sendable {
    /// ``TCPConnection/close(afterFlush:)`` was called.
    case requested
    /// The peer finished sending, and nobody had use for the half that was left.
    case peerClosed
    case failed(LoopError)
    case loopStopped
}

public struct TCPConnectionSettings: Sendable {
    /// Bound of what waits to be sent; writes beyond it are refused.
    public var maximumQueuedBytes = 4 << 20
    /// How long an orderly close waits for the peer's end, so that what was sent last is not lost to a reset.
    public var lingerMilliseconds: UInt64 = 2_000
    /// How long the peer may acknowledge nothing of what was sent before the connection ends; nil leaves it to the
    /// kernel, which takes a quarter of an hour.
    public var acknowledgementMilliseconds: Int32?

    public init() {}
}

/// A TCP connection on one loop. Loop-confined; from ``start(onConnected:onData:onEndOfInput:onDrained:onClosed:)`` until
/// its end it keeps itself alive.
///
///     connecting ──▶ open ──close(afterFlush)──▶ flushing ──queue empty, FIN──▶ lingering ──▶ closed
///         └────────────┴────close, error, loop stopped─────────┴──────────────────┴────────────▲
///
/// What is written in a turn leaves together at its end.
public final class TCPConnection {
    public struct Statistics: Hashable, Sendable {
        public var bytesReceived: UInt64 = 0
        public var bytesSent: UInt64 = 0
        /// System calls that sent something, or tried to.
        public var sendCalls: UInt64 = 0
        /// Writes refused because the queue was full.
        public var refusedWrites: UInt64 = 0
        public var lastReceived: Instant
        /// When the kernel last took bytes, or the queue last had none: a stalled peer shows as this growing old while
        /// ``TCPConnection/queuedBytes`` is not 0.
        public var lastSent: Instant
    }

    private enum State { case connecting, open, flushing, lingering, closed }

    private struct Handlers {
        var onConnected: (() -> Void)?
        var onData: (RawSpan) -> Void
        var onEndOfInput: (() -> Void)?
        var onDrained: (() -> Void)?
        var onClosed: (TCPCloseReason) -> Void
    }

    /// Reads of one turn, each as large as the loop's buffer.
    private static let readsPerTurn = 4
    /// Queued bytes at which sending does not wait for the end of the turn.
    private static let eagerBytes = 64 << 10

    private let loop: EventLoop
    private let settings: TCPConnectionSettings
    private let number: CInt
    private var descriptor: Descriptor?
    private var state: State
    private var handlers: Handlers?
    private var watch: DescriptorWatch?
    private var flushHook: (any TurnHook)?
    private var lingerTimer: (any LoopTimer)?
    private var queue = WriteQueue()
    private var isPaused = false
    private var hasEndOfInput = false
    private var mustFinishWriting = false
    private var hasFinishedWriting = false
    /// Whether ``onDrained`` is owed: the socket or the bound made somebody wait.
    private var owesDrained = false
    private var reasonAfterFlush = TCPCloseReason.requested

    public private(set) var localAddress: SocketAddress
    public let remoteAddress: SocketAddress
    public private(set) var statistics: Statistics

    /// Watches nothing until it is started.
    public init(
        _ socket: consuming AcceptedSocket, on loop: EventLoop,
        settings: TCPConnectionSettings = TCPConnectionSettings()
    ) {
        loop.preconditionCurrent()
        self.loop = loop
        self.settings = settings
        number = socket.descriptor.number
        localAddress = socket.localAddress
        remoteAddress = socket.remoteAddress
        state = socket.isConnecting ? .connecting : .open
        descriptor = .some(socket.descriptor)
        statistics = Statistics(lastReceived: loop.now, lastSent: loop.now)
        // Fails on sockets that are broken already, which reading tells better.
        _ = clinux_set_no_delay(number)
        if let timeout = settings.acknowledgementMilliseconds { _ = clinux_set_user_timeout(number, timeout) }
    }

    /// Begins to connect to `address`. Writing may begin at once.
    public static func connect(
        to address: SocketAddress, on loop: EventLoop, settings: TCPConnectionSettings = TCPConnectionSettings()
    ) throws(LoopError) -> TCPConnection {
        TCPConnection(try AcceptedSocket(connectingTo: address), on: loop, settings: settings)
    }

    /// Begins to read. Handlers run on the loop, never from inside a call of this object's, and are dropped at the end.
    ///
    /// - Parameters:
    ///   - onConnected: an outgoing connection stands.
    ///   - onData: bytes came; they are valid during the call only.
    ///   - onEndOfInput: the peer finished sending; writing still works. Without it the connection flushes and closes.
    ///   - onDrained: nothing waits to be sent any more, after the peer was too slow or a write was refused.
    ///   - onClosed: exactly once, and the last call of all.
    public func start(
        onConnected: (() -> Void)? = nil, onData: @escaping (RawSpan) -> Void, onEndOfInput: (() -> Void)? = nil,
        onDrained: (() -> Void)? = nil, onClosed: @escaping (TCPCloseReason) -> Void
    ) {
        precondition(handlers == nil && watch == nil, "a connection starts once")
        handlers = Handlers(
            onConnected: onConnected, onData: onData, onEndOfInput: onEndOfInput, onDrained: onDrained,
            onClosed: onClosed)
        guard state != .closed else { return deliverClosed(.requested) }
        flushHook = loop.makeTurnHook(name: "tcp send") { self.flush() }
        do {
            watch = try loop.watch(number, for: interest, name: "tcp") { self.ready($0) }
        } catch {
            end(.failed(error))
        }
        if !queue.isEmpty { flushHook?.request() }
    }

    // MARK: Writing

    /// False from ``close(afterFlush:)`` or the end of the connection on.
    public var isOpen: Bool { state == .open || state == .connecting }

    /// Bytes the kernel has not taken yet.
    public var queuedBytes: Int { queue.byteCount }

    /// Queues `bytes`; a large array is kept, not copied.
    ///
    /// - Returns: `false`, having taken nothing, when the queue would go over its bound or the connection is closing.
    public func write(_ bytes: [UInt8]) -> Bool {
        guard accepts(bytes.count) else { return false }
        queue.append(bytes)
        return afterWrite()
    }

    /// Queues a copy of `bytes`; see ``write(_:)-([UInt8])``.
    public func write(_ bytes: RawSpan) -> Bool {
        guard accepts(bytes.byteCount) else { return false }
        queue.append(copying: bytes)
        return afterWrite()
    }

    /// Queues `bytes`, which other connections send too: they are kept as they are, and what waits leaves with one
    /// system call. See ``write(_:)-([UInt8])``.
    public func write(shared bytes: [UInt8]) -> Bool {
        guard accepts(bytes.count) else { return false }
        queue.append(shared: bytes)
        return afterWrite()
    }

    /// Queues copies of `first` and `second` together, or neither.
    public func write(_ first: RawSpan, _ second: RawSpan) -> Bool {
        guard accepts(first.byteCount + second.byteCount) else { return false }
        queue.append(copying: first)
        queue.append(copying: second)
        return afterWrite()
    }

    private func accepts(_ count: Int) -> Bool {
        guard isOpen, !mustFinishWriting else { return false }
        if queue.byteCount + count > settings.maximumQueuedBytes, state == .open { sendQueue() }
        guard isOpen, queue.byteCount + count <= settings.maximumQueuedBytes else {
            statistics.refusedWrites &+= 1
            owesDrained = true
            return false
        }
        if queue.isEmpty { statistics.lastSent = loop.now }
        return true
    }

    private func afterWrite() -> Bool {
        if state == .open, !owesDrained, queue.byteCount >= Self.eagerBytes { sendQueue() }
        flushHook?.request()
        return true
    }

    /// Sends FIN after what is queued; reading goes on.
    public func finishWriting() {
        guard isOpen else { return }
        mustFinishWriting = true
        flushHook?.request()
    }

    /// Hands the kernel what it takes; a failure ends the connection.
    private func sendQueue() {
        guard !queue.isEmpty else { return }
        let (sent, error) = queue.send(to: number, &statistics.sendCalls)
        if sent > 0 {
            statistics.bytesSent &+= UInt64(sent)
            statistics.lastSent = loop.now
        }
        switch error {
        case 0, EINTR: break
        case EAGAIN: owesDrained = true
        default: end(.failed(LoopError("send to tcp \(remoteAddress)", code: error)))
        }
    }

    /// The end of a turn in which something was written, or the socket takes bytes again.
    private func flush() {
        guard state == .open || state == .flushing else { return }
        sendQueue()
        guard state != .closed else { return }
        if queue.isEmpty {
            if mustFinishWriting, !hasFinishedWriting { finishWritingNow() }
            if state == .flushing { return linger() }
            if owesDrained {
                owesDrained = false
                handlers?.onDrained?()
            }
        }
        updateInterest()
    }

    private func finishWritingNow() {
        hasFinishedWriting = true
        _ = clinux_finish_sending(number)
        if hasEndOfInput { end(.peerClosed) }
    }

    // MARK: Reading

    /// The peer feels it once the kernel's buffers are full.
    public func pauseReading() {
        isPaused = true
        updateInterest()
    }

    public func resumeReading() {
        isPaused = false
        updateInterest()
    }

    private func ready(_ readiness: DescriptorReadiness) {
        if readiness.contains(.loopStopped) { return end(.loopStopped) }
        if state == .connecting { return finishConnecting() }
        if readiness.contains(.error) {
            let code = clinux_take_socket_error(number)
            if code != 0 { return end(.failed(LoopError("keep the connection to tcp \(remoteAddress)", code: code))) }
        }
        if !readiness.isDisjoint(with: [.reading, .hangUp, .endOfInput]) { read() }
        if readiness.contains(.writing) { flush() }
    }

    private func finishConnecting() {
        let code = clinux_take_socket_error(number)
        guard code == 0 else { return end(.failed(LoopError("connect to tcp \(remoteAddress)", code: code))) }
        state = .open
        var local = clinux_address()
        if unsafe clinux_local_address(number, &local) == 0 { localAddress = SocketAddress(local) }
        handlers?.onConnected?()
        flush()
    }

    private func read() {
        for _ in 0..<Self.readsPerTurn where wantsInput {
            let count = receive()
            // A full buffer says that there may be more; less says that there is not, now.
            guard count != ReadBuffer.size else { continue }
            if count == 0 {
                endOfInput()
            } else if count < 0, count != -Int(EAGAIN), count != -Int(EINTR) {
                end(.failed(LoopError("receive from tcp \(remoteAddress)", code: CInt(-count))))
            }
            return
        }
    }

    /// Reads once and hands on what came, unless nobody wants it any more.
    private func receive() -> Int {
        unsafe loop.readBuffer.withBytes { buffer in
            let count = unsafe clinux_receive_stream(number, buffer.baseAddress, buffer.count)
            if count > 0, state == .open {
                statistics.bytesReceived &+= UInt64(count)
                statistics.lastReceived = loop.now
                unsafe handlers?.onData(UnsafeRawBufferPointer(rebasing: buffer[..<count]).bytes)
            }
            return count
        }
    }

    private var wantsInput: Bool {
        state == .lingering || (state == .open && !isPaused && !hasEndOfInput)
    }

    private func endOfInput() {
        hasEndOfInput = true
        if state == .lingering { return end(reasonAfterFlush) }
        if hasFinishedWriting { return end(.peerClosed) }
        if let handler = handlers?.onEndOfInput {
            handler()
            updateInterest()
        } else {
            reasonAfterFlush = .peerClosed
            close(afterFlush: true)
        }
    }

    private var interest: DescriptorInterest {
        if state == .connecting { return .writing }
        var interest: DescriptorInterest = []
        if wantsInput { interest.insert(.reading) }
        if state != .lingering, !queue.isEmpty { interest.insert(.writing) }
        // Once both halves are shut the hang-up never ceases; whoever pauses then learns of it when reading again.
        if !hasFinishedWriting || !isPaused { interest.insert(.errors) }
        return interest
    }

    private func updateInterest() {
        guard state != .closed, let watch else { return }
        do {
            try watch.update(interest)
        } catch {
            end(.failed(error))
        }
    }

    // MARK: Closing

    /// Ends the connection: at once, dropping what is queued, or in good order, after it.
    ///
    /// In good order means: what is queued is sent, then FIN, and input is thrown away until the peer's own FIN or the
    /// linger time, so that no reset overtakes the last bytes.
    public func close(afterFlush: Bool = false) {
        switch state {
        case .closed:
            return
        case .flushing where afterFlush, .lingering where afterFlush:
            return
        case .open where afterFlush && handlers != nil:
            state = .flushing
            flushHook?.request()
            updateInterest()
        default:
            end(.requested)
        }
    }

    /// Takes the socket off this loop, to be started on another; no handler is called any more. Call it from outside
    /// of handlers.
    ///
    /// - Returns: nil, having changed nothing, when the connection is not open or bytes wait to be sent.
    public func detach() -> AcceptedSocket? {
        guard state == .open, !mustFinishWriting else { return nil }
        sendQueue()
        guard state == .open, queue.isEmpty, let descriptor = descriptor.take() else { return nil }
        state = .closed
        watch?.cancel()
        watch = nil
        flushHook = nil
        handlers = nil
        return AcceptedSocket(descriptor, from: localAddress, to: remoteAddress)
    }

    private func linger() {
        state = .lingering
        if !hasFinishedWriting {
            hasFinishedWriting = true
            _ = clinux_finish_sending(number)
        }
        guard !hasEndOfInput else { return end(reasonAfterFlush) }
        let timer = loop.makeTimer(name: "tcp linger") { [weak self] in
            guard let self else { return }
            end(reasonAfterFlush)
        }
        timer.schedule(at: loop.now.advanced(byMilliseconds: settings.lingerMilliseconds))
        lingerTimer = timer
        updateInterest()
    }

    private func end(_ reason: TCPCloseReason) {
        guard state != .closed else { return }
        state = .closed
        watch?.cancel()
        watch = nil
        flushHook = nil
        lingerTimer = nil
        queue.removeAll()
        descriptor = nil
        deliverClosed(reason)
    }

    private func deliverClosed(_ reason: TCPCloseReason) {
        guard let handlers else { return }
        self.handlers = nil
        loop.later { handlers.onClosed(reason) }
    }
}
