import HTTP
import Loop
import Secure
import Streams
import Synchronization
import Wire

/// Where the feed learns how things are.
struct FeedSource: Sendable {
    /// The room as it is now; nil when there is none.
    var room: @Sendable (String) async -> FeedRoom?
    var quality: @Sendable () async -> [RoomQuality]
}

/// Rooms that changed since they were last looked at. Marking is all that media threads do for the feed.
private final class ChangedRooms: Sendable {
    private let names = Mutex<Set<String>>([])

    /// - Returns: whether somebody has to be woken.
    func mark(_ name: String) -> Bool {
        names.withLock { names in
            defer { names.insert(name) }
            return names.isEmpty
        }
    }

    func take() -> [String] {
        names.withLock { names in
            defer { names.removeAll(keepingCapacity: true) }
            return names.sorted()
        }
    }

    var isEmpty: Bool { names.withLock(\.isEmpty) }
}

/// `GET /v1/events`: what is live, as numbered server-sent events that a client can resume.
///
/// The feed keeps a picture of its own of every room. A change marks the room; the feed looks at it, compares, and what is
/// new becomes one event for all subscribers. Subscribing reads that picture without a pause between snapshot and first
/// event, so nothing is lost or told twice (SSE-5).
actor EventFeed: LoopActor {
    typealias Limits = ListenerPlaces.Limits

    enum Subscription: Sendable {
        case accepted(HTTPBodyStream)
        /// A short stream that tells the client to come back later: EventSource never comes back after an error (SSE-8).
        case later(HTTPBodyStream)
    }

    /// Changes closer together than this are told together.
    static let pacingMilliseconds: UInt64 = 20
    static let tickMilliseconds: UInt64 = 1_000
    static let ticksPerQuality = 5
    /// Occurrences that wait to be told; more are left out.
    static let maximumOccurrences = 256

    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private let source: FeedSource
    private let authorizer: any Authorizing
    nonisolated let limits: Limits
    private let changes = ChangedRooms()

    private var history: FeedHistory
    private var access = FeedAccess()
    private var subscribers: [UInt64: FeedSubscriber] = [:]
    private var places: ListenerPlaces
    private var nextSubscriber: UInt64 = 1
    private var occurrences: [RoomOccurrence] = []
    private var endedViewers: [EndedViewers: Int] = [:]
    private var publishers: [PeerID: PeerProtocol] = [:]

    private var ticker: (any LoopTimer)?
    private var pacer: (any LoopTimer)?
    private var ticks = 0
    private var lastRefresh: Instant?
    private var isRefreshing = false
    private var isSampling = false
    private var isStopping = false

    init(
        on loop: EventLoop, source: FeedSource, authorizer: any Authorizing, limits: Limits = Limits(),
        epoch: String = EventFeed.newEpoch()
    ) {
        eventLoop = loop
        self.source = source
        self.authorizer = authorizer
        self.limits = limits
        places = ListenerPlaces(limits)
        history = FeedHistory(epoch: epoch)
    }

    static func newEpoch() -> String { String(SecureRandom.uint64(), radix: 36) }

    var subscriberCount: Int { subscribers.count }
    var historyBytes: Int { history.byteCount }
    /// Clients for which there was no place.
    var refused: UInt64 { places.refused }
    var lastEventID: String { history.id(history.lastNumber) }

    // MARK: what happens

    /// Something about a room changed. Any thread; never waits.
    nonisolated func changed(_ room: String) {
        guard changes.mark(room) else { return }
        eventLoop.execute { self.onLoop { $0.refreshSoon() } }
    }

    /// Takes what the hub reports. Any thread; never waits.
    nonisolated func received(_ record: EventRecord) {
        switch record.event {
        case .publisherStarted, .publisherStopped, .publisherReplaced, .publisherSwitched, .sessionFailed,
            .soundConverted, .soundOmitted, .viewerLeft(_, _, .codecChanged), .viewerLeft(_, _, .publisherGone),
            .viewerLeft(_, _, .roomClosed):
            eventLoop.execute { self.onLoop { $0.note(record.event) } }
        default: break
        }
    }

    private func note(_ event: ServerEvent) {
        switch event {
        case .publisherStarted(let room, let peer):
            publishers[peer.id] = peer.protocol
            changed(room)
        case .publisherStopped(let room, let peer, _):
            publishers[peer.id] = nil
            changed(room)
        case .publisherReplaced(let room, let old, let new):
            publishers[old.id] = nil
            changed(room)
            note(RoomOccurrence(replaced: old.id, by: new.id, room: room))
        case .publisherSwitched(let room, let old, let new, let reason):
            note(RoomOccurrence(switchedFrom: old?.id, to: new.id, reason, room: room))
        case .viewerLeft(let room, _, let reason): noteEnd(of: room, reason)
        case .sessionFailed(let room, let failure): note(RoomOccurrence(failure, room: room))
        case .soundConverted(let room, let codec, _):
            note(RoomOccurrence(soundOf: room, codec, convertedTo: TrackFormat.convertedSound.encodingName))
        case .soundOmitted(let room, let codec, let reason, let advice):
            note(RoomOccurrence(soundOf: room, codec, omitted: reason, advice: advice))
        default: break
        }
    }

    private func note(_ occurrence: RoomOccurrence) {
        guard occurrences.count < Self.maximumOccurrences else { return }
        occurrences.append(occurrence)
        refreshSoon()
    }

    /// A room's viewers end together, so they are told of together.
    private func noteEnd(of room: String, _ reason: EndReason) {
        let ended = EndedViewers(room: room, reason: reason)
        guard endedViewers[ended] != nil || endedViewers.count < Self.maximumOccurrences else { return }
        endedViewers[ended, default: 0] += 1
        refreshSoon()
    }

    private func refreshSoon() {
        guard !isRefreshing, !isStopping else { return }
        if let lastRefresh, eventLoop.now.milliseconds(since: lastRefresh) < Int64(Self.pacingMilliseconds) {
            if pacer == nil {
                pacer = eventLoop.makeTimer(name: "event feed pacing") { [weak self] in
                    self?.onLoop { $0.refreshSoon() }
                }
            }
            if pacer?.deadline == nil {
                pacer?.schedule(at: lastRefresh.advanced(byMilliseconds: Self.pacingMilliseconds))
            }
            return
        }
        isRefreshing = true
        Task { await refresh() }
    }

    /// Looks at every room that changed and tells what is new.
    private func refresh() async {
        for name in changes.take() {
            var room = await source.room(name)
            if let peer = room?.publisher?.peer {
                room?.publisher?.isConnected = publishers[peer] != nil
                if let spoken = publishers[peer] { room?.publisher?.protocol = spoken }
            }
            await decide(about: name)
            if let entry = history.update(name, to: room, at: eventLoop.now) { tell(entry) }
        }
        let occurred = occurrences + endedViewers.map { RoomOccurrence($0.key, count: $0.value) }
        occurrences = []
        endedViewers = [:]
        for occurrence in occurred {
            await decide(about: occurrence.room)
            tell(history.occurred(occurrence, at: eventLoop.now))
        }
        isRefreshing = false
        lastRefresh = eventLoop.now
        if !changes.isEmpty || !occurrences.isEmpty || !endedViewers.isEmpty { refreshSoon() }
    }

    private func tell(_ entry: FeedEntry) {
        let now = eventLoop.now
        var overflowed: [UInt64] = []
        for (id, subscriber) in subscribers
        where isFor(subscriber, entry.room) || isForOperator(subscriber, entry) {
            if !subscriber.deliver(entry, at: now) { overflowed.append(id) }
        }
        for id in overflowed { giveUp(id) }
    }

    private func isFor(_ subscriber: FeedSubscriber, _ room: String) -> Bool {
        subscriber.filter.matches(room) && access.mayRead(room, subscriber.identity)
    }

    /// Operators are told of every room's failures.
    private func isForOperator(_ subscriber: FeedSubscriber, _ entry: FeedEntry) -> Bool {
        subscriber.isOperator && entry.operatorBytes != nil && subscriber.filter.matches(entry.room)
    }

    // MARK: who may know

    /// Asks about everybody who is subscribed, so that telling an event afterwards needs no waiting.
    private func decide(about room: String) async {
        while true {
            let undecided = access.undecided(for: room)
            guard !undecided.isEmpty else { return }
            for (identity, credentials) in undecided { await decide(room, identity, credentials) }
        }
    }

    private func decide(_ room: String, _ identity: FeedIdentity, _ credentials: Credentials) async {
        let generation = access.generation
        let outcome = await authorizer.authorize(
            action: .read, path: room, protocol: .whep, credentials: credentials)
        access.decide(room, identity, outcome == .allowed, generation: generation)
    }

    /// The settings say anew who may read what: every client comes back and is asked about again.
    func authorizationChanged() {
        access.reset()
        let next = FeedHistory(epoch: Self.newEpoch())
        var moved = next
        for name in history.roomNames.sorted() { _ = moved.update(name, to: history.room(name), at: eventLoop.now) }
        history = moved
        for id in Array(subscribers.keys) { giveUp(id) }
    }

    // MARK: subscribers

    /// A new client's stream, with its beginning already in it.
    ///
    /// - Parameters:
    ///   - lastEventID: where the client was cut off. It must ask for the same rooms as before.
    ///   - isOperator: whether it is told what only operators are told.
    ///   - onEnd: called once, when the stream is over or there is none.
    func subscribe(
        after lastEventID: String?, filter: RoomFilter, credentials: Credentials, identity: FeedIdentity,
        isOperator: Bool = false, onEnd: @escaping @Sendable () -> Void = {}
    ) async -> Subscription {
        let address = ClientAddress(credentials.address)
        guard !isStopping, places.take(address) else {
            onEnd()
            return .later(ListenerRetry.later())
        }
        access.enter(identity, credentials)
        while true {
            let undecided = undecidedRooms(identity, filter, since: lastEventID)
            guard !undecided.isEmpty else { break }
            for room in undecided { await decide(room, identity, credentials) }
        }

        let beginning = history.beginning(
            after: lastEventID, isOperator: { isOperator && filter.matches($0) },
            isVisible: { filter.matches($0) && access.mayRead($0, identity) })
        let id = nextSubscriber
        nextSubscriber += 1
        let stream = HTTPBodyStream(maximumQueuedBytes: FeedSubscriber.queueBytes + beginning.count) { [weak self] in
            guard let self else { return }
            eventLoop.execute { self.onLoop { $0.remove(id) } }
        }
        stream.send(ListenerRetry.beginning())
        stream.send(beginning)
        guard !isStopping else {
            release(address, identity)
            onEnd()
            stream.finish()
            return .later(stream)
        }
        subscribers[id] = FeedSubscriber(
            stream: stream, filter: filter, identity: identity, address: address, isOperator: isOperator,
            onEnd: onEnd, at: eventLoop.now)
        startTicking()
        return .accepted(stream)
    }

    private func undecidedRooms(_ identity: FeedIdentity, _ filter: RoomFilter, since id: String?) -> [String] {
        var rooms = Set(history.roomNames)
        // Rooms that are gone, and whose last events a returning client may have missed.
        if id != nil { rooms.formUnion(history.keptRoomNames) }
        return rooms.filter { filter.matches($0) && !access.isDecided($0, identity) }
    }

    private func remove(_ id: UInt64) {
        guard let subscriber = subscribers.removeValue(forKey: id) else { return }
        subscriber.onEnd()
        release(subscriber.address, subscriber.identity)
    }

    private func release(_ address: ClientAddress, _ identity: FeedIdentity) {
        access.leave(identity)
        places.giveBack(address)
    }

    /// Ends a client's stream; it comes back and goes on after the last event it has seen.
    private func giveUp(_ id: UInt64) {
        subscribers[id]?.stream.finish()
        remove(id)
    }

    // MARK: time

    private func startTicking() {
        if ticker == nil {
            ticker = eventLoop.makeTimer(name: "event feed") { [weak self] in
                self?.onLoop { feed in
                    feed.tick(at: feed.eventLoop.now)
                    if !feed.subscribers.isEmpty { feed.startTicking() }
                }
            }
        }
        guard ticker?.deadline == nil else { return }
        ticker?.schedule(at: eventLoop.now.advanced(byMilliseconds: Self.tickMilliseconds))
    }

    func tick(at now: Instant) {
        let heartbeat = ServerSentEvent.comment().dropLast() + Array("id: \(lastEventID)\n\n".utf8)
        let silent = subscribers.filter { !$0.value.maintain(heartbeat: Array(heartbeat), at: now) }
        for id in silent.keys { giveUp(id) }
        ticks += 1
        if ticks % 60 == 0 { access.keep(only: history.keptRoomNames.union(history.roomNames)) }
        guard ticks % Self.ticksPerQuality == 0, !subscribers.isEmpty, !isSampling else { return }
        isSampling = true
        Task {
            await sampleQuality()
            isSampling = false
        }
    }

    /// Numbers that are soon superseded carry no id and are not kept for clients that come back.
    private func sampleQuality() async {
        for quality in await source.quality() {
            await decide(about: quality.room)
            let event = ServerSentEvent(event: "room.quality", data: String(decoding: quality.json, as: UTF8.self))
            let bytes = event.encoded
            for subscriber in subscribers.values where isFor(subscriber, quality.room) {
                subscriber.offer(bytes, at: eventLoop.now)
            }
        }
    }

    /// Ends every stream. Clients are told to wait for different times, so that they do not all come back at once
    /// (SSE-17).
    func stop() {
        isStopping = true
        ticker?.cancel()
        pacer?.cancel()
        for id in Array(subscribers.keys) {
            subscribers[id]?.stream.send(ListenerRetry.farewell())
            giveUp(id)
        }
    }
}
