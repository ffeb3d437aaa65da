public import Wire

/// The client's side of one RTSP connection, that pulls a stream from a server or pushes one to it. Bytes in, requests
/// and frames out (RTSP-40 ff.).
///
///     options ─┬▶ describe ──owner chooses──┬▶ setup … ──▶ play or record ──▶ playing ──▶ teardown
///              └▶ announce ─────────────────┘
///
/// Any refusal or silence ends it with a reason; the owner connects again or gives up. What answers do is in
/// `RTSPClientMachine+Answers.swift`, how requests are made in `RTSPClientMachine+Requests.swift`.
public struct RTSPClientMachine: ~Copyable, Sendable {
    enum State {
        case idle, options, describing, choosing, announcing, settingUp, starting, playing, endingSession, over
    }

    public let configuration: Configuration
    let hash: RTSPHash
    let randomNumber: @Sendable () -> UInt64
    private var parser = RTSPStreamParser()
    var events: [Event] = []
    var state = State.idle
    var number = 0
    /// The request that an answer is awaited for, as it was without credentials.
    var outstanding: (number: Int, request: RTSPRequest, retries: Int)?
    var challenge: RTSPChallenge?
    /// Requests that were answered to the challenge, so that no answer repeats another (RFC 7616, section 3.4.6).
    var nonceCount = 0
    var publicMethods = ""
    var base = ""
    var controls: [String] = []
    var clientPorts: [RTSPPortPair] = []
    /// How each track travels, in the order of the choice.
    public internal(set) var transports: [RTSPTransport] = []
    var session: RTSPSessionHeader?
    var answerDue: Instant?
    private var signOfLifeDue: Instant?
    private var mediaDue: Instant?
    private var hasMedia = false
    /// Whether the requests insist on the back channel.
    var requiresBackChannel: Bool
    /// Whether the last of the tracks is the back channel.
    var hasBackChannel = false
    /// Whether the description was asked for.
    var hasAsked = false
    private var hasBegun = false

    public init(configuration: Configuration, hash: RTSPHash, randomNumber: @escaping @Sendable () -> UInt64) {
        self.configuration = configuration
        self.hash = hash
        self.randomNumber = randomNumber
        requiresBackChannel = configuration.requiresBackChannel
    }

    /// Whether the question for the back channel may be why the server answers no more, or not at all (RTSP-Q6).
    public var mayFailOfBackChannel: Bool { requiresBackChannel && hasAsked && !hasBegun }

    /// Nothing more comes of it.
    public var isOver: Bool { state == .over }

    // MARK: what the owner does

    /// The connection stands.
    public mutating func start(at now: Instant) {
        guard state == .idle else { return }
        state = .options
        send(RTSPRequest(.options, configuration.url.text), at: now)
    }

    public mutating func received(_ bytes: RawSpan, at now: Instant) {
        guard state != .over else { return }
        parser.append(bytes)
    }

    /// Lends a frame's bytes. The span must not outlive `body`.
    public func withFrame<R>(_ range: Range<Int>, _ body: (RawSpan) -> R) -> R { parser.withBytes(range, body) }

    /// Sets up the tracks with these controls, of those that were described; none ends the machine.
    ///
    /// - Parameters:
    ///   - aggregate: the control of the description as a whole, by which it is played. Only a URL counts, as with other
    ///     clients: what else stands there cameras were never asked for.
    ///   - clientPorts: for delivery by UDP, of each track in turn.
    ///   - hasBackChannel: whether the last track is the back channel, which is done without when it is refused.
    public mutating func choose(
        _ controls: [String], of aggregate: String = "", clientPorts: [RTSPPortPair] = [],
        hasBackChannel: Bool = false, at now: Instant
    ) {
        guard state == .choosing else { return }
        guard !controls.isEmpty else { return fail(.malformed("the description has no track that is understood")) }
        if RTSPURL(aggregate) != nil { base = Self.resolve(aggregate, base: base) }
        self.controls = controls
        self.clientPorts = clientPorts
        self.hasBackChannel = hasBackChannel && controls.count > 1
        state = .settingUp
        setUpNext(at: now)
    }

