import Loop
import RTSP
import Secure
import Streams
import Wire

/// Pushes one room to one server for as long as somebody publishes in the room. Connects again whenever an attempt ends.
actor RTSPForward {
    private static let maximumRedirections = 5

    nonisolated let target: ForwardTarget
    nonisolated let room: String
    private let service: RTSPService
    private let resolver: HostResolver
    private var task: Task<Void, Never>?
    private var pusher: RTSPPusher?
    private var trust: TLSClientContext?

    init(_ target: ForwardTarget, room: String, service: RTSPService, resolver: HostResolver) {
        self.target = target
        self.room = room
        self.service = service
        self.resolver = resolver
    }

    /// Begins to push, if it does not yet or has come to an end with an earlier publication.
    func start() {
        guard task == nil else { return }
        task = Task {
            await pushAgainAndAgain()
            if !Task.isCancelled { task = nil }
        }
    }

    /// Whether the server takes media now.
    var isSending: Bool { get async { await pusher?.isSending ?? false } }

    /// Ends the attempt that runs, and returns when the server has been told.
    func stop() async {
        task?.cancel()
        guard let pusher else { return }
        await pusher.stop()
        await task?.value
    }

    private func pushAgainAndAgain() async {
        var pause = ReconnectPause()
        let url = target.url(forPath: room)
        var current = url
        var redirections = 0
        while !Task.isCancelled {
            guard let entry = await service.directory.room(named: room) else { return }
            let formats = await entry.room.formats
            guard !formats.isEmpty else { return }
            let outcome = await attempt(current, entry, formats)
            pusher = nil
            guard !Task.isCancelled else { return }
            if let redirection = outcome.redirection, redirections < Self.maximumRedirections {
                redirections += 1
                current = redirection
                continue
            }
            redirections = 0
            current = url
            service.logger.warn(
                "the room is not pushed; trying again",
                [LogField(.room, room), LogField(.remote, url.origin), LogField(.reason, outcome.reason)])
            if outcome.hasSent { pause.succeeded() }
            try? await Task.sleep(for: pause.next(random: SecureRandom.uint32()))
        }
    }

    private func attempt(_ url: RTSPURL, _ entry: RoomEntry, _ formats: [TrackFormat]) async -> RTSPPusher.Outcome {
        guard let address = await resolver.address(of: url) else {
            return RTSPPusher.Outcome(reason: "the host has no address")
        }
        var ports: [UDPSocket] = []
        do {
            if url.isSecure, trust == nil { trust = try TLSClientContext(fingerprint: target.fingerprint) }
            if target.transport == .udp, !url.isSecure {
                ports = try RTSPPullSockets.pairs(
                    formats.count, like: address, in: PortRange(first: 10_000, last: 65_535),
                    service.settings().udpSocketSettings(usual: RTSPPullSockets.receiveBufferBytes))
            }
        } catch {
            return RTSPPusher.Outcome(reason: "\(error)")
        }
        let pusher = RTSPPusher(
            to: url, at: address, trusting: url.isSecure ? trust : nil, from: entry, formats: formats, ports: ports,
            service: service)
        self.pusher = pusher
        return Task.isCancelled ? RTSPPusher.Outcome(reason: "stopped") : await pusher.run()
    }
}
