public import Loop
internal import Synchronization

/// Takes events from any thread and gives them, in one order, to everyone who reads them.
///
/// Publishing never waits for a reader: a queue that is full loses the event and counts it. A few past events are kept,
/// so that a feed can go on where its client was cut off.
public final class EventHub: Sendable {
    public static let maximumHistory = 1_024
    /// Events waiting for the light subscribers; beyond it they miss events, which is counted.
    public static let maximumUndelivered = 8_192

    private struct State {
        var nextID: UInt64 = 1
        var nextSubscriber = 0
        var history: [EventRecord] = []
        var queues: [(key: Int, queue: EventSubscription)] = []
        var closures: [(key: Int, body: @Sendable (EventRecord) -> Void)] = []
        var undelivered: [EventRecord] = []
        var isDelivering = false
        var dropped = 0
    }

    /// Ends a subscription when it is cancelled.
    public struct Token: Sendable {
        fileprivate let key: Int
    }

    private let state = Mutex(State())
    private let wallMilliseconds: @Sendable () -> Int64

    /// - Parameter clock: Milliseconds since 1970.
    public init(clock: @escaping @Sendable () -> Int64 = { MonotonicClock.unixMilliseconds }) {
        wallMilliseconds = clock
    }

    /// Gives the event its id and hands it to every subscriber. Never blocks and may be called anywhere, also from
    /// inside a subscriber.
    ///
    /// - Returns: The id of the event.
    @discardableResult
    public func publish(_ event: ServerEvent) -> UInt64 {
        let now = wallMilliseconds()
        let (id, mustDeliver) = state.withLock { state in
            let record = EventRecord(id: state.nextID, milliseconds: now, event: event)
            state.nextID += 1
            if state.history.count >= 2 * Self.maximumHistory { state.history.removeFirst(Self.maximumHistory) }
            state.history.append(record)
            for (_, queue) in state.queues { queue.add(record) }
            guard !state.closures.isEmpty else { return (record.id, false) }
            guard state.undelivered.count < Self.maximumUndelivered else {
                state.dropped += 1
                return (record.id, false)
            }
            state.undelivered.append(record)
            defer { state.isDelivering = true }
            return (record.id, !state.isDelivering)
        }
        if mustDeliver { deliver() }
        return id
    }

    /// One publisher at a time delivers, so the order is kept; the others leave their events to it.
    private func deliver() {
        while true {
            let (records, closures) = state.withLock { state in
                let taken = (state.undelivered, state.closures)
                state.undelivered = []
                if taken.0.isEmpty { state.isDelivering = false }
                return taken
            }
            guard !records.isEmpty else { return }
            for record in records {
                for (_, body) in closures { body(record) }
            }
        }
    }

    /// Calls `body` with every later event, in order, on whichever thread published. It must be quick and not block.
    public func subscribe(_ body: @escaping @Sendable (EventRecord) -> Void) -> Token {
        state.withLock { state in
            state.nextSubscriber += 1
            state.closures.append((state.nextSubscriber, body))
            return Token(key: state.nextSubscriber)
        }
    }

    /// A queue of later events, preceded by kept ones after `id` when one is given.
    ///
    /// The queue's first read tells whether events between `id` and the oldest kept one are lost
    /// (``EventSubscription/missed``).
    public func subscribe(capacity: Int = 256, after id: UInt64? = nil) -> EventSubscription {
        let hub = self
        return state.withLock { state in
            state.nextSubscriber += 1
            let token = Token(key: state.nextSubscriber)
            let queue = EventSubscription(capacity: capacity) { [weak hub] in hub?.cancel(token) }
            if let id, id < state.nextID {
                let kept = state.history.filter { $0.id > id }
                let oldest = kept.first?.id ?? state.nextID
                queue.begin(missed: Int(clamping: oldest - id - 1))
                for record in kept { queue.add(record) }
            }
            state.queues.append((token.key, queue))
            return queue
        }
    }

    public func cancel(_ token: Token) {
        state.withLock { state in
            state.closures.removeAll { $0.key == token.key }
            state.queues.removeAll { $0.key == token.key }
        }
    }

    /// The id of the last event; 0 before the first.
    public var lastID: UInt64 { state.withLock { $0.nextID - 1 } }
    /// Events light subscribers missed because one of them was too slow.
    public var dropped: Int { state.withLock { $0.dropped } }
    public var subscriberCount: Int { state.withLock { $0.queues.count + $0.closures.count } }
}
