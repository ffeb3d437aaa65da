import Wire

/// Bits per second over about a second, of something that comes now and then.
struct RateMeter: Sendable {
    private static let windowNanoseconds: Int64 = 1_000_000_000

    private var start = Instant(nanoseconds: 0)
    private var bytes = 0
    private var previous = 0.0

    mutating func count(_ byteCount: Int, at now: Instant) {
        let age = now.nanoseconds(since: start)
        if age >= Self.windowNanoseconds {
            previous = age < 2 * Self.windowNanoseconds ? Double(bytes) * 8e9 / Double(age) : 0
            bytes = 0
            start = now
        }
        bytes += byteCount
    }

    func bitsPerSecond(at now: Instant) -> Double {
        let age = now.nanoseconds(since: start)
        guard age >= 0, age < 2 * Self.windowNanoseconds else { return 0 }
        let share = min(Double(age) / Double(Self.windowNanoseconds), 1)
        return Double(bytes) * 8e9 / Double(max(age, Self.windowNanoseconds)) + (1 - share) * previous
    }
}
