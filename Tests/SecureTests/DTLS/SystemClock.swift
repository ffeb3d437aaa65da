import Glibc
import Wire

/// The system's clock as libssl sees it in tests.
///
/// OpenSSL times DTLS retransmissions by `gettimeofday`. The test program defines that function itself, so that a
/// thread may stand at any instant; threads that set none get the real time.
enum SystemClock {
    // A pthread key cannot fail to be created in a program with a handful of them.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        _ = unsafe pthread_key_create(&key, nil)
        return key
    }()

    /// Runs `body` with the calling thread's clock standing at `instant`.
    static func at<R, E: Error>(_ instant: Instant, _ body: () throws(E) -> R) throws(E) -> R {
        // One is added because a null pointer means "the real time".
        _ = unsafe pthread_setspecific(key, UnsafeRawPointer(bitPattern: UInt(instant.nanoseconds / 1000 + 1)))
        defer { _ = pthread_setspecific(key, nil) }
        return try body()
    }

    fileprivate static var microseconds: UInt64 {
        if let value = unsafe pthread_getspecific(key) {
            return 1_000_000_000_000_000 + UInt64(UInt(bitPattern: value))
        }
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
    }
}

@_cdecl("gettimeofday")
func testProgramsGetTimeOfDay(_ time: UnsafeMutablePointer<timeval>?, _ zone: UnsafeMutableRawPointer?) -> CInt {
    let now = SystemClock.microseconds
    unsafe time?.pointee = timeval(tv_sec: Int(now / 1_000_000), tv_usec: Int(now % 1_000_000))
    return 0
}
