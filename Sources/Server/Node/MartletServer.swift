import HTTP
import Loop
import RTSP
import Secure
import Streams
import Synchronization
public import Wire

/// The whole server: media threads, rooms, signaling, pages and metrics, from settings.
///
///     let server = MartletServer(settings: settings, log: log)
///     try await server.start()
///     …
///     await server.stop()
public actor MartletServer {
    public static let version = "0.1.0"

    /// Everything that exists only between start and stop.
    struct Running {
        var control: EventLoop
        var media: MediaPlane
        var directory: RoomDirectory
        var service: WebRTCService
        var feed: RoomsFeed
        var events: EventFeed
        var http: HTTPServer
        var metrics: HTTPServer?
        var rtsp: RTSPServer?
        var sources: RTSPSources
        var forwards: RTSPForwards
        var authorizer: TokenAuthorizer
        var limits: RequestLimits
        var hostNames: HostNames
        var interfaces: InterfaceAddresses
        var subscriptions: [EventHub.Token]
        var check: SelfCheck
    }

    /// What sockets and threads were made from; the rest goes by ``current``.
    let startSettings: ServerSettings
    let current: SettingsBox
    private let programPath: String
    let log: Log
    let logger: Logger
    let hub = EventHub()
    private(set) var running: Running?

    /// Where HTTP is served and media received; empty before ``start()``.
    public private(set) var httpAddresses: [SocketAddress] = []
    public private(set) var metricsAddresses: [SocketAddress] = []
    public private(set) var mediaAddresses: [SocketAddress] = []
    public private(set) var rtspAddresses: [SocketAddress] = []
    public private(set) var rtspsAddresses: [SocketAddress] = []
    /// What clients elsewhere are told to send media to.
    public internal(set) var advertisedAddresses: [SocketAddress] = []

    /// - Parameter programPath: how the program was called; the pages may lie beside it.
    public init(settings: ServerSettings, log: Log, programPath: String = "") {
        startSettings = settings
        current = SettingsBox(settings)
        self.log = log
        self.programPath = programPath
        logger = Logger(log)
    }

    /// What happens to rooms and peers.
    public nonisolated var events: EventHub { hub }

    /// What the media port has carried since the start; all zero while the server does not run.
    public var mediaTraffic: MediaTraffic {
        get async { await running?.media.traffic ?? MediaTraffic() }
    }

    public func start() async throws(ServerFault) {
        guard running == nil else { return }
        do {
            running = try await assemble()
        } catch let error as LoopError {
            throw .socket(error)
        } catch let error as SecureError {
            throw .cryptography(error)
        } catch let error as ServerFault {
            throw error
        } catch {
            throw .other("\(error)")
        }
        hub.publish(.serverStarted)
    }

    /// Makes every part, or throws and leaves no thread, socket or subscription behind.
    private func assemble() async throws -> Running {
        let settings = startSettings
        let registry = MetricsRegistry()
        let subscriptions = [
            LogSubscriber.attach(logger, to: hub), MetricsSubscriber.attach(registry, to: hub, log: log),
        ]
        do {
            let control = try EventLoop(name: "control")
            try control.start()
            do {
                let media = try await MediaPlane(
                    loopCount: settings.mediaLoops == 0 ? ProcessorCount.online : settings.mediaLoops,
                    listen: settings.webrtcLocalUDPAddress, listenTCP: settings.webrtcLocalTCPAddress,
                    udp: settings.udpSocketSettings(), logger: logger)
                do {
                    return try await assemble(control, media, registry, subscriptions)
                } catch {
                    await media.stop()
                    throw error
                }
            } catch {
                control.stop()
                throw error
            }
        } catch {
            forget(subscriptions)
            throw error
        }
    }

    private func forget(_ subscriptions: [EventHub.Token]) {
        for token in subscriptions { hub.cancel(token) }
        httpAddresses = []
        metricsAddresses = []
        mediaAddresses = []
        rtspAddresses = []
        rtspsAddresses = []
        advertisedAddresses = []
    }

    private func assemble(
        _ control: EventLoop, _ media: MediaPlane, _ registry: MetricsRegistry, _ subscriptions: [EventHub.Token]
    ) async throws -> Running {
        let settings = startSettings
        let current = current
        mediaAddresses = media.sockets.map(\.localAddress)
        let hostNames = HostNames(settings.webrtcAdditionalHosts, logger: logger)
        await hostNames.start()
        let interfaces = try InterfaceAddresses(logger: logger, at: MonotonicClock.now)
        let (sockets, streams) = (mediaAddresses, media.streamAddresses)
        let candidates = CandidateSource(
            sockets: sockets, streams: streams, interfaces: interfaces.all, settings: settings,
            hosts: hostNames.addresses)
        advertisedAddresses = candidates.all

        let hub = hub
        let peers = PeerBook()
        let box = FeedBox()
        let conversions = SoundConversions(hub: hub, logger: logger, settings: { current.current })
        let directory = RoomDirectory(
            on: control, media: media, created: { hub.publish(.roomCreated(room: $0)) },
            prepare: { conversions.attend($0) },
            observer: { name, event in
                box.feeds?.rooms.changed()
                box.feeds?.events.changed(name)
                box.feeds?.viewers.changed(name)
                if let event = ServerEvent(event, room: name, peers: peers) { hub.publish(event) }
            })
        let service = WebRTCService(
            media: media, directory: directory, hub: hub, logger: logger, candidates: candidates,
            hostNames: hostNames, interfaces: interfaces, peers: peers, settings: { current.current })
        hostNames.observe { [weak self, weak service] hosts in
            guard let self, let service else { return }
            Task { await self.updateCandidates(service, interfaces.all, hosts) }
        }
        interfaces.observe { [weak self, weak service] found in
            guard let self, let service else { return }
            let hosts = hostNames.addresses
            // At once, for the session that is being made.
            service.use(
                CandidateSource(
                    sockets: sockets, streams: streams, interfaces: found, settings: current.current, hosts: hosts))
            Task { await self.updateCandidates(service, interfaces.all, hostNames.addresses) }
        }
        let list = RoomList(directory: directory, peers: peers, settings: { current.current })
        let feed = RoomsFeed(on: control, list: list)
        let authorizer = TokenAuthorizer(settings: settings)
        let events = EventFeed(
            on: control, source: FeedSource(directory: directory, registry: service.registry), authorizer: authorizer)
        _ = hub.subscribe { [weak events] in events?.received($0) }
        box.set(FeedBox.Feeds(rooms: feed, events: events, viewers: service.viewerEvents))
        let limits = RequestLimits(settings)
        let signaling = SignalingRoutes(
            service: service, authorizer: authorizer, settings: { current.current }, limits: limits)
        let check = SelfCheck(service: service, events: events, settings: { current.current })
        var router = Router()
        CheckRoutes(check: check, authorizer: authorizer, limits: limits).add(to: &router)
        if settings.webrtc {
            signaling.add(to: &router)
            SigmaRoutes(signaling: signaling, list: list, feed: feed).add(to: &router)
            FeedRoutes(
                feed: events, authorizer: authorizer, allowsTokenInQuery: { current.current.allowTokenInQuery },
                limits: limits
            ).add(to: &router)
            let folder = PageRoutes.folder(setting: settings.webRoot, programPath: programPath)
            PageRoutes(files: StaticFiles(folder: folder)).add(to: &router)
        }
        let rtspService = await rtspService(media, service, authorizer, limits)
        let rtsp = settings.rtsp ? await rtspServer(control, rtspService) : nil
        ServicePorts(rtsp: rtspAddresses.first?.port, rtsps: rtspsAddresses.first?.port).add(to: &router)
        let http = HTTPServer(on: control, router: router, settings: httpSettings())
        MediaMetrics(service: service, http: http, limits: limits, feed: feed, events: events).attach(to: registry)
        let sources = RTSPSources(service: rtspService)
        service.use(sources)
        let forwards = RTSPForwards(service: rtspService)
        let following = forwards.follow(hub)
        forwards.attach(to: registry)
        if settings.rtsp { RTSPMetrics(service: rtspService).attach(to: registry) }
        SoundConversionMetrics(counters: conversions.counters).attach(to: registry)
        RTSPClientMetrics(counters: rtspService.clientCounters).attach(to: registry)
        let metrics = settings.metrics ? metricsServer(control, registry, authorizer, limits) : nil
        do {
            httpAddresses = try await listen(http, settings.webrtcAddress, check)
            for address in settings.metricsAddress.socketAddresses {
                guard let metrics else { break }
                do throws(LoopError) {
                    metricsAddresses.append(try await metrics.listen(on: address))
                } catch {
                    // Media is worth more than numbers about it.
                    logger.error("metrics are not served", [LogField(.reason, error.description)])
                }
            }
        } catch {
            await http.stop(graceMilliseconds: 0)
            await metrics?.stop(graceMilliseconds: 0)
            await rtsp?.stop()
            service.use(nil)
            hub.cancel(following)
            throw error
        }
        check.use(
            http,
            SelfCheck.Listeners(
                http: httpAddresses, rtsp: rtspAddresses, rtsps: rtspsAddresses, metrics: metricsAddresses))
        await sources.apply(settings)
        return Running(
            control: control, media: media, directory: directory, service: service, feed: feed, events: events,
            http: http, metrics: metrics, rtsp: rtsp, sources: sources, forwards: forwards, authorizer: authorizer,
            limits: limits, hostNames: hostNames, interfaces: interfaces, subscriptions: subscriptions + [following],
            check: check)
    }

    private func httpSettings() -> HTTPServerSettings {
        let settings = startSettings
        var http = HTTPServerSettings()
        http.maximumConnections = settings.httpMaxConnections
        http.limits.headMilliseconds = settings.readTimeout.wholeMilliseconds
        http.limits.bodyMilliseconds = settings.readTimeout.wholeMilliseconds
        http.limits.writeStallMilliseconds = settings.writeTimeout.wholeMilliseconds
        http.responses = ResponsePolicy(cors: CORSPolicy(allowedOrigins: settings.webrtcAllowOrigins))
        let current = current
        http.isTrustedProxy = { address in current.current.webrtcTrustedProxies.contains { $0.contains(address) } }
        let logger = logger
        http.onAccess = { access in
            logger.debug(
                "http request",
                [
                    LogField(.method, access.method?.name ?? "-"), LogField(.path, access.path ?? "-"),
                    LogField(.status, access.status.map { String($0) } ?? "-"), LogField(.remote, access.remote),
                    LogField(.duration, "\(access.milliseconds)ms"),
                ])
        }
        return http
    }

    private func listen(
        _ server: HTTPServer, _ address: ListenAddress, _ check: SelfCheck
    ) async throws -> [SocketAddress] {
        let context =
            startSettings.webrtcEncryption ? try await CertificateFiles(startSettings).load() : nil
        if let context { check.use(context) }
        var bound: [SocketAddress] = []
        for candidate in address.socketAddresses {
            // The second family follows the port that the system chose for the first.
            let wanted = candidate.port == 0 ? candidate.withPort(bound.first?.port ?? 0) : candidate
            do throws(LoopError) {
                if let context {
                    bound.append(try await server.listen(on: wanted, tls: context))
                } else {
                    bound.append(try await server.listen(on: wanted))
                }
            } catch {
                // A machine without IPv6 still serves IPv4.
                guard wanted.isIPv6, !bound.isEmpty else { throw error }
                logger.warn("not listening on IPv6", [LogField(.reason, error.description)])
            }
        }
        return bound
    }

    private func rtspService(
        _ media: MediaPlane, _ service: WebRTCService, _ authorizer: TokenAuthorizer, _ limits: RequestLimits
    ) async -> RTSPService {
        let current = current
        var datagrams: RTSPDatagramPlane?
        if startSettings.rtsp, startSettings.rtspTransports.contains(where: { $0 != .tcp }) {
            let groups = RTSPMulticastGroups(
                startSettings.multicastIPRange,
                ports: RTSPPortPair(
                    rtp: UInt16(clamping: startSettings.multicastRTPPort),
                    rtcp: UInt16(clamping: startSettings.multicastRTCPPort)))
            do throws(LoopError) {
                datagrams = try await RTSPDatagramPlane(
                    on: media.loops, rtp: startSettings.rtpAddress, rtcp: startSettings.rtcpAddress, groups: groups,
                    udp: startSettings.udpSocketSettings())
            } catch {
                logger.error(
                    "RTSP clients get no UDP; set rtpAddress and rtcpAddress", [LogField(.reason, error.description)])
            }
        }
        return RTSPService(
            webrtc: service, hub: hub, logger: logger, authorizer: authorizer, limits: limits, datagrams: datagrams,
            settings: { current.current })
    }

    /// Serves RTSP where it can: a port that is taken costs RTSP, not the server.
    private func rtspServer(_ control: EventLoop, _ service: RTSPService) async -> RTSPServer {
        let server = RTSPServer(on: control, service: service)
        if startSettings.rtspEncryption != .strict {
            rtspAddresses = await listen(startSettings.rtspAddress, "rtspAddress") { address throws(LoopError) in
                try await server.listen(on: address)
            }
        }
        guard startSettings.rtspEncryption != .no else { return server }
        do throws(ServerFault) {
            let context = try await CertificateFiles.rtsp(startSettings).load()
            rtspsAddresses = await listen(startSettings.rtspsAddress, "rtspsAddress") { address throws(LoopError) in
                try await server.listen(on: address, tls: context)
            }
        } catch {
            logger.error("RTSP is not served over TLS", [LogField(.reason, error.description)])
        }
        return server
    }

    /// Listens on every address that `setting` stands for; what cannot be had is told.
    private func listen(
        _ setting: ListenAddress, _ name: String,
        _ listen: (SocketAddress) async throws(LoopError) -> SocketAddress
    ) async -> [SocketAddress] {
        var bound: [SocketAddress] = []
        for candidate in setting.socketAddresses {
            let wanted = candidate.port == 0 ? candidate.withPort(bound.first?.port ?? 0) : candidate
            do throws(LoopError) {
                bound.append(try await listen(wanted))
            } catch {
                // A machine without IPv6 still serves IPv4.
                let isExpected = wanted.isIPv6 && !bound.isEmpty
                let reason = LogField(.reason, error.description)
                if isExpected {
                    logger.warn("RTSP is not served over IPv6", [reason])
                } else {
                    logger.error(
                        "RTSP is not served where the setting says; change it, or set rtsp to no",
                        [LogField(.setting, name), reason])
                }
            }
        }
        return bound
    }

    private func metricsServer(
        _ control: EventLoop, _ registry: MetricsRegistry, _ authorizer: TokenAuthorizer, _ limits: RequestLimits
    ) -> HTTPServer {
        var router = Router()
        MetricsRoutes(registry: registry, authorizer: authorizer, limits: limits).add(to: &router)
        return HTTPServer(on: control, router: router)
    }

    /// Stops in order: no new sessions, everybody is told (BYE, close_notify), then sockets and threads go.
    public func stop() async {
        guard let running else { return }
        self.running = nil
        hub.publish(.serverStopping)
        await running.feed.stop()
        await running.events.stop()
        running.service.use(nil)
        await running.forwards.stop()
        await running.sources.stop()
        await running.service.endAll(.stopping)
        await running.rtsp?.stop()
        await running.directory.stop()
        await running.http.stop(graceMilliseconds: 1_000)
        await running.metrics?.stop(graceMilliseconds: 200)
        await running.media.stop()
        running.control.stop()
        forget(running.subscriptions)
        log.flush()
    }
}

/// The feeds, which rooms tell of changes, exist only after the rooms' directory does. They are not kept alive from here:
/// they hold the directory.
private final class FeedBox: Sendable {
    struct Feeds {
        var rooms: RoomsFeed
        var events: EventFeed
        var viewers: ViewerEvents
    }

    private struct References {
        weak var rooms: RoomsFeed?
        weak var events: EventFeed?
        weak var viewers: ViewerEvents?
    }

    private let box = Mutex(References())

    var feeds: Feeds? {
        box.withLock { references in
            guard let rooms = references.rooms, let events = references.events, let viewers = references.viewers
            else { return nil }
            return Feeds(rooms: rooms, events: events, viewers: viewers)
        }
    }

    func set(_ feeds: Feeds) {
        box.withLock {
            $0.rooms = feeds.rooms
            $0.events = feeds.events
            $0.viewers = feeds.viewers
        }
    }
}
