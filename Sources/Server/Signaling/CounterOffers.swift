import Loop
import Streams
import WebRTC
import Wire

/// A counter-offer that waits for its viewer's answer, with all that the session needs once it comes.
struct PendingCounterOffer: Sendable {
    var offer: CounterOffer
    var draft: SessionDraft
    var request: SignalingRequest
    var entry: RoomEntry
    /// What the room had when the offer was made.
    var formats: [TrackFormat]
    var ticket: SessionLimits.Ticket
    /// Why the viewer's own offer was of no use.
    var reason: String
    /// Set when it begins to wait.
    var expiry = Instant(nanoseconds: 0)

    var id: String { draft.sessionID }
}

/// The counter-offers that wait for an answer. Each holds a viewer's place until it is answered, given up or too old.
actor CounterOffers: LoopActor {
    /// How long a viewer may take to answer (WHEP-3).
    static let lifetimeSeconds: UInt64 = 30
    /// Further viewers are refused as if there were no counter-offers.
    static let maximum = 1_000

    struct Statistics: Hashable, Sendable {
        var made: UInt64 = 0
        var answered: UInt64 = 0
        var expired: UInt64 = 0
    }

    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private let registry: SessionRegistry
    private let expired: @Sendable (PendingCounterOffer) -> Void
    private var pending: [String: PendingCounterOffer] = [:]
    private var timer: (any LoopTimer)?
    private(set) var statistics = Statistics()
    private var lifetimeSeconds = CounterOffers.lifetimeSeconds

    /// - Parameter expired: told every offer that nobody answered in time; must return at once.
    init(
        on loop: EventLoop, registry: SessionRegistry,
        expired: @escaping @Sendable (PendingCounterOffer) -> Void = { _ in }
    ) {
        eventLoop = loop
        self.registry = registry
        self.expired = expired
    }

    var count: Int { pending.count }

    /// Gives later counter-offers another time to live.
    func use(lifetimeSeconds: UInt64) { self.lifetimeSeconds = lifetimeSeconds }

    /// - Returns: false when too many wait already.
    func add(_ offer: PendingCounterOffer, at now: Instant) -> Bool {
        guard pending.count < Self.maximum else { return false }
        pending[offer.id] = offer
        pending[offer.id]?.expiry = now.advanced(bySeconds: lifetimeSeconds)
        statistics.made &+= 1
        arm()
        return true
    }

    /// The counter-offer of this id; nil when there is none, or it is too old.
    func offer(_ id: String) -> PendingCounterOffer? {
        expire(at: MonotonicClock.now)
        return pending[id]
    }

    /// Takes the counter-offer for an answer to it; of two answers one gets it.
    func take(_ id: String) -> PendingCounterOffer? {
        expire(at: MonotonicClock.now)
        return pending.removeValue(forKey: id)
    }

    /// Puts a counter-offer back whose answer could not be used; its time goes on.
    func putBack(_ offer: PendingCounterOffer) {
        pending[offer.id] = offer
        arm()
    }

    func wasAnswered() { statistics.answered &+= 1 }

    /// Forgets those that nobody answered in time.
    func expire(at now: Instant) {
        for (id, offer) in pending where offer.expiry <= now {
            pending[id] = nil
            statistics.expired &+= 1
            giveBack(offer)
            expired(offer)
        }
    }

    func giveBack(_ offer: PendingCounterOffer) {
        Task { [registry] in await registry.abandon(offer.ticket) }
    }

    func removeAll() {
        timer?.cancel()
        for offer in pending.values { giveBack(offer) }
        pending = [:]
    }

    private func arm() {
        if timer == nil {
            timer = eventLoop.makeTimer(name: "counter-offers") { [weak self] in
                self?.onLoop { offers in
                    offers.expire(at: offers.eventLoop.now)
                    offers.arm()
                }
            }
        }
        guard timer?.deadline == nil, let next = pending.values.map(\.expiry).min() else { return }
        timer?.schedule(at: next)
    }
}
