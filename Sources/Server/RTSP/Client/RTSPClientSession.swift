import Loop
import RTSP
import Secure
import Wire

/// One conversation with another RTSP server: its connection, its machine and their deadlines. Confined to its loop.
final class RTSPClientSession {
    /// How it ended.
    struct End: Sendable {
        /// For the operator's log.
        var reason: String
        var failure: RTSPClientMachine.Failure?
        /// Where the server sent the client.
        var redirection: RTSPURL?
        /// Whether it was asked for its back channel, and may not have liked that.
        var mayBeOfBackChannel = false
    }

    /// How long the goodbye may take (RTSP-52).
    private static let goodbyeMilliseconds: UInt64 = 2_000

    private let loop: EventLoop
    private var machine: RTSPClientMachine
    private(set) var stream: RTSPClientStream?
    private var timer: (any LoopTimer)?
    private var isOver = false
    private(set) var isStopping = false
    /// Whether the machine lends a frame, and the reason for which the owner gave up meanwhile.
    private var isLending = false
    private var givenUp: String?
    private var onEvent: (RTSPClientMachine.Event) -> Void = { _ in }
    private var onEnd: (End) -> Void = { _ in }

    init(_ configuration: RTSPClientMachine.Configuration, hash: RTSPHash, on loop: EventLoop) {
        self.loop = loop
        machine = RTSPClientMachine(
            configuration: configuration, hash: hash, randomNumber: { SecureRandom.uint64() })
    }

    /// Connects and converses.
    ///
    /// - Parameters:
    ///   - trust: for `rtsps`.
    ///   - onEvent: told what concerns media: `described`, `ready`, `playing` and frames.
    ///   - onEnd: once, and the last call, unless this throws.
    func start(
        to address: SocketAddress, trusting trust: TLSClientContext?, settings: TCPConnectionSettings,
        onEvent: @escaping (RTSPClientMachine.Event) -> Void, onEnd: @escaping (End) -> Void
    ) throws {
        let stream = try RTSPClientStream(
            to: address, for: machine.configuration.url, trusting: trust, on: loop, settings: settings)
        self.stream = stream
        self.onEvent = onEvent
        self.onEnd = onEnd
        let timer = loop.makeTimer(name: "rtsp client") { [weak self] in self?.deadlineReached() }
        timer.schedule(at: loop.now.advanced(bySeconds: machine.configuration.responseTimeoutSeconds))
        self.timer = timer
        stream.start(
            onConnected: { [self] in
                machine.start(at: loop.now)
                drive()
            },
            onData: { [self] bytes in
                machine.received(bytes, at: loop.now)
                drive()
            },
            onClosed: { [self] in finish(End(reason: $0)) })
    }

    // MARK: what the owner says

    func choose(
        _ controls: [String], of aggregate: String, clientPorts: [RTSPPortPair] = [], hasBackChannel: Bool = false
    ) {
        machine.choose(
            controls, of: aggregate, clientPorts: clientPorts, hasBackChannel: hasBackChannel, at: loop.now)
    }

    /// Packets came over UDP.
    func heardMedia() { machine.heardMedia(at: loop.now) }

    /// How each track travels.
    var transports: [RTSPTransport] { machine.transports }

    /// Lends a frame's bytes, which are valid during the event that brings it.
    func withFrame(_ range: Range<Int>, _ body: (RawSpan) -> Void) {
        isLending = true
        machine.withFrame(range, body)
        isLending = false
        if let givenUp { give(up: givenUp) }
    }

    /// Says goodbye and ends, after two seconds at the latest.
    func stop() {
        guard !isOver, !isStopping else { return }
        isStopping = true
        machine.tearDown(at: loop.now)
        drive()
        guard !isOver else { return }
        if machine.isOver { return finish(End(reason: "stopped")) }
        timer?.schedule(at: loop.now.advanced(byMilliseconds: Self.goodbyeMilliseconds))
    }

    /// Ends at once, for a reason of the owner's, with a goodbye that nobody waits for.
    func give(up reason: String) {
        guard !isOver else { return }
        guard !isLending else {
            givenUp = givenUp ?? reason
            return
        }
        machine.abandon()
        while let event = machine.nextEvent(at: loop.now) {
            if case .send(let bytes) = event { _ = stream?.write(bytes) }
        }
        finish(End(reason: reason))
    }

    // MARK: what happens

    private func deadlineReached() {
        if isStopping { return finish(End(reason: "stopped")) }
        guard let deadline = machine.nextDeadline else { return finish(End(reason: "the server does not answer")) }
        if deadline <= loop.now { machine.deadlineReached(at: loop.now) }
        drive()
        // Media moved it away while the timer ran.
        guard !isOver, !isStopping, let next = machine.nextDeadline else { return }
        timer?.schedule(at: next)
    }

    private func drive() {
        let now = loop.now
        while !isOver, let event = machine.nextEvent(at: now) {
            switch event {
            case .send(let bytes): if stream?.write(bytes) != true { finish(End(reason: "the connection is gone")) }
            case .described, .ready, .playing, .frame: onEvent(event)
            case .redirected(let url): finish(End(reason: "redirected", redirection: url))
            case .failed(let failure): finish(End(reason: failure.text, failure: failure))
            case .ended: finish(End(reason: "stopped"))
            }
        }
        guard !isOver, !isStopping, let deadline = machine.nextDeadline else { return }
        if timer?.deadline.map({ deadline < $0 }) ?? true { timer?.schedule(at: deadline) }
    }

    private func finish(_ end: End) {
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        stream?.close()
        stream = nil
        let tell = onEnd
        onEnd = { _ in }
        onEvent = { _ in }
        var end = end
        end.mayBeOfBackChannel =
            machine.mayFailOfBackChannel && end.failure != .unauthorized && end.redirection == nil
        tell(end)
    }
}
