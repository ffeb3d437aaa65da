internal import CLinux
internal import Glibc
internal import Synchronization
public import Wire

/// A thread that waits for descriptors, timers and other threads, and is the executor of the actors that live on it.
///
/// The thread works in turns: wait; read the clock; run the handlers of ready descriptors, of raised signals, of due
/// timers; run actor jobs and ``execute(_:)`` work; run the turn hooks that were requested. Nothing of it allocates once
/// its arrays have grown to the load.
///
/// Closures formed inside an actor of this loop keep its isolation when they are handed to the loop, so they call its
/// methods without `await`. A handler lives as long as the timer, signal or watch it was given to; one that captures
/// the owner of that handle strongly keeps both alive until the owner lets go of the handle.
///
/// A loop that was started lives until ``stop()``.
public final class EventLoop: LoopExecutor, @unchecked Sendable {
    public let name: String

    // Any thread.
    let inbox = Mutex(Inbox())
    let wakeDescriptor: CInt
    let pollDescriptor: CInt
    let watchdog: Watchdog

    // Loop thread only.
    var timers = TimerHeap()
    var descriptors = DescriptorTable()
    var hooks = HookQueue()
    var work = WorkQueue()
    var raisedSignals: [LoopSignal] = []
    var turnStart = Instant(nanoseconds: 0)
    var turnWallClock: WallClock?
    /// It has stopped, and tells nobody any more of descriptors and timers.
    var hasLetGo = false
    var counters = Statistics()
    let readBuffer = ReadBuffer()

    /// Timers that are armed. Loop thread only.
    public var armedTimerCount: Int { timers.count }

    /// Counts since the loop began.
    public struct Statistics: Hashable, Sendable {
        public var turns: UInt64 = 0
        /// Actor jobs and ``EventLoop/execute(_:)`` work.
        public var jobs: UInt64 = 0
        public var descriptorEvents: UInt64 = 0
        public var timersFired: UInt64 = 0
    }

    /// - Parameters:
    ///   - name: names the thread; the kernel keeps 15 bytes.
    ///   - onSlowCallback: told of each callback over a millisecond, on the loop's thread; debug builds only.
    /// - Throws: when the system is out of descriptors.
    public init(
        name: String, onSlowCallback: (@Sendable (SlowCallback) -> Void)? = nil
    ) throws(LoopError) {
        self.name = name
        watchdog = Watchdog(report: onSlowCallback)
        pollDescriptor = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard pollDescriptor >= 0 else { throw LoopError("create the event loop \(name)", code: errno) }
        wakeDescriptor = eventfd(0, CInt(EFD_NONBLOCK | EFD_CLOEXEC))
        guard wakeDescriptor >= 0 else {
            let code = errno
            close(pollDescriptor)
            throw LoopError("create the event loop \(name)", code: code)
        }
        var event = unsafe epoll_event()
        unsafe clinux_event_set(&event, EPOLLIN.rawValue, DescriptorTable.wakeToken)
        guard unsafe epoll_ctl(pollDescriptor, EPOLL_CTL_ADD, wakeDescriptor, &event) == 0 else {
            let code = errno
            close(wakeDescriptor)
            close(pollDescriptor)
            throw LoopError("create the event loop \(name)", code: code)
        }
    }

    deinit {
        close(wakeDescriptor)
        close(pollDescriptor)
    }

    // MARK: Threads

    /// Whether the calling thread is this loop's.
    public var isCurrent: Bool {
        unsafe clinux_current_loop() == UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque())
    }

    func preconditionCurrent() {
        precondition(isCurrent, "not on the loop's thread")
    }

    /// Does `body` at once when called on the loop's thread, else queues it.
    func onThread(_ body: @escaping @Sendable (EventLoop) -> Void) {
        if isCurrent { body(self) } else { execute { body(self) } }
    }

    // MARK: Time

    public var now: Instant { turnStart }

    public var wallClock: WallClock {
        if let turnWallClock { return turnWallClock }
        let reading = MonotonicClock.wallClock
        turnWallClock = reading
        return reading
    }

    /// Loop thread only.
    public var statistics: Statistics { counters }

    /// The callbacks that held the loop for more than a millisecond; always empty in release builds. Any thread.
    public var slowCallbacks: SlowCallbackStatistics { watchdog.statistics }

    // MARK: What runs on the loop

    public func makeTimer(_ handler: @escaping () -> Void) -> any LoopTimer { makeTimer(name: "timer", handler) }

    /// A timer that the watchdog knows by `name`. Loop thread only.
    public func makeTimer(name: StaticString, _ handler: @escaping () -> Void) -> any LoopTimer {
        preconditionCurrent()
        return LoopTimerHandle(on: self, name: name, handler)
    }

    public func makeTurnHook(_ handler: @escaping () -> Void) -> any TurnHook {
        makeTurnHook(name: "turn hook", handler)
    }

    /// A turn hook that the watchdog knows by `name`. Loop thread only.
    public func makeTurnHook(name: StaticString, _ handler: @escaping () -> Void) -> any TurnHook {
        preconditionCurrent()
        return LoopTurnHook(on: self, name: name, handler)
    }

    /// A signal whose handler runs on this loop. Loop thread only; the signal may be raised from any.
    public func makeSignal(name: StaticString, _ handler: @escaping () -> Void) -> LoopSignal {
        preconditionCurrent()
        return LoopSignal(on: self, name: name, handler)
    }
}
