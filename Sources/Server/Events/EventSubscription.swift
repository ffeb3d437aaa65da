internal import Synchronization

/// A reader's own bounded queue of events. One task reads it.
public final class EventSubscription: Sendable, AsyncSequence {
    private struct State {
        var buffer: [EventRecord] = []
        var waiter: CheckedContinuation<EventRecord?, Never>?
        var missed = 0
        var isFinished = false
    }

    private let state = Mutex(State())
    private let capacity: Int
    private let onFinish: @Sendable () -> Void

    init(capacity: Int, onFinish: @escaping @Sendable () -> Void) {
        self.capacity = Swift.max(1, capacity)
        self.onFinish = onFinish
    }

    /// Events this reader did not get because its queue was full, or because they were no longer kept when it came.
    /// Ids in the records show where.
    public var missed: Int { state.withLock { $0.missed } }

    func begin(missed: Int) { state.withLock { $0.missed = missed } }

    func add(_ record: EventRecord) {
        let waiter: CheckedContinuation<EventRecord?, Never>? = state.withLock { state in
            guard !state.isFinished else { return nil }
            if let waiter = state.waiter {
                state.waiter = nil
                return waiter
            }
            if state.buffer.count >= capacity {
                state.missed += 1
            } else {
                state.buffer.append(record)
            }
            return nil
        }
        waiter?.resume(returning: record)
    }

    /// The next event; nil once the subscription is finished or the reading task is cancelled.
    public func next() async -> EventRecord? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready: EventRecord?? = state.withLock { state in
                    if !state.buffer.isEmpty { return state.buffer.removeFirst() }
                    // A second reader would silence the first, so it gets nothing.
                    if state.isFinished || state.waiter != nil { return .some(nil) }
                    state.waiter = continuation
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            finish()
        }
    }

    /// Takes what is there without waiting.
    public func takeAll() -> [EventRecord] {
        state.withLock { state in
            defer { state.buffer = [] }
            return state.buffer
        }
    }

    /// Ends the subscription; a waiting reader gets nil.
    public func finish() {
        let waiter = state.withLock { state in
            state.isFinished = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: nil)
        onFinish()
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let subscription: EventSubscription
        public mutating func next() async -> EventRecord? { await subscription.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(subscription: self) }
}
