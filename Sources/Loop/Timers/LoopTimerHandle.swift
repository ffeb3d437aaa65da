internal import Wire

/// A timer of an ``EventLoop``. It may be dropped on any thread, as actors may be.
final class LoopTimerHandle: LoopTimer {
    private let loop: EventLoop
    private let slot: Int32

    init(on loop: EventLoop, name: StaticString, _ handler: @escaping () -> Void) {
        self.loop = loop
        slot = loop.timers.insert(name: name, handler)
    }

    deinit {
        let slot = slot
        loop.onThread { loop in
            // The handler goes after the heap is whole again: what it captured may own timers too.
            withExtendedLifetime(loop.timers.remove(slot)) {}
        }
    }

    var deadline: Instant? {
        loop.preconditionCurrent()
        return loop.timers.deadline(of: slot)
    }

    func schedule(at deadline: Instant) {
        loop.preconditionCurrent()
        loop.timers.schedule(slot, at: deadline)
    }

    func cancel() {
        loop.preconditionCurrent()
        loop.timers.cancel(slot)
    }
}
