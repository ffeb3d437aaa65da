/// How a program ended.
public enum ChildProcessEnd: Hashable, Sendable, CustomStringConvertible {
    case exited(code: Int32)
    case killed(signal: Int32)
    /// There is no such program, or the system is out of something.
    case notStarted(LoopError)
    /// It could no longer be asked, because somebody else has.
    case unknown

    public var description: String {
        switch self {
        case .exited(let code): "it exited with \(code)"
        case .killed(let signal): "it was ended by signal \(signal)"
        case .notStarted(let error): error.description
        case .unknown: "it ended"
        }
    }
}

public struct ChildProcessLimits: Hashable, Sendable {
    /// Bytes of the longest message that the program may send; longer ones are dropped and counted.
    public var messageBytes = 64 << 10
    /// What may wait for a program that does not read.
    public var queuedMessages = 256
    public var queuedBytes = 1 << 20
    /// Bytes of a line that it writes to standard error; the rest of a longer one is left out.
    public var lineBytes = 400

    public init() {}
}

/// A program that this one has started and talks to in messages, over descriptor 3 of the program's (SOCK_SEQPACKET).
///
/// Loop-confined. The program has nothing else of this process: no other descriptor, and of the environment only what
/// programs need to be found and to write dates and words. It is killed and reaped when the object is dropped or closed.
public final class ChildProcess {
    public struct Statistics: Hashable, Sendable {
        public var messagesSent: UInt64 = 0
        public var messagesReceived: UInt64 = 0
        /// Messages that were not taken because the program did not read.
        public var refused: UInt64 = 0
        /// Messages of the program that were too long.
        public var oversized: UInt64 = 0
    }

    private let running: RunningChild

    /// Starts `program`, a path to an executable file, on a thread of its own: what is sent meanwhile waits. Loop thread
    /// only.
    ///
    /// - Parameters:
    ///   - onMessage: a message came; it is valid during the call only.
    ///   - onLine: a line of its standard error, without the end of the line.
    ///   - onEnd: the program has ended, or could not be started; the last call of all. None comes after ``close()``.
    public init(
        _ program: String, arguments: [String] = [], on loop: EventLoop,
        limits: ChildProcessLimits = ChildProcessLimits(), onMessage: @escaping (RawSpan) -> Void,
        onLine: @escaping (String) -> Void, onEnd: @escaping (ChildProcessEnd) -> Void
    ) {
        loop.preconditionCurrent()
        running = RunningChild(
            on: loop, limits, RunningChild.Handlers(onMessage: onMessage, onLine: onLine, onEnd: onEnd))
        running.start(program, arguments)
    }

    deinit {
        let box = RunningChildBox(child: running)
        running.loop.onThread { _ in box.child.close() }
    }

    /// nil until it has started.
    public var processID: Int32? { running.pid }
    public var statistics: Statistics { running.statistics }

    /// Messages and their bytes that wait for the program to read.
    public var queuedMessages: Int { running.queue.count }
    public var queuedBytes: Int { running.queuedBytes }

    /// Sends a message, now or when the program has read what came before it.
    ///
    /// - Returns: `false` when it was dropped, because too much waits or the program has ended.
    @discardableResult
    public func send(_ message: [UInt8]) -> Bool { running.send(message) }

    /// Kills the program; its handlers are not called again.
    public func close() { running.close() }
}

/// Carries a child to its loop, where alone it is used.
struct RunningChildBox: @unchecked Sendable {
    var child: RunningChild
}
