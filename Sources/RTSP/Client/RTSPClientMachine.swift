public import Wire

/// The client's side of one RTSP connection that pulls a stream: OPTIONS, DESCRIBE, SETUP of the chosen tracks, PLAY, then
/// signs of life until TEARDOWN (RTSP-40 ff.). Bytes in, requests and frames out.
///
///     options ──▶ describe ──owner chooses──▶ setup … ──▶ play ──▶ playing ──▶ teardown
///
/// Any refusal or silence ends it with a reason; the owner connects again or gives up.
public struct RTSPClientMachine: ~Copyable, Sendable {
    public struct Configuration: Sendable {
        /// With user and password, which never appear in a request line.
        public var url: RTSPURL
        public var delivery = RTSPDelivery.tcp
        /// The client's ports of each track in turn, for UDP.
        public var clientPorts: [RTSPPortPair] = []
        public var userAgent = "Martlet"
        /// How long an answer may take.
        public var responseTimeoutSeconds: UInt64 = 10
        /// How long playing may bring nothing (RTSP-51).
        public var mediaTimeoutSeconds: UInt64 = 10

        public init(url: RTSPURL) { self.url = url }
    }

    public enum Failure: Error, Hashable, Sendable {
        /// The server's status for this method.
        case refused(RTSPMethod, RTSPStatus)
        /// Wrong user or password, or none where some are asked for.
        case unauthorized
        /// The server cannot send the way that was asked for; another may do.
        case transportRefused
        /// What came is not RTSP, or lacks what is needed.
        case malformed(String)
        case noAnswer(RTSPMethod)
        case noMedia
    }

    public enum Event: Sendable {
        case send([UInt8])
        /// Answer with ``RTSPClientMachine/choose(_:)``.
        case described([UInt8])
        /// Media comes from here on, as these transports say, in the order of the choice.
        case playing([RTSPTransport])
        /// A frame of the track at this place in the choice.
        case frame(track: Int, isControl: Bool, Range<Int>)
        case redirected(RTSPURL)
        case failed(Failure)
        /// The server has answered TEARDOWN.
        case ended
    }

    /// Of one request, with other credentials each time.
    private static let maximumRetries = 3

    enum State { case idle, options, describing, choosing, settingUp, starting, playing, endingSession, over }

    public let configuration: Configuration
    private let hash: RTSPHash
    private let randomNumber: @Sendable () -> UInt64
    private var parser = RTSPStreamParser()
    private var events: [Event] = []
    private(set) var state = State.idle
    private var number = 0
    /// The request that an answer is awaited for, as it was without credentials.
    private var outstanding: (number: Int, request: RTSPRequest, retries: Int)?
    private var challenge: RTSPChallenge?
    private var publicMethods = ""
    private var base = ""
    private var controls: [String] = []
    private var transports: [RTSPTransport] = []
    private var session: RTSPSessionHeader?
    private var answerDue: Instant?
    private var signOfLifeDue: Instant?
    private var mediaDue: Instant?

    public init(configuration: Configuration, hash: RTSPHash, randomNumber: @escaping @Sendable () -> UInt64) {
        self.configuration = configuration
        self.hash = hash
        self.randomNumber = randomNumber
    }

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
    public mutating func choose(_ controls: [String], at now: Instant) {
        guard state == .choosing else { return }
        guard !controls.isEmpty else { return fail(.malformed("the description has no track that is understood")) }
        self.controls = controls
        state = .settingUp
        setUpNext(at: now)
    }

    /// Packets came over UDP.
    public mutating func heardMedia(at now: Instant) {
        if state == .playing { mediaDue = now.advanced(bySeconds: configuration.mediaTimeoutSeconds) }
    }

    /// Says goodbye; ``Event/ended`` follows, or nothing.
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
        if let due = mediaDue, due <= now { return fail(.noMedia) }
        if let due = signOfLifeDue, due <= now {
            scheduleSignOfLife(at: now)
            let method: RTSPMethod = publicMethods.contains("GET_PARAMETER") ? .getParameter : .options
            send(RTSPRequest(method, base), at: now)
        }
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
                if state == .playing, !isControl { heardMedia(at: now) }
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

    /// Requests of the server: signs of life are answered, a redirection is followed, the rest is not known.
    private mutating func answer(_ request: RTSPRequest) {
        let isKnown = request.method == .options || request.method == .getParameter || request.method == .redirect
        var response = RTSPResponse(isKnown ? .ok : .notImplemented)
        response.headers["CSeq"] = request.headers["CSeq"]
        events.append(.send(response.serialized))
        if request.method == .redirect, let url = request.headers["Location"].flatMap({ RTSPURL($0) }) {
            redirect(to: url)
        }
    }

    private mutating func redirect(to url: RTSPURL) {
        // Never from the secure scheme to the other, never with credentials to another host (RTSP-47).
        guard url.isSecure || !configuration.url.isSecure else {
            return fail(.malformed("the server redirects to an insecure address"))
        }
        var target = url
        if url.host == configuration.url.host {
            target.user = configuration.url.user
            target.password = configuration.url.password
        }
        state = .over
        events.append(.redirected(target))
    }

