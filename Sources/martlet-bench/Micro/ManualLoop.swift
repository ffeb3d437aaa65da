import Wire

/// A loop without a thread: time stands until it is moved, and turns end when they are told to.
final class ManualLoop: LoopExecutor, @unchecked Sendable {
    private final class Timer: LoopTimer {
        var deadline: Instant?
        func schedule(at deadline: Instant) { self.deadline = deadline }
        func cancel() { deadline = nil }
    }

    private final class Hook: TurnHook {
        let handler: () -> Void
        var isRequested = false
        init(_ handler: @escaping () -> Void) { self.handler = handler }
        func request() { isRequested = true }
    }

    private var hooks: [Hook] = []
    var now = Instant.seconds(1)
    var isCurrent: Bool { true }
    var wallClock: WallClock { WallClock(ntp: 1 << 40, instant: now) }

    func enqueue(_ job: consuming ExecutorJob) {
        unsafe UnownedJob(job).runSynchronously(on: asUnownedSerialExecutor())
    }

    func makeTimer(_ handler: @escaping () -> Void) -> any LoopTimer { Timer() }

    func makeTurnHook(_ handler: @escaping () -> Void) -> any TurnHook {
        let hook = Hook(handler)
        hooks.append(hook)
        return hook
    }

    func endTurn() {
        for hook in hooks where hook.isRequested {
            hook.isRequested = false
            hook.handler()
        }
    }
}