    /// Packets came over UDP.
    public mutating func heardMedia(at now: Instant) {
        guard state == .playing, mediaDue != nil else { return }
        hasMedia = true
        mediaDue = now.advanced(bySeconds: configuration.mediaTimeoutSeconds)
    }

    /// Says goodbye; ``Event/ended`` follows, unless there was nothing to end.
    public mutating func tearDown(at now: Instant) {
        guard session != nil, state != .over, state != .endingSession else {
            state = .over
            return
        }
        state = .endingSession
        send(RTSPRequest(.teardown, base), at: now)
    }

    // MARK: time

    public var nextDeadline: Instant? {
        [answerDue, signOfLifeDue, mediaDue].compactMap { $0 }.min()
    }

    public mutating func deadlineReached(at now: Instant) {
        if let due = answerDue, due <= now {
            answerDue = nil
            // Some cameras never answer signs of life (RTSP-42).
            if let method = outstanding?.request.method, state != .playing { return fail(.noAnswer(method)) }
            outstanding = nil
        }
        if let due = mediaDue, due <= now { return fail(hasMedia ? .noMedia : .noFirstMedia) }
        if let due = signOfLifeDue, due <= now {
            scheduleSignOfLife(at: now)
            let method: RTSPMethod = publicMethods.contains("GET_PARAMETER") ? .getParameter : .options
            send(RTSPRequest(method, base), at: now)
        }
    }

    /// The server agreed to send or to take media.
    mutating func began(at now: Instant) {
        state = .playing
        hasBegun = true
        if case .read = configuration.purpose {
            mediaDue = now.advanced(bySeconds: configuration.firstMediaTimeoutSeconds)
        }
        scheduleSignOfLife(at: now)
        events.append(.playing(transports))
    }

    private mutating func scheduleSignOfLife(at now: Instant) {
        let timeout = UInt64(max(5, session?.timeoutSeconds ?? 60))
        signOfLifeDue = now.advanced(byMilliseconds: timeout * 800)
    }

    // MARK: what comes

    public mutating func nextEvent(at now: Instant) -> Event? {
        while true {
            if !events.isEmpty { return events.removeFirst() }
            guard state != .over, state != .choosing else { return nil }
            let element: RTSPStreamParser.Element?
            do throws(RTSPSyntaxError) {
                element = try parser.next()
            } catch {
                fail(.malformed(error.problem))
                continue
            }
            switch element {
            case nil: return nil
            case .frame(let channel, let range):
                guard let (track, isControl) = track(onChannel: channel) else { continue }
                if !isControl { heardMedia(at: now) }
                return .frame(track: track, isControl: isControl, range)
            case .request(let request): answer(request)
            case .response(let response): received(response, at: now)
            }
        }
    }

    private func track(onChannel channel: UInt8) -> (Int, Bool)? {
        for (index, transport) in transports.enumerated() {
            guard let channels = transport.channels else { continue }
            if channels.rtp == channel { return (index, false) }
            if channels.rtcp == channel { return (index, true) }
        }
        return nil
    }

    mutating func fail(_ failure: Failure) {
        guard state != .over else { return }
        if failure.leavesSession { leaveSession() }
        end(.failed(failure))
    }

    /// Says goodbye without waiting for the answer: the owner ends it for a reason of its own.
    public mutating func abandon() {
        leaveSession()
        state = .over
    }

    mutating func end(_ event: Event) {
        state = .over
        answerDue = nil
        signOfLifeDue = nil
        mediaDue = nil
        events.append(event)
    }

    /// The server holds a session for nobody otherwise (RTSP-52).
    mutating func leaveSession() {
        guard session != nil, state != .over, state != .endingSession else { return }
        send(RTSPRequest(.teardown, base), at: Instant(nanoseconds: 0))
    }
}
