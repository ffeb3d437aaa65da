/// How long to wait before connecting again: from one second, twice as long each time, to half a minute (RTSP-44).
struct ReconnectPause: Sendable {
    static let firstMilliseconds: UInt64 = 1_000
    static let longestMilliseconds: UInt64 = 30_000

    private var milliseconds = firstMilliseconds

    /// The attempt brought what it was for: the next pause is short again.
    mutating func succeeded() { milliseconds = Self.firstMilliseconds }

    /// The pause after an attempt that ended.
    ///
    /// - Parameter random: makes it up to a quarter longer, so that nobody comes back at the same moment as everybody
    ///   else.
    mutating func next(random: UInt32) -> Duration {
        let pause = milliseconds + UInt64(random) % (milliseconds / 4)
        milliseconds = min(2 * milliseconds, Self.longestMilliseconds)
        return .milliseconds(Int64(min(pause, Self.longestMilliseconds)))
    }
}
