import Loop
import RTSP
import Secure
import Streams
import Synchronization
import Wire

/// Keeps one room fed from its source: always, or as long as somebody watches. Pulls again whenever an attempt ends.
actor RTSPSource {
    private static let firstPauseMilliseconds: UInt64 = 1_000
    private static let longestPauseMilliseconds: UInt64 = 30_000
    /// How often a source on demand looks whether somebody still watches.
    private static let lookMilliseconds: UInt64 = 500
    private static let maximumRedirections = 5

    nonisolated let settings: RoomSettings
    nonisolated let url: RTSPURL
    private let service: RTSPService
    private let resolver: HostResolver
    private var task: Task<Void, Never>?
    private var puller: RTSPPuller?
    private var isPlaying = false
    private var waiters: [CheckedContinuation<Bool, Never>] = []
    private var attempts = 0

    init(_ url: RTSPURL, settings: RoomSettings, service: RTSPService, resolver: HostResolver) {
        self.url = url
        self.settings = settings
        self.service = service
        self.resolver = resolver
    }

    /// Begins to pull, if it does not yet.
    func start() {
        guard task == nil else { return }
        task = Task { await pullAgainAndAgain() }
    }

    /// Begins to pull for a viewer, and waits until media comes; `false` when it does not in time.
    func bring() async -> Bool {
        if isPlaying { return true }
        start()
        let timeout = settings.sourceOnDemandStartTimeout
        let alarm = Task {
            try? await Task.sleep(for: timeout)
            if !Task.isCancelled { giveUpWaiting() }
        }
        let isThere = await withCheckedContinuation { waiters.append($0) }
        alarm.cancel()
        return isThere
    }

    func stop() async {
        task?.cancel()
        task = nil
        isPlaying = false
        resumeWaiters(false)
        await puller?.stop()
    }

    private func giveUpWaiting() { resumeWaiters(false) }

    private func resumeWaiters(_ isThere: Bool) {
        let waiting = waiters
        waiters = []
        for waiter in waiting { waiter.resume(returning: isThere) }
    }

    private func played() {
        isPlaying = true
        resumeWaiters(true)
    }

    private func pullAgainAndAgain() async {
        var pause = Self.firstPauseMilliseconds
        var target = url
        var redirections = 0
        while !Task.isCancelled {
            let watch = settings.sourceOnDemand ? Task { await stopWhenNobodyWatches() } : nil
            let outcome = await attempt(target)
            watch?.cancel()
            isPlaying = false
            puller = nil
            guard !Task.isCancelled else { break }
            if let redirection = outcome.redirection, redirections < Self.maximumRedirections {
                redirections += 1
                target = redirection
                continue
            }
            redirections = 0
            target = url
            service.logger.warn(
                "the source does not play; trying again",
                [LogField(.room, settings.room), LogField(.reason, outcome.reason)])
            if outcome.hasPlayed { pause = Self.firstPauseMilliseconds }
            // Nobody is to come back at the same moment as everybody else.
            let jitter = UInt64(SecureRandom.uint32()) % (pause / 4)
            try? await Task.sleep(for: .milliseconds(Int(pause + jitter)))
            pause = min(pause * 2, Self.longestPauseMilliseconds)
            if settings.sourceOnDemand, waiters.isEmpty, await !hasViewers { break }
        }
        task = nil
    }

    private func attempt(_ url: RTSPURL) async -> RTSPPuller.Outcome {
        guard let address = await resolve(url) else {
            return RTSPPuller.Outcome(hasPlayed: false, reason: "the host of the source has no address")
        }
        let entry: RoomEntry
        do throws(RoomDirectory.DirectoryError) {
            entry = try await service.directory.open(
                settings.room, policy: RoomPolicy(settings), limit: service.settings().maxRooms)
        } catch {
            return RTSPPuller.Outcome(hasPlayed: false, reason: "the server takes no further rooms (maxRooms)")
        }
        let puller = RTSPPuller(url, at: address, into: entry, settings: settings, service: service) { [weak self] in
            Task { await self?.played() }
        }
        self.puller = puller
        let outcome = await puller.run()
        await entry.room.closeIfEmpty()
        return outcome
    }

    private func resolve(_ url: RTSPURL) async -> SocketAddress? {
        if let address = SocketAddress(host: url.host, port: url.effectivePort) { return address }
        let found = await withCheckedContinuation { continuation in
            resolver.resolve(url.host) { continuation.resume(returning: $0) }
        }
        return (found.first { !$0.isIPv6 } ?? found.first)?.withPort(url.effectivePort)
    }

    private var hasViewers: Bool {
        get async {
            guard let entry = await service.directory.room(named: settings.room) else { return false }
            return await !entry.room.snapshot.viewers.isEmpty
        }
    }

    private func stopWhenNobodyWatches() async {
        var idleSince = ContinuousClock.now
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(Int(Self.lookMilliseconds)))
            let isWanted = await hasViewers
            let now = ContinuousClock.now
            if isWanted || !waiters.isEmpty || !isPlaying { idleSince = now }
            if now - idleSince >= settings.sourceOnDemandCloseAfter, !Task.isCancelled { return await stop() }
        }
    }
}

/// The sources of all rooms that are fed by the server itself.
final class RTSPSources: Sendable {
    private let service: RTSPService
    private let resolver = HostResolver()
    private let sources = Mutex<[String: RTSPSource]>([:])

    init(service: RTSPService) { self.service = service }

    /// Starts the sources that always play, and ends those that the settings no longer have.
    func apply(_ settings: ServerSettings) async {
        var wanted: [String: RTSPSource] = [:]
        for entry in settings.paths {
            guard let name = entry.roomName, let room = settings.room(named: name), let url = room.path.source.rtspURL
            else { continue }
            let existing = sources.withLock { $0[name] }
            let isSame = existing.map { $0.url == url && $0.settings.path.isSamePull(as: room.path) } ?? false
            wanted[name] = isSame ? existing : source(room, url)
        }
        let old = sources.withLock { sources in
            let old = sources
            // Sources that came into being by a pattern stay as long as the pattern leads to the same place.
            sources = sources.filter {
                wanted[$0.key] == nil && settings.room(named: $0.key)?.path.source.rtspURL == $0.value.url
            }
            sources.merge(wanted) { $1 }
            return old
        }
        for (name, source) in old where sources.withLock({ $0[name] }) !== source { await source.stop() }
        for source in wanted.values where !source.settings.sourceOnDemand { await source.start() }
    }

    /// Has the room's source play, when it has one.
    ///
    /// - Returns: `false` when it has one and no media came in time.
    func bring(_ room: RoomSettings) async -> Bool {
        guard let url = room.path.source.rtspURL else { return true }
        let source = sources.withLock { sources in
            if let known = sources[room.room] { return known }
            let new = self.source(room, url)
            sources[room.room] = new
            return new
        }
        return await source.bring()
    }

    private func source(_ room: RoomSettings, _ url: RTSPURL) -> RTSPSource {
        RTSPSource(url, settings: room, service: service, resolver: resolver)
    }

    func stop() async {
        let all = sources.withLock { sources in
            defer { sources = [:] }
            return Array(sources.values)
        }
        for source in all { await source.stop() }
    }
}
