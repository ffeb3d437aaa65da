private import CTestClock
package import Wire

/// The system's clock as libssl sees it in tests: threads stand at any instant; those that set none get the real time.
///
/// libssl times its retransmissions by it. On virtual time it has to stand still, or a machine that is slow for a second
/// makes packets that no test expects.
package enum SystemClock {
    /// Runs `body` with the calling thread's clock standing at `instant`.
    package static func at<R, E: Error>(_ instant: Instant, _ body: () throws(E) -> R) throws(E) -> R {
        test_clock_set(1_000_000_000_000_000 + instant.nanoseconds / 1000)
        defer { test_clock_set(0) }
        return try body()
    }
}
