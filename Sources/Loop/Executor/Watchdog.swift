internal import Synchronization
internal import Wire

/// A callback that held its loop for too long.
public struct SlowCallback: Sendable {
    public let name: StaticString
    public let nanoseconds: UInt64
}

/// How often callbacks held a loop for too long, and the worst of them.
public struct SlowCallbackStatistics: Sendable {
    public internal(set) var count: UInt64 = 0
    public internal(set) var worst: SlowCallback?
}

/// Times callbacks in debug builds; in release builds it only calls them.
final class Watchdog: Sendable {
    /// No callback may run longer: at 500 packets a second and viewer, a millisecond is heard and seen.
    static let limitNanoseconds: UInt64 = 1_000_000

    private let seen = Mutex(SlowCallbackStatistics())
    private let report: (@Sendable (SlowCallback) -> Void)?

    init(report: (@Sendable (SlowCallback) -> Void)?) { self.report = report }

    var statistics: SlowCallbackStatistics { seen.withLock { $0 } }

    @inline(__always)
    func observe(_ name: StaticString, _ callback: () -> Void) {
        #if DEBUG
            let start = MonotonicClock.now
            callback()
            let elapsed = UInt64(max(0, MonotonicClock.now.nanoseconds(since: start)))
            if elapsed > Self.limitNanoseconds { record(SlowCallback(name: name, nanoseconds: elapsed)) }
        #else
            callback()
        #endif
    }

    private func record(_ callback: SlowCallback) {
        seen.withLock { seen in
            seen.count &+= 1
            if callback.nanoseconds > seen.worst?.nanoseconds ?? 0 { seen.worst = callback }
        }
        report?(callback)
    }
}
