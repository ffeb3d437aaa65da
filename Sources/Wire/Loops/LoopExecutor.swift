/// A thread that runs actors, timers and socket callbacks, one at a time.
///
/// `Loop` implements it over epoll; actors of every layer live on one without knowing sockets.
public protocol LoopExecutor: SerialExecutor {
    /// Whether the calling thread is this loop's thread. May be asked from any thread.
    var isCurrent: Bool { get }

    /// The monotonic time at which the current turn began. Loop thread only.
    var now: Instant { get }

    /// Wall-clock time of the current turn, for labels such as RTCP sender reports. Loop thread only.
    var wallClock: WallClock { get }

    /// A timer that is not yet armed. Its handler runs on the loop thread. Loop thread only.
    func makeTimer(_ handler: @escaping () -> Void) -> any LoopTimer

    /// Work to be done once at the end of a turn in which it was requested. Loop thread only.
    func makeTurnHook(_ handler: @escaping () -> Void) -> any TurnHook
}

/// A deadline on a loop. Arming, re-arming and cancelling allocate nothing; dropping the last reference cancels.
public protocol LoopTimer: AnyObject {
    /// When the handler will run; nil when not armed.
    var deadline: Instant? { get }
    /// Arms the timer, or moves it. A deadline in the past runs in the next turn.
    func schedule(at deadline: Instant)
    func cancel()
}

/// Runs its handler at the end of the current turn, once, however often it was requested in it.
public protocol TurnHook: AnyObject {
    func request()
}

/// An actor that lives on a loop. Its executor follows from ``loop``: conforming actors declare nothing else.
public protocol LoopActor: Actor {
    nonisolated var loop: any LoopExecutor { get }
}

extension LoopActor {
    // The executor outlives its unowned reference, because the actor keeps its loop.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }
}
