import CTestClock
import Wire

/// The system's clock as OpenSSL sees it on the calling thread; it times retransmissions by that.
enum SystemClock {
    static func at<R>(_ instant: Instant, _ body: () -> R) -> R {
        test_clock_set(1_000_000_000_000_000 + instant.nanoseconds / 1000)
        defer { test_clock_set(0) }
        return body()
    }
}
