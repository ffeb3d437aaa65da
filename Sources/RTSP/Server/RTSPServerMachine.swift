public import Wire

/// The server's side of one RTSP connection (RFC 2326): bytes in, answers, frames and operations out.
///
///     none ──ANNOUNCE──▶ announced ──SETUP──▶ publisher ready ──RECORD──▶ recording ──PAUSE──▶ publisher ready
///       └──────────────────SETUP──▶ reader ready ──PLAY──▶ playing ──PAUSE──▶ reader ready
///
/// TEARDOWN leads back to the beginning. One request is worked on at a time; those that follow, and frames behind them,
/// stay where they are until it is answered, so that no frame overtakes an answer (RTSP-9) and none after RECORD is lost.
public struct RTSPServerMachine: ~Copyable, Sendable {
    public struct Configuration: Sendable {
        public var limits = RTSPLimits()
        public var deliveries: Set<RTSPDelivery> = [.udp, .tcp]
        /// Where the server receives and sends over UDP; without it there is no UDP.
        public var serverPorts: RTSPPortPair?
        /// What clients are told; the session really lives for ``graceSeconds`` more, because some send their signs of
        /// life exactly when it runs out (RTSP-11).
        public var sessionTimeoutSeconds = 60
        public var graceSeconds: UInt64 = 5
        /// Writes the message that tells a client the server's keys for streams (MIKEY), on connections that are secret
        /// themselves. With it nothing travels beside the connection in the clear; without it there is no SRTP (RTSP-24).
        public var keyMessage: (@Sendable ([UInt32]) -> [UInt8])?
        /// Asks for the client's ports before a track is set up with them; says why it may not have them (RTSP-32).
        public var claimPorts: (@Sendable (RTSPPortPair) -> String?)?
        /// How long a publisher may send nothing.
        public var mediaTimeoutSeconds: UInt64 = 10
        /// How long a request may take to arrive.
        public var requestTimeoutSeconds: UInt64 = 10
        /// How long a connection may stand before its first request is complete.
        public var firstRequestMilliseconds: UInt64 = 10_000

        public init() {}
    }

    public enum Event: Sendable {
        case send([UInt8])
        /// A frame of a track that is being published or read; see ``withFrame(_:_:)``.
        case frame(channel: UInt8, Range<Int>)
        case operation(RTSPOperation)
        /// The machine itself refused what would have made a session, for its owner to tell of.
        case refused(RTSPServerSession.Role, RTSPTarget, method: String, detail: String)
        /// The connection ends once what was sent is out.
        case close
    }

    struct Announced {
        var target: RTSPTarget
        var controls: [String]
        /// What the client encrypts each track with; empty when it tells that track by track.
        var keys: [RTSPMediaKeys?]
        /// Whether other ports may be in use than it names, so that others may name the same.
        var comesFromAnyPort: Bool
    }

    public private(set) var configuration: Configuration
    let clientHost: String
    private let randomNumber: @Sendable () -> UInt64
    private var parser: RTSPStreamParser
    private var events: [Event] = []
    var pending: (request: RTSPRequest, operation: RTSPOperation)?
    var announced: Announced?
    public internal(set) var session: RTSPServerSession?
    private var isClosing = false
    private let startedAt: Instant
    private var lastHeard: Instant
    private var incompleteSince: Instant?
    private var toldCount: UInt32 = 0
    public private(set) var requestCount: UInt64 = 0

    /// - Parameters:
    ///   - clientHost: the client's address without its port; nothing is sent anywhere else (RTSP-34).
    ///   - randomNumber: cryptographically random numbers, for session identifiers.
    public init(
        configuration: Configuration, clientHost: String, startedAt now: Instant,
        randomNumber: @escaping @Sendable () -> UInt64
    ) {
        self.configuration = configuration
        self.clientHost = clientHost
        self.randomNumber = randomNumber
        parser = RTSPStreamParser(limits: configuration.limits)
        startedAt = now
        lastHeard = now
    }

    /// Nothing travels beside the connection from now on.
    public mutating func staysInside() { configuration.deliveries.formIntersection([.tcp]) }

    /// Tells the sessions to come other keys.
    public mutating func use(keyMessage: @escaping @Sendable ([UInt32]) -> [UInt8]) {
        configuration.keyMessage = keyMessage
    }

    // MARK: bytes

    /// Takes what the connection brought; ``nextEvent(at:)`` says what is to be done.
    public mutating func received(_ bytes: RawSpan, at now: Instant) {
        guard !isClosing else { return }
        parser.append(bytes)
    }

    /// Bytes not looked at yet. While a request is worked on, whoever reads the connection bounds them.
    public var bufferedBytes: Int { parser.bufferedBytes }

    /// Whether a request waits for its operation.
    public var isWorking: Bool { pending != nil }

    /// Lends a frame's bytes. The span must not outlive `body`.
    public func withFrame<R>(_ range: Range<Int>, _ body: (RawSpan) -> R) -> R { parser.withBytes(range, body) }

