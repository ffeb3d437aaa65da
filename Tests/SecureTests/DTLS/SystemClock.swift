import CTestClock
import Wire

/// The system's clock as libssl sees it in tests: threads stand at any instant; those that set none get the real time.
enum SystemClock {
    /// Runs `body` with the calling thread's clock standing at `instant`.
    static func at<R, E: Error>(_ instant: Instant, _ body: () throws(E) -> R) throws(E) -> R {
        test_clock_set(1_000_000_000_000_000 + instant.nanoseconds / 1000)
        defer { test_clock_set(0) }
        return try body()
    }
}
