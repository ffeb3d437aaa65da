internal import CLinux
internal import Glibc
internal import Synchronization

extension EventLoop {
    // MARK: SerialExecutor

    public func enqueue(_ job: consuming ExecutorJob) {
        submit(.job(UnownedJob(job)))
    }

    public func checkIsolated() { preconditionCurrent() }

    public func isIsolatingCurrentContext() -> Bool? { isCurrent }

    // MARK: Handing work over

    /// Runs `work` on the loop's thread, in order with the actor jobs that other threads enqueue. Any thread.
    ///
    /// After ``stop()`` it still runs, as actor jobs do, so that nobody waits for ever.
    public func execute(_ work: @escaping @Sendable () -> Void) {
        submit(.closure(work))
    }

    /// Runs `work` later in this turn or the next. Loop thread only.
    func later(_ work: @escaping () -> Void) {
        preconditionCurrent()
        self.work.append(.local(work))
    }

    private func submit(_ item: LoopWork) {
        if isCurrent {
            work.append(item)
            return
        }
        enum Next { case nothing, wake, runLate }
        let next: Next = inbox.withLock { inbox in
            inbox.work.append(item)
            if inbox.phase == .finished {
                inbox.phase = .late
                return .runLate
            }
            guard !inbox.isWakePending else { return .nothing }
            inbox.isWakePending = true
            return .wake
        }
        switch next {
        case .nothing: break
        case .wake: wake()
        case .runLate: startLateThread()
        }
    }

    /// Any thread; after `isWakePending` was set.
    func wake() {
        var one: UInt64 = 1
        // Fails only when the counter is full, and then the loop is awake.
        _ = unsafe write(wakeDescriptor, &one, MemoryLayout<UInt64>.size)
    }

    // MARK: Running work

    /// Most rounds of work in one turn: enough for actors that await each other, few enough for sockets to get their turn.
    private static let roundsPerTurn = 16

    /// Runs the work that waits, and what it adds, within bounds.
    func runWork() {
        var rounds = 0
        while !work.isEmpty, rounds < Self.roundsPerTurn {
            rounds += 1
            let executor = unsafe asUnownedSerialExecutor()
            let count = work.beginRound()
            for index in 0..<count {
                switch work.running[index] {
                case .job(let job):
                    watchdog.observe("actor job") { unsafe job.runSynchronously(on: executor) }
                case .closure(let closure):
                    watchdog.observe("execute", closure)
                case .local(let closure):
                    watchdog.observe("later", closure)
                }
            }
            counters.jobs &+= UInt64(count)
            work.endRound()
        }
    }
}
