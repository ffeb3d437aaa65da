internal import CLinux
internal import Glibc
internal import Synchronization
internal import Wire

extension EventLoop {
    /// Most descriptor events of one turn; the rest come in the next.
    private static let eventsPerTurn = 256

    /// The loop, from start to stop, on its own thread.
    func run() {
        let events = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: Self.eventsPerTurn)
        unsafe events.initialize(repeating: epoll_event())
        defer { unsafe events.deallocate() }
        var isStopping = false
        while !isStopping {
            let count = unsafe clinux_epoll_wait(
                pollDescriptor, events.baseAddress, CInt(Self.eventsPerTurn), waitingTime())
            beginTurn()
            for index in 0..<max(0, Int(count)) {
                let token = unsafe clinux_event_data(&events[index])
                if token == DescriptorTable.wakeToken {
                    isStopping = takeInbox()
                } else {
                    dispatch(token, unsafe DescriptorReadiness(epoll: events[index].events))
                }
            }
            fireTimers()
            runWork()
            runHooks()
        }
        finish()
    }

    private func waitingTime() -> Int64 {
        guard work.isEmpty, hooks.isEmpty else { return 0 }
        guard let deadline = timers.nextDeadline else { return -1 }
        return max(0, deadline.nanoseconds(since: MonotonicClock.now))
    }

    func beginTurn() {
        turnStart = MonotonicClock.now
        turnWallClock = nil
        counters.turns &+= 1
    }

    /// - Returns: whether the loop is to stop.
    private func takeInbox() -> Bool {
        var counter: UInt64 = 0
        _ = unsafe read(wakeDescriptor, &counter, MemoryLayout<UInt64>.size)
        let isStopping = inbox.withLock { inbox in
            inbox.isWakePending = false
            work.take(&inbox.work)
            swap(&raisedSignals, &inbox.raised)
            return inbox.phase == .stopping
        }
        for signal in raisedSignals { signal.deliver() }
        raisedSignals.removeAll(keepingCapacity: true)
        return isStopping
    }

    private func dispatch(_ token: UInt64, _ readiness: DescriptorReadiness) {
        guard let (name, handler) = descriptors.handler(for: token) else { return }
        counters.descriptorEvents &+= 1
        watchdog.observe(name) { handler(readiness) }
    }

    private func fireTimers() {
        guard let next = timers.nextDeadline, next <= turnStart else { return }
        for index in 0..<timers.collectDue(at: turnStart) {
            guard let (name, handler) = timers.takeDue(index) else { continue }
            counters.timersFired &+= 1
            watchdog.observe(name, handler)
        }
    }

    private func runHooks() {
        while let count = hooks.beginRound() {
            for index in 0..<count { hooks.running[index].deliver() }
            hooks.endRound()
        }
        hooks.endTurn()
    }

    /// Runs what was queued, tells every descriptor's owner, and lets go of everything registered.
    private func finish() {
        beginTurn()
        runWork()
        hasLetGo = true
        for (name, handler) in descriptors.removeAll() {
            watchdog.observe(name) { handler(.loopStopped) }
        }
        runWork()
        runHooks()
    }
}
