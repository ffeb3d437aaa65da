internal import CLinux
internal import Glibc
internal import Synchronization

// Entry points of threads are free functions: a closure written inside isolated code would carry that isolation along
// and trap when the new thread calls it.

private func loopThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    let loop = unsafe Unmanaged<EventLoop>.fromOpaque(argument).takeRetainedValue()
    unsafe loop.name.withCString { unsafe clinux_name_thread($0) }
    unsafe clinux_set_current_loop(argument)
    loop.run()
    loop.runLateWork()
    clinux_set_current_loop(nil)
    return nil
}

private func lateThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    let loop = unsafe Unmanaged<EventLoop>.fromOpaque(argument).takeRetainedValue()
    unsafe clinux_set_current_loop(argument)
    loop.beginTurn()
    loop.runLateWork()
    clinux_set_current_loop(nil)
    return nil
}

extension EventLoop {
    /// Starts the thread. A loop starts once; work may be handed to it before.
    public func start() throws(LoopError) {
        // Under the lock, so that whoever stops the loop finds the thread to join.
        try inbox.withLock { inbox throws(LoopError) in
            precondition(inbox.phase == .idle, "an event loop starts once")
            inbox.thread = try unsafe startThread(loopThread)
            inbox.phase = .running
        }
    }

    /// Finishes the work already queued, tells the owners of open descriptors, and waits for the thread to end.
    ///
    /// Work that comes later still runs, on a thread of its own, but timers and descriptors are gone. Called again, or
    /// on the loop's own thread, it does not wait.
    public func stop() {
        let isOwnThread = isCurrent
        let (thread, mustWake) = inbox.withLock { inbox -> (pthread_t?, Bool) in
            switch inbox.phase {
            case .idle:
                inbox.phase = .finished
                guard !inbox.work.isEmpty else { return (nil, false) }
                inbox.phase = .late
                return (nil, true)
            case .running:
                inbox.phase = .stopping
                let mustWake = !inbox.isWakePending
                inbox.isWakePending = true
                return (inbox.thread, mustWake)
            case .stopping, .finished, .late:
                return (nil, false)
            }
        }
        guard let thread else {
            if mustWake { startLateThread() }
            return
        }
        if mustWake { wake() }
        if isOwnThread { pthread_detach(thread) } else { pthread_join(thread, nil) }
    }

    /// Runs work until there is none. The last act of every thread of this loop.
    fileprivate func runLateWork() {
        while true {
            runWork()
            let isDone = inbox.withLock { inbox in
                work.take(&inbox.work)
                inbox.raised.removeAll()
                guard work.isEmpty else { return false }
                inbox.phase = .finished
                return true
            }
            if isDone { return }
        }
    }

    /// After a stop: gives the work in the inbox a thread for as long as there is some.
    func startLateThread() {
        do {
            pthread_detach(try unsafe startThread(lateThread))
        } catch {
            // No thread to be had now; the next piece of work tries again.
            inbox.withLock { $0.phase = .finished }
        }
    }

    private func startThread(
        _ entry: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer?
    ) throws(LoopError) -> pthread_t {
        let argument = unsafe Unmanaged.passRetained(self)
        var thread = pthread_t()
        let status = unsafe pthread_create(&thread, nil, entry, argument.toOpaque())
        guard status == 0 else {
            unsafe argument.release()
            throw LoopError("start the thread of the event loop \(name)", code: status)
        }
        return thread
    }
}
