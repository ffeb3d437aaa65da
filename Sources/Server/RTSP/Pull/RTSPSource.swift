import Loop
import RTSP
import Secure
import Streams
import Synchronization
import Wire

/// Keeps one room fed from its source: always, or as long as somebody watches. Pulls again whenever an attempt ends.
actor RTSPSource {
    /// How often a source on demand looks whether somebody still watches.
    private static let lookMilliseconds: UInt64 = 500
    static let maximumRedirections = 5
    /// A viewer for whom the source was brought needs this long to take its place.
    private static let leastIdleTime = Duration.seconds(1)

    nonisolated let settings: RoomSettings
    nonisolated let url: RTSPURL
    private let service: RTSPService
    private let resolver: HostResolver
    private var task: Task<Void, Never>?
    /// The last task that was stopped, which may still be saying goodbye.
    private var ending: Task<Void, Never>?
    private var puller: RTSPPuller?
    private var isPlaying = false
    /// Viewers that wait for media, by the order in which they came.
    private var waiters: [UInt64: CheckedContinuation<Bool, Never>] = [:]
    private var arrivals: UInt64 = 0
    /// Told, once and as the last thing, that nobody needs the source any more; nil for one that stays for whoever is next.
    private let onIdle: (@Sendable (RTSPSource) -> Void)?
    /// Returns after so long, or when its task is cancelled.
    private let pause: @Sendable (Duration) async -> Void
    private var isOver = false
    private var transports: [Bool: RTSPTransportChoice] = [:]
    private var trust: TLSClientContext?
    private var backChannelQuestion: RTSPBackChannelQuestion

    init(
        _ url: RTSPURL, settings: RoomSettings, service: RTSPService, resolver: HostResolver,
        pause: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) },
        onIdle: (@Sendable (RTSPSource) -> Void)? = nil
    ) {
        self.url = url
        self.settings = settings
        self.service = service
        self.resolver = resolver
        self.pause = pause
        self.onIdle = onIdle
        backChannelQuestion = RTSPBackChannelQuestion(isWanted: settings.rtspBackChannel)
    }

    /// Begins to pull, if it does not yet.
    func start() {
        // It may have been ended while whoever starts it waited for others to end.
        guard task == nil, !isOver else { return }
        task = Task { [ending] in
            await ending?.value
            await pullAgainAndAgain()
        }
    }

    /// Begins to pull for a viewer, and waits until media comes.
    ///
    /// - Returns: `false` when none comes in time; nil when the source is over, and another one has to be made.
    func bring() async -> Bool? {
        guard !isOver else { return nil }
        if isPlaying { return true }
        start()
        arrivals += 1
        let (number, timeout) = (arrivals, settings.sourceOnDemandStartTimeout)
        let alarm = Task {
            await pause(timeout)
            if !Task.isCancelled { giveUpWaiting(number) }
        }
        let isThere = await withCheckedContinuation { waiters[number] = $0 }
        alarm.cancel()
        return isThere
    }

    /// Viewers that wait for media now.
    var waiterCount: Int { waiters.count }

    /// Ends the source for good.
    func end() async {
        isOver = true
        await stop()
    }

    /// Ends the attempt that runs, and returns when the server has been told.
    func stop() async {
        guard let task else { return }
        self.task = nil
        ending = task
        task.cancel()
        isPlaying = false
        resumeWaiters(false)
        // Without a connection there is nobody to tell.
        guard let puller else { return }
        await puller.stop()
        await task.value
    }

    private func giveUpWaiting(_ number: UInt64) { waiters.removeValue(forKey: number)?.resume(returning: false) }

    private func resumeWaiters(_ isThere: Bool) {
        let waiting = waiters.values
        waiters = [:]
        for waiter in waiting { waiter.resume(returning: isThere) }
    }

    /// Nothing runs any more and nobody waits.
    private func endIfIdle() {
        guard let onIdle, task == nil, waiters.isEmpty, !isOver else { return }
        isOver = true
        onIdle(self)
    }

    private nonisolated var isOnDemand: Bool { settings.sourceOnDemand || onIdle != nil }

    private func played() {
        guard task != nil else { return }
        isPlaying = true
        resumeWaiters(true)
    }

    private func pullAgainAndAgain() async {
        var pause = ReconnectPause()
        var target = url
        var redirections = 0
        while !Task.isCancelled {
            let watch = isOnDemand ? Task { await stopWhenNobodyWatches() } : nil
            let outcome = await attempt(target)
            watch?.cancel()
            puller = nil
            if outcome.hasBegun { backChannelQuestion.began(hasOpened: outcome.hasOpenedBackChannel) }
            guard !Task.isCancelled else { return }
            isPlaying = false
            if let redirection = outcome.redirection, redirections < Self.maximumRedirections {
                redirections += 1
                target = redirection
                continue
            }
            if transports[target.isSecure]?.ended(with: outcome.failure, hasPlayed: outcome.hasPlayed) == true {
                service.clientCounters.fallbacks.wrappingAdd(1, ordering: .relaxed)
                service.logger.info(
                    "the source is tried over TCP", [LogField(.room, settings.room), LogField(.reason, outcome.reason)])
                continue
            }
            if !outcome.hasBegun, backChannelQuestion.failed(mayBeOfQuestion: outcome.mayBeOfBackChannel) {
                service.logger.info(
                    "the source is asked again without its back channel (rtspBackChannel)",
                    [LogField(.room, settings.room), LogField(.reason, outcome.reason)])
                continue
            }
            redirections = 0
            target = url
            service.logger.warn(
                "the source does not play; trying again",
                [LogField(.room, settings.room), LogField(.reason, outcome.reason)])
            if outcome.hasPlayed { pause.succeeded() }
            try? await Task.sleep(for: pause.next(random: SecureRandom.uint32()))
            guard !Task.isCancelled else { return }
            if isOnDemand, await !hasViewers, waiters.isEmpty { break }
        }
        guard !Task.isCancelled else { return }
        task = nil
        endIfIdle()
    }

    private func attempt(_ url: RTSPURL) async -> RTSPPuller.Outcome {
        guard let address = await resolver.address(of: url) else {
            return RTSPPuller.Outcome(reason: "the host of the source has no address")
        }
        do throws(SecureError) {
            if url.isSecure, trust == nil { trust = try TLSClientContext(fingerprint: settings.sourceFingerprint) }
        } catch {
            return RTSPPuller.Outcome(reason: "TLS cannot be used: \(error)")
        }
        let entry: RoomEntry
        do throws(RoomDirectory.DirectoryError) {
            entry = try await service.directory.open(
                settings.room, policy: RoomPolicy(settings), limit: service.settings().maxRooms)
        } catch {
            return RTSPPuller.Outcome(reason: "the server takes no further rooms (maxRooms)")
        }
        let choice = transports[url.isSecure] ?? RTSPTransportChoice(settings.rtspTransport, isSecure: url.isSecure)
        transports[url.isSecure] = choice
        let puller = RTSPPuller(
            RTSPPuller.Attempt(
                url: url, address: address, delivery: choice.current, isTrying: choice.isTrying,
                asksForBackChannel: backChannelQuestion.isAsked && choice.current != .multicast,
                trust: url.isSecure ? trust : nil,
                onPlaying: { [weak self] in Task { await self?.played() } }),
            into: entry, settings: settings, service: service)
        self.puller = puller
        let outcome = Task.isCancelled ? RTSPPuller.Outcome(reason: "stopped") : await puller.run()
        await entry.room.closeIfEmpty()
        return outcome
    }

    private var hasViewers: Bool {
        get async {
            guard let entry = await service.directory.room(named: settings.room) else { return false }
            return await !entry.room.snapshot.viewers.isEmpty
        }
    }

    private func stopWhenNobodyWatches() async {
        let patience = max(settings.sourceOnDemandCloseAfter, Self.leastIdleTime)
        var idleSince = ContinuousClock.now
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(Int(Self.lookMilliseconds)))
            let isWanted = await hasViewers
            let now = ContinuousClock.now
            if isWanted || !waiters.isEmpty || !isPlaying { idleSince = now }
            guard now - idleSince >= patience, !Task.isCancelled else { continue }
            await stop()
            await ending?.value
            return endIfIdle()
        }
    }
}
