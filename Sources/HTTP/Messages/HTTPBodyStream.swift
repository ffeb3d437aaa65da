import Synchronization

/// A response body written over time, such as server-sent events.
///
/// The producer sends from any thread and never waits: what the client has not taken yet is queued up to a bound in
/// bytes, and a send over the bound is refused. The connection takes bytes only while its socket keeps up.
public final class HTTPBodyStream: Sendable {
    public static let defaultMaximumQueuedBytes = 256 * 1024

    private struct State {
        var queue: [[UInt8]] = []
        var queuedBytes = 0
        var isFinished = false
        var isCancelled = false
        var needsWake = true
        var wake: (@Sendable () -> Void)?
        var onCancel: (@Sendable () -> Void)?
    }

    private let state: Mutex<State>
    private let maximumQueuedBytes: Int

    /// - Parameters:
    ///   - maximumQueuedBytes: how much may wait for the client.
    ///   - onCancel: runs once, on any thread, when the client goes before ``finish()``.
    public init(
        maximumQueuedBytes: Int = HTTPBodyStream.defaultMaximumQueuedBytes, onCancel: (@Sendable () -> Void)? = nil
    ) {
        self.maximumQueuedBytes = maximumQueuedBytes
        state = Mutex(State(onCancel: onCancel))
    }

    /// Bytes sent that the connection has not taken yet.
    public var queuedBytes: Int { state.withLock { $0.queuedBytes } }

    /// Whether the client has gone, so that nothing sent can arrive any more.
    public var isCancelled: Bool { state.withLock { $0.isCancelled } }

    // MARK: Producer

    /// Queues `bytes` for the client. Arrays are shared, so one encoded event costs one copy for all clients.
    ///
    /// - Returns: `false`, having queued nothing, when the queue would pass its bound, after ``finish()``, and when the
    ///   client has gone. The producer then coalesces, or finishes the stream so that the client starts anew.
    @discardableResult
    public func send(_ bytes: [UInt8]) -> Bool {
        let (accepted, wake) = state.withLock { state -> (Bool, (@Sendable () -> Void)?) in
            guard !state.isFinished, !state.isCancelled, bytes.count <= maximumQueuedBytes - state.queuedBytes else {
                return (false, nil)
            }
            guard !bytes.isEmpty else { return (true, nil) }
            state.queue.append(bytes)
            state.queuedBytes += bytes.count
            return (true, Self.takeWake(&state))
        }
        wake?()
        return accepted
    }

    /// Ends the body once what is queued has been sent. Further sends are refused.
    public func finish() {
        let wake = state.withLock { state -> (@Sendable () -> Void)? in
            guard !state.isFinished, !state.isCancelled else { return nil }
            state.isFinished = true
            state.onCancel = nil
            return Self.takeWake(&state)
        }
        wake?()
    }

    /// Sets what runs when the client goes; runs it at once when it has gone already.
    public func onCancellation(_ handler: @escaping @Sendable () -> Void) {
        let runNow = state.withLock { state in
            if !state.isFinished, !state.isCancelled { state.onCancel = handler }
            return state.isCancelled
        }
        if runNow { handler() }
    }

    // MARK: Consumer

    public enum Next: Sendable, Equatable {
        case bytes([UInt8])
        /// Nothing is queued; the wake-up will be called, once, when that changes.
        case pending
        case finished
    }

    /// Sets the wake-up. It runs on the producer's thread, outside any lock, at most once per ``Next/pending``.
    public func attach(_ wake: @escaping @Sendable () -> Void) {
        state.withLock { $0.wake = wake }
    }

    /// Takes queued bytes, at least one send and then as many as stay within `maximumBytes`.
    public func next(maximumBytes: Int) -> Next {
        state.withLock { state in
            guard !state.isCancelled else { return .finished }
            guard let first = state.queue.first else {
                state.needsWake = true
                return state.isFinished ? .finished : .pending
            }
            var bytes = first
            var count = 1
            while count < state.queue.count, bytes.count + state.queue[count].count <= maximumBytes {
                bytes += state.queue[count]
                count += 1
            }
            state.queue.removeFirst(count)
            state.queuedBytes -= bytes.count
            return .bytes(bytes)
        }
    }

    /// The client has gone: drops what is queued and tells the producer.
    public func cancel() {
        let handler = state.withLock { state -> (@Sendable () -> Void)? in
            guard !state.isCancelled else { return nil }
            state.isCancelled = true
            state.queue = []
            state.queuedBytes = 0
            state.wake = nil
            defer { state.onCancel = nil }
            return state.isFinished ? nil : state.onCancel
        }
        handler?()
    }

    private static func takeWake(_ state: inout State) -> (@Sendable () -> Void)? {
        guard state.needsWake, let wake = state.wake else { return nil }
        state.needsWake = false
        return wake
    }
}