    public mutating func nextEvent(at now: Instant) -> Event? {
        while true {
            if !events.isEmpty { return events.removeFirst() }
            guard !isClosing, pending == nil else { return nil }
            let element: RTSPStreamParser.Element?
            do throws(RTSPSyntaxError) {
                element = try parser.next()
            } catch {
                refuseBytes(error)
                continue
            }
            switch element {
            case nil:
                if parser.bufferedBytes == 0 {
                    incompleteSince = nil
                } else if incompleteSince == nil {
                    incompleteSince = now
                }
                return nil
            case .frame(let channel, let range):
                incompleteSince = nil
                lastHeard = now
                guard let session, session.isActive, session.track(onChannel: channel) != nil else { continue }
                return .frame(channel: channel, range)
            case .response: incompleteSince = nil
            case .request(let request):
                incompleteSince = nil
                lastHeard = now
                requestCount &+= 1
                handle(request)
            }
        }
    }

    private mutating func refuseBytes(_ error: RTSPSyntaxError) {
        var response = RTSPResponse(error.status)
        if let number = error.sequenceNumber { response.headers["CSeq"] = number }
        response.headers["Content-Type"] = "text/plain"
        response.body = Array("\(error.problem)\r\n".utf8)
        events.append(.send(response.serialized))
        close()
    }

    mutating func close() {
        isClosing = true
        events.append(.close)
    }

    // MARK: other connections

    /// What another machine needs to go on with the connection: the request being worked on and all bytes behind it.
    public var unfinished: [UInt8] { (pending?.request.serialized ?? []) + parser.unread }

    /// The session goes on over another connection, or for the time being over none.
    public mutating func reconnected(at now: Instant) {
        parser = RTSPStreamParser(limits: configuration.limits)
        incompleteSince = nil
        lastHeard = now
    }

    /// Sends the client a request of the server's own; its response is not waited for.
    public mutating func tell(_ method: RTSPMethod, _ fields: [(String, String)], body: [UInt8] = []) {
        guard !isClosing, let session, let url = session.media.first?.url else { return }
        toldCount &+= 1
        var headers = RTSPHeaders([("CSeq", String(toldCount)), ("Session", session.id)])
        for field in fields { headers.add(field.0, field.1) }
        let track = "/" + RTSPTarget.control(ofTrack: session.media.first?.track ?? 0)
        let base = RTSPURL(url)?.text.replacing(track, with: "") ?? url
        events.append(.send(RTSPRequest(method, base, headers: headers, body: body).serialized))
    }

    // MARK: time

    /// A sign of life that did not come through the connection: RTCP, or a publisher's packets over UDP (RTSP-12).
    public mutating func heard(at now: Instant) { lastHeard = now }

    /// When ``deadlineReached(at:)`` is to be called; nil while nothing has to happen.
    public var nextDeadline: Instant? {
        guard !isClosing, pending == nil else { return nil }
        if requestCount == 0 {
            let deadline = startedAt.advanced(byMilliseconds: configuration.firstRequestMilliseconds)
            return incompleteDeadline.map { min($0, deadline) } ?? deadline
        }
        guard let silence else { return incompleteDeadline }
        let deadline = lastHeard.advanced(bySeconds: silence)
        return incompleteDeadline.map { min($0, deadline) } ?? deadline
    }

    private var incompleteDeadline: Instant? {
        incompleteSince?.advanced(bySeconds: configuration.requestTimeoutSeconds)
    }

    /// How long nothing may be heard; nil for readers over the connection itself, which is a sign of life enough.
    private var silence: UInt64? {
        guard let session, session.isActive else {
            return UInt64(configuration.sessionTimeoutSeconds) + configuration.graceSeconds
        }
        if session.role == .publisher { return configuration.mediaTimeoutSeconds }
        return session.delivery == .tcp
            ? nil : UInt64(configuration.sessionTimeoutSeconds) + configuration.graceSeconds
    }

    /// Ends the connection when its deadline has passed.
    public mutating func deadlineReached(at now: Instant) {
        guard let deadline = nextDeadline, deadline <= now else { return }
        close()
    }

    // MARK: answers

    mutating func newSessionID() -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
        var text: [UInt8] = []
        for _ in 0..<2 {
            var bits = randomNumber()
            for _ in 0..<12 {
                text.append(letters[Int(bits & 31)])
                bits >>= 5
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    mutating func answer(_ response: RTSPResponse, to request: RTSPRequest) {
        var headers = RTSPHeaders([("CSeq", request.headers["CSeq"] ?? "0"), ("Server", "Martlet")])
        if let session {
            headers.add(
                "Session",
                RTSPSessionHeader(id: session.id, timeoutSeconds: configuration.sessionTimeoutSeconds).text)
        }
        for field in response.headers.fields { headers.add(field.name, field.value) }
        events.append(.send(RTSPResponse(response.status, headers: headers, body: response.body).serialized))
    }

    mutating func answer(_ status: RTSPStatus, _ detail: String? = nil, to request: RTSPRequest) {
        var response = RTSPResponse(status)
        if let detail {
            response.headers["Content-Type"] = "text/plain"
            response.body = Array("\(detail)\r\n".utf8)
        }
        answer(response, to: request)
    }

    /// Refuses a request without which there is no session.
    mutating func answer(
        _ status: RTSPStatus, _ detail: String, to request: RTSPRequest, for role: RTSPServerSession.Role,
        _ target: RTSPTarget
    ) {
        answer(status, detail, to: request)
        events.append(.refused(role, target, method: request.methodName, detail: detail))
    }

    mutating func ask(_ operation: RTSPOperation, for request: RTSPRequest) {
        pending = (request, operation)
        events.append(.operation(operation))
    }
}
