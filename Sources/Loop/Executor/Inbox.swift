internal import Glibc

/// One piece of work for the loop's thread.
enum LoopWork: @unchecked Sendable {
    case job(UnownedJob)
    case closure(@Sendable () -> Void)
    /// Made and run on the loop's thread.
    case local(() -> Void)
}

/// What other threads hand to a loop; everything in it is under one lock.
struct Inbox {
    enum Phase { case idle, running, stopping, finished, late }

    var phase = Phase.idle
    var work: [LoopWork] = []
    var raised: [LoopSignal] = []
    /// Set from the start on.
    var thread: pthread_t?
    /// Whether the wake descriptor is written and not yet read.
    var isWakePending = false

    init() {
        work.reserveCapacity(256)
        raised.reserveCapacity(64)
    }
}

/// Work waiting on the loop's own thread, in two arrays that take turns so that running some may add more.
struct WorkQueue {
    private(set) var waiting: [LoopWork] = []
    private(set) var running: [LoopWork] = []

    init() {
        waiting.reserveCapacity(256)
        running.reserveCapacity(256)
    }

    var isEmpty: Bool { waiting.isEmpty }

    mutating func append(_ work: LoopWork) { waiting.append(work) }

    /// Takes over what other threads left, and leaves them an empty array of the same capacity.
    mutating func take(_ work: inout [LoopWork]) {
        if waiting.isEmpty {
            swap(&waiting, &work)
        } else {
            waiting.append(contentsOf: work)
            work.removeAll(keepingCapacity: true)
        }
    }

    mutating func beginRound() -> Int {
        swap(&waiting, &running)
        return running.count
    }

    mutating func endRound() { running.removeAll(keepingCapacity: true) }
}
