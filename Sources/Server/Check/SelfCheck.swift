import Loop
import Secure
import Synchronization
import Wire

/// Gathers the facts of a running server when somebody asks.
final class SelfCheck: Sendable {
    private struct Parts {
        // The server's routes hold this check.
        weak var http: HTTPServer?
        var listeners: Listeners
    }

    /// Where the server listens beside media.
    struct Listeners {
        var http: [SocketAddress] = []
        var rtsp: [SocketAddress] = []
        var rtsps: [SocketAddress] = []
        var metrics: [SocketAddress] = []
    }

    private let service: WebRTCService
    private let events: EventFeed
    private let settings: @Sendable () -> ServerSettings
    /// What sockets were made from.
    private let startSettings: ServerSettings
    private let startedAt = MonotonicClock.now
    private let startedWallMilliseconds = MonotonicClock.unixMilliseconds
    private let parts = Mutex<Parts?>(nil)
    private let certificate = Mutex<(loadedAt: Instant, secondsLeft: Int)?>(nil)

    init(service: WebRTCService, events: EventFeed, settings: @escaping @Sendable () -> ServerSettings) {
        self.service = service
        self.events = events
        self.settings = settings
        startSettings = settings()
    }

    /// The listeners exist only after the routes do.
    func use(_ http: HTTPServer, _ listeners: Listeners) {
        parts.withLock { $0 = Parts(http: http, listeners: listeners) }
    }

    /// Connections get this certificate from now on.
    func use(_ context: TLSServerContext) {
        certificate.withLock { $0 = (MonotonicClock.now, context.remainingValiditySeconds) }
    }

    /// - Parameter isOperator: whether the asker may know everything.
    func report(
        for client: SocketAddress, isForwarded: Bool, isSecure: Bool, isOperator: Bool
    ) async -> CheckReport {
        let now = MonotonicClock.now
        let uptime = now.milliseconds(since: startedAt)
        var facts = CheckFacts(client: client)
        facts.isSecure = isSecure
        facts.uptimeSeconds = uptime / 1_000
        facts.wallMilliseconds = MonotonicClock.unixMilliseconds
        facts.wallDriftMilliseconds = facts.wallMilliseconds - startedWallMilliseconds - uptime
        facts.dtlsSecondsLeft = DTLSIdentity.validityDays * 86_400 - Int(clamping: facts.uptimeSeconds)
        facts.httpsSecondsLeft = certificate.withLock { certificate in
            certificate.map { $0.secondsLeft - Int(clamping: now.milliseconds(since: $0.loadedAt) / 1_000) }
        }
        facts.candidates = service.candidateAddresses(for: client, isForwarded: isForwarded)
        facts.sockets = service.media.sockets.map {
            CheckFacts.MediaSocket(
                address: $0.localAddress, receiveBufferSize: $0.receiveBufferSize, isSegmenting: $0.isSegmenting,
                isCoalescing: $0.isCoalescing)
        }
        facts.isOperator = isOperator
        facts.failures = service.failures.all(at: now).compactMap {
            CheckFailure($0, at: now, for: client, isOperator: isOperator)
        }
        addListeners(to: &facts)
        await addTraffic(to: &facts, now)
        await addLimits(to: &facts)
        let report = CheckReport(facts)
        return isOperator ? report : report.forStrangers
    }

    private func addListeners(to facts: inout CheckFacts) {
        let listeners = parts.withLock { $0?.listeners } ?? Listeners()
        facts.httpListeners = listeners.http
        facts.streams.isWanted = startSettings.webrtcLocalTCPAddress != .none
        facts.streams.addresses = service.media.streamAddresses
        facts.rtsp.isWanted = startSettings.rtsp && startSettings.rtspEncryption != .strict
        facts.rtsp.addresses = listeners.rtsp
        facts.rtsps.isWanted = startSettings.rtsp && startSettings.rtspEncryption != .no
        facts.rtsps.addresses = listeners.rtsps
        facts.metrics.isWanted = startSettings.metrics
        facts.metrics.addresses = listeners.metrics
    }

    private func addTraffic(to facts: inout CheckFacts, _ now: Instant) async {
        let demultiplexer = service.media.demultiplexer
        let statistics = await demultiplexer.snapshot
        facts.datagramsReceived = statistics.datagrams
        facts.datagramsDropped = statistics.mailboxOverflow
        facts.secondsSinceCheck = await demultiplexer.latestCheck(from: facts.client, over: .udp)
            .map { now.milliseconds(since: $0) / 1_000 }
        facts.secondsSinceStreamCheck = await demultiplexer.latestCheck(from: facts.client, over: .tcp)
            .map { now.milliseconds(since: $0) / 1_000 }
        for arena in service.media.arenas {
            let sent = await arena.statistics
            facts.datagramsUnsent &+= sent.droppedQueueFull
        }
    }

    private func addLimits(to facts: inout CheckFacts) async {
        let settings = settings()
        let parts = parts.withLock { $0 }
        facts.limits = [
            CheckFacts.Limit(name: "maxSessions", used: await service.registry.count, limit: settings.maxSessions),
            CheckFacts.Limit(name: "maxRooms", used: await service.directory.count, limit: settings.maxRooms),
            CheckFacts.Limit(
                name: "event listeners", used: await events.subscriberCount, limit: events.limits.subscribers),
        ]
        if let http = parts?.http {
            facts.limits.append(
                CheckFacts.Limit(
                    name: "httpMaxConnections", used: await http.statistics.connections,
                    limit: settings.httpMaxConnections))
        }
    }
}
