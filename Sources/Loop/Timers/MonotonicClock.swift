internal import CLinux
public import Wire

/// The server's clocks. Protocol code is given instants and never asks; the edges ask here.
public enum MonotonicClock {
    /// The monotonic time at this moment, from any thread. On a loop, `loop.now` is cheaper and the same for a whole turn.
    public static var now: Instant { Instant(nanoseconds: clinux_monotonic_nanoseconds()) }

    /// The wall clock at this moment, from any thread.
    public static var wallClock: WallClock {
        WallClock(ntp: ntp(unixNanoseconds: clinux_realtime_nanoseconds()), instant: now)
    }

    /// Milliseconds since 1970 (UTC), for what people read.
    public static var unixMilliseconds: Int64 { Int64(clamping: clinux_realtime_nanoseconds() / 1_000_000) }

    /// Seconds from 1900, where NTP time begins, to 1970.
    private static let ntpEpochOffset: UInt64 = 2_208_988_800

    package static func ntp(unixNanoseconds: UInt64) -> UInt64 {
        let (seconds, nanoseconds) = unixNanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return (seconds &+ ntpEpochOffset) << 32 | (nanoseconds << 32) / 1_000_000_000
    }
}
