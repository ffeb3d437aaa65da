internal import Dispatch

/// Runs work that may block (writing a log, asking the resolver), one piece at a time and in order, off the loops.
public final class BlockingQueue: Sendable {
    private let queue: DispatchQueue

    public init(name: String) { queue = DispatchQueue(label: name) }

    /// Returns at once; allocates, so not for packets.
    public func run(_ work: @escaping @Sendable () -> Void) { queue.async(execute: work) }

    /// Waits until everything before `work`, and `work` itself, is done. Never on a loop nor in the queue's own work.
    public func runAndWait(_ work: () -> Void) { queue.sync(execute: work) }
}
