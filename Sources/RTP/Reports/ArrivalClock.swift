/// Fits a source's clock to the server's by the packets that were delayed least.
///
/// Keeps the smallest difference of arrival and timestamp over the last 10 to 20 seconds, so that jitter goes
/// out and drift is followed. All times are nanoseconds.
struct ArrivalClock: Sendable {
    static let windowNanoseconds: Int64 = 10_000_000_000
    /// A packet later than this means that the source's clock has jumped back.
    static let largestDelay: Int64 = 5_000_000_000
    /// A packet earlier than this means that it has jumped forward.
    static let largestAdvance: Int64 = 1_000_000_000

    private var current: Int64?
    private var previous: Int64?
    private var windowStart: Int64 = 0

    /// Server time minus source time; nil before the first packet.
    var offset: Int64? {
        guard let current else { return previous }
        return min(current, previous ?? current)
    }

    /// Takes in a packet; `true` when the source's clock has jumped and everything known about it is void.
    mutating func received(source: Int64, arrival: Int64) -> Bool {
        let difference = arrival &- source
        guard let offset, difference &- offset < Self.largestDelay, offset &- difference < Self.largestAdvance else {
            let hasJumped = offset != nil
            current = difference
            previous = nil
            windowStart = arrival
            return hasJumped
        }
        if arrival &- windowStart >= Self.windowNanoseconds {
            // After a silence of more than a window nothing older counts.
            previous = arrival &- windowStart < 2 * Self.windowNanoseconds ? current : nil
            current = nil
            windowStart = arrival
        }
        current = min(current ?? difference, difference)
        return false
    }
}
