/// What the latest sender reports of a lane say, and whether enough of them agree to be believed.
///
/// A report that is wrong by chance agrees with another one in a hundred times, so two are never enough; the more reports
/// there were, the more of them have to agree. Values are NTP time minus source time in nanoseconds.
struct ReportConsensus: Sendable {
    static let capacity = 16
    /// Reports that differ by no more than this agree: clocks of good publishers are steadier, sloppy ones are of no use.
    static let agreement: Int64 = 12_000_000
    /// Agreeing reports after which no more are needed, however many contradict.
    static let mostNeeded = 7

    private var values = InlineArray<16, Int64>(repeating: 0)
    private(set) var count = 0
    private var next = 0

    mutating func add(_ value: Int64) {
        values[next] = value
        next = (next + 1) % Self.capacity
        count = min(count + 1, Self.capacity)
    }

    mutating func removeAll() {
        count = 0
        next = 0
    }

    /// The mean of the reports that agree with the newest one; nil while they are too few.
    var agreed: Int64? {
        guard count > 0 else { return nil }
        let newest = values[(next + Self.capacity - 1) % Self.capacity]
        var votes = 0
        var sum: Int64 = 0
        for index in 0..<count {
            let difference = values[index] &- newest
            guard difference.magnitude <= Self.agreement.magnitude else { continue }
            votes += 1
            sum += difference
        }
        guard votes >= Self.needed(of: count) else { return nil }
        return newest &+ sum / Int64(votes)
    }

    /// All of the first three or four, then about half, then ``mostNeeded``.
    private static func needed(of count: Int) -> Int { max(3, min(3 + (count - 2) / 2, mostNeeded)) }
}
