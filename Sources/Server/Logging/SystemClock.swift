internal import Glibc

/// The wall clock of the machine, for what people read. Protocol code is told the time instead.
public enum SystemClock {
    /// Milliseconds since 1970 (UTC).
    public static func wallMilliseconds() -> Int64 {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000 + Int64(now.tv_nsec) / 1_000_000
    }
}