    private mutating func received(_ response: RTSPResponse, at now: Instant) {
        guard let outstanding else { return }
        // Cameras answer with another number, or none; only one that is certainly older is passed over.
        if let text = response.headers["CSeq"], let number = Int(text), number < outstanding.number { return }
        self.outstanding = nil
        answerDue = nil
        let method = outstanding.request.method ?? .options
        if response.status.code == 401 { return retry(outstanding.request, outstanding.retries, response, at: now) }
        if response.status.isRedirection, let url = response.headers["Location"].flatMap({ RTSPURL($0) }) {
            return redirect(to: url)
        }
        if state == .endingSession {
            state = .over
            events.append(.ended)
            return
        }
        // An answer to a sign of life, whatever it says.
        if state == .playing { return }
        guard response.status.isSuccess else {
            if method == .options { return describe(at: now) }
            if method == .setup, response.status.code == 461 { return fail(.transportRefused) }
            return fail(.refused(method, response.status))
        }
        if let header = response.headers["Session"].flatMap({ RTSPSessionHeader($0) }) { session = header }
        switch state {
        case .options:
            publicMethods = response.headers["Public"] ?? ""
            describe(at: now)
        case .describing:
            guard !response.body.isEmpty else { return fail(.malformed("the answer to DESCRIBE has no body")) }
            base = response.headers["Content-Base"] ?? response.headers["Content-Location"] ?? configuration.url.text
            if RTSPURL(base) == nil { base = configuration.url.text }
            state = .choosing
            events.append(.described(response.body))
        case .settingUp: setUpDone(response, at: now)
        case .starting:
            state = .playing
            mediaDue = now.advanced(bySeconds: configuration.mediaTimeoutSeconds)
            scheduleSignOfLife(at: now)
            events.append(.playing(transports))
        case .idle, .choosing, .playing, .endingSession, .over: break
        }
    }

    private mutating func describe(at now: Instant) {
        state = .describing
        send(
            RTSPRequest(.describe, configuration.url.text, headers: RTSPHeaders([("Accept", "application/sdp")])),
            at: now)
    }

    private mutating func retry(
        _ request: RTSPRequest, _ retries: Int, _ response: RTSPResponse, at now: Instant
    ) {
        guard let found = RTSPChallenge.strongest(of: response.headers.all("WWW-Authenticate")),
            configuration.url.user != nil
        else { return fail(.unauthorized) }
        // A second refusal means wrong credentials, unless the server only wants another nonce.
        guard retries == 0 || found.isStale && retries < Self.maximumRetries else { return fail(.unauthorized) }
        challenge = found
        send(request, retries: retries + 1, at: now)
    }

    // MARK: tracks

    private mutating func setUpNext(at now: Instant) {
        let index = transports.count
        guard controls.indices.contains(index) else {
            state = .starting
            return send(RTSPRequest(.play, base, headers: RTSPHeaders([("Range", "npt=0.000-")])), at: now)
        }
        var transport = RTSPTransport(configuration.delivery == .tcp ? .tcp : .udp)
        if configuration.delivery == .tcp {
            let first = UInt8(clamping: 2 * index)
            transport.channels = RTSPTransport.Channels(rtp: first, rtcp: first &+ 1)
        } else {
            guard configuration.clientPorts.indices.contains(index) else { return fail(.transportRefused) }
            transport.clientPorts = configuration.clientPorts[index]
        }
        let url = Self.resolve(controls[index], base: base)
        send(RTSPRequest(.setup, url, headers: RTSPHeaders([("Transport", transport.text)])), at: now)
    }

    private mutating func setUpDone(_ response: RTSPResponse, at now: Instant) {
        let text = response.headers["Transport"] ?? ""
        guard var chosen = (try? RTSPTransport.alternatives(text))?.first else {
            return fail(.malformed("the answer to SETUP has no transport that is understood"))
        }
        let isTCP = configuration.delivery == .tcp
        guard chosen.lower == (isTCP ? .tcp : .udp) else { return fail(.transportRefused) }
        if isTCP, chosen.channels == nil {
            let first = UInt8(clamping: 2 * transports.count)
            chosen.channels = RTSPTransport.Channels(rtp: first, rtcp: first &+ 1)
        }
        if !isTCP { chosen.clientPorts = configuration.clientPorts[transports.count] }
        transports.append(chosen)
        setUpNext(at: now)
    }

    /// The URL of a control attribute. One with another host is taken for one behind a NAT: its path counts.
    static func resolve(_ control: String, base: String) -> String {
        if control.isEmpty || control == "*" { return base }
        if let absolute = RTSPURL(control) {
            guard var own = RTSPURL(base) else { return control }
            own.resource = absolute.resource
            return own.text
        }
        return base.hasSuffix("/") ? base + control : base + "/" + control
    }

    // MARK: requests

    private mutating func send(_ request: RTSPRequest, retries: Int = 0, at now: Instant) {
        number += 1
        var headers = RTSPHeaders([("CSeq", String(number)), ("User-Agent", configuration.userAgent)])
        if let session { headers.add("Session", session.id) }
        if let challenge, let user = configuration.url.user {
            let clientNonce = String(randomNumber(), radix: 16)
            headers.add(
                "Authorization",
                challenge.authorization(
                    user: user, password: configuration.url.password ?? "", method: request.methodName,
                    uri: request.url, clientNonce: clientNonce, hash: hash))
        }
        for field in request.headers.fields { headers.add(field.name, field.value) }
        var full = request
        full.headers = headers
        outstanding = (number, request, retries)
        answerDue = now.advanced(bySeconds: configuration.responseTimeoutSeconds)
        events.append(.send(full.serialized))
    }

    private mutating func fail(_ failure: Failure) {
        guard state != .over else { return }
        state = .over
        answerDue = nil
        signOfLifeDue = nil
        mediaDue = nil
        events.append(.failed(failure))
    }
}
