internal import Synchronization

/// Lets any thread wake a loop for one purpose. Raised ten times before the loop looks, it is delivered once.
///
/// Raising takes a lock for an instant and allocates nothing. The handler runs on the loop's thread.
public final class LoopSignal: @unchecked Sendable {
    private let loop: EventLoop
    private let name: StaticString
    private let isRaised = Atomic(false)
    // Loop thread only.
    private var handler: (() -> Void)?

    init(on loop: EventLoop, name: StaticString, _ handler: @escaping () -> Void) {
        self.loop = loop
        self.name = name
        self.handler = handler
    }

    deinit {
        // What the handler captured belongs to the loop's thread.
        guard let handler, !loop.isCurrent else { return }
        let kept = HandlerKeeper(handler: handler)
        loop.execute { withExtendedLifetime(kept) {} }
    }

    /// What the raising thread wrote before is visible to the handler.
    public func raise() {
        guard !isRaised.exchange(true, ordering: .acquiringAndReleasing) else { return }
        loop.raise(self)
    }

    /// The handler is not called again. Loop thread only.
    public func cancel() {
        loop.preconditionCurrent()
        handler = nil
    }

    func deliver() {
        isRaised.store(false, ordering: .sequentiallyConsistent)
        guard let handler else { return }
        loop.watchdog.observe(name, handler)
    }
}

private struct HandlerKeeper: @unchecked Sendable {
    let handler: () -> Void
}

extension EventLoop {
    fileprivate func raise(_ signal: LoopSignal) {
        let mustWake = inbox.withLock { inbox in
            guard inbox.phase != .finished, inbox.phase != .late else { return false }
            inbox.raised.append(signal)
            guard !inbox.isWakePending else { return false }
            inbox.isWakePending = true
            return true
        }
        if mustWake { wake() }
    }
}
