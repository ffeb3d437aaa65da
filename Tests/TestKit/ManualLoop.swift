public import Wire

/// A loop on virtual time that the test drives itself, on the test's own thread.
///
/// Actors on it are entered inside ``run(_:)``. A loop belongs to one test; it is never shared between threads.
public final class ManualLoop: LoopExecutor, @unchecked Sendable {
    private final class Timer: LoopTimer {
        let handler: () -> Void
        private(set) var deadline: Instant?
        init(_ handler: @escaping () -> Void) { self.handler = handler }
        func schedule(at deadline: Instant) { self.deadline = deadline }
        func cancel() { deadline = nil }
        func fire() {
            deadline = nil
            handler()
        }
    }

    private final class Hook: TurnHook {
        weak var owner: ManualLoop?
        let handler: () -> Void
        private var isRequested = false
        init(_ owner: ManualLoop, _ handler: @escaping () -> Void) {
            self.owner = owner
            self.handler = handler
        }
        func request() {
            guard !isRequested else { return }
            isRequested = true
            owner?.requested.append(self)
        }
        func run() {
            isRequested = false
            handler()
        }
    }

    private struct WeakTimer { weak var timer: Timer? }

    private let clock: VirtualClock
    private let start: Instant
    private var depth = 0
    private var timers: [WeakTimer] = []
    private var requested: [Hook] = []
    private var jobs: [UnownedJob] = []
    private var work: [() -> Void] = []

    /// NTP time at ``start``.
    public static let ntpAtStart: UInt64 = 4_000_000_000 << 32

    public init(clock: VirtualClock = VirtualClock()) {
        self.clock = clock
        start = clock.now
    }

    public var isCurrent: Bool { depth > 0 }
    public var now: Instant { clock.now }
    public var wallClock: WallClock { WallClock(ntp: Self.ntpAtStart, instant: start) }

    public func makeTimer(_ handler: @escaping () -> Void) -> any LoopTimer {
        let timer = Timer(handler)
        timers.removeAll { $0.timer == nil }
        timers.append(WeakTimer(timer: timer))
        return timer
    }

    public func makeTurnHook(_ handler: @escaping () -> Void) -> any TurnHook { Hook(self, handler) }

    public func enqueue(_ job: consuming ExecutorJob) {
        jobs.append(UnownedJob(job))
        if !isCurrent { run {} }
    }

    public func checkIsolated() { precondition(isCurrent, "not inside run") }

    /// Runs `body` later in this turn, after what is going on.
    public func execute(_ body: @escaping () -> Void) { work.append(body) }

    /// One turn of the loop with `body` in it; the turn's hooks and the work it left run before this returns.
    public func run<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        depth += 1
        defer {
            if depth == 1 { finishTurn() }
            depth -= 1
        }
        return try body()
    }

    private func finishTurn() {
        while !jobs.isEmpty || !work.isEmpty || !requested.isEmpty {
            let (jobs, work) = (jobs, work)
            self.jobs = []
            self.work = []
            for job in jobs { unsafe job.runSynchronously(on: asUnownedSerialExecutor()) }
            for body in work { body() }
            let hooks = requested
            requested = []
            for hook in hooks { hook.run() }
        }
    }

    /// Timers that somebody still holds.
    public var timerCount: Int { timers.count { $0.timer != nil } }
    public var armedTimerCount: Int { timers.count { $0.timer?.deadline != nil } }

    /// Lets time pass; timers fire in order, each in a turn of its own.
    public func advance(byMilliseconds milliseconds: UInt64) {
        let limit = now.advanced(byMilliseconds: milliseconds)
        while true {
            let armed = timers.compactMap(\.timer).filter { $0.deadline != nil }
            guard let next = armed.min(by: { ($0.deadline ?? limit) < ($1.deadline ?? limit) }),
                let deadline = next.deadline, deadline <= limit
            else { break }
            clock.advance(to: deadline)
            run { next.fire() }
        }
        clock.advance(to: limit)
    }
}
