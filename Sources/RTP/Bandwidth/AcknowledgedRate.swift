/// How many bits per second arrive at the other side, over a sliding window of its own clock.
struct AcknowledgedRate: Sendable {
    private static let bucketNanoseconds: Int64 = 20_000_000
    private static let bucketCount = 25
    /// Before so much time has been seen there is no rate.
    private static let leastBuckets: Int64 = 10
    private static let leastEarlyBuckets: Int64 = 4
    /// A moment, and how far back the busiest is looked for.
    private static let peakBuckets: Int64 = 6
    private static let peakSpan: Int64 = 16
    private static let recentBuckets: Int64 = 8
    /// A moment may hold one packet more than its share; on a small link that would look like a fifth more of it.
    private static let edgeBytes: UInt64 = 1200

    private var bytes: [UInt32] = []
    private var newestBucket: Int64 = 0
    private var total: UInt64 = 0
    private var firstBucket: Int64?

    /// Notes a packet that arrived. Times far ahead of the last or far behind it are the other side's problem alone.
    mutating func received(byteCount: Int, arrival: Int64) {
        let bucket = arrival / Self.bucketNanoseconds
        guard firstBucket != nil, abs(bucket - newestBucket) < 100 * Int64(Self.bucketCount) else {
            return restart(bucket, byteCount)
        }
        guard bucket > newestBucket - Int64(Self.bucketCount) else { return }
        while newestBucket < bucket {
            newestBucket += 1
            total -= UInt64(bytes[slot(newestBucket)])
            bytes[slot(newestBucket)] = 0
        }
        bytes[slot(bucket)] &+= UInt32(truncatingIfNeeded: byteCount)
        total += UInt64(UInt32(truncatingIfNeeded: byteCount))
    }

    private mutating func restart(_ bucket: Int64, _ byteCount: Int) {
        if bytes.isEmpty { bytes = Array(repeating: 0, count: Self.bucketCount) }
        for index in bytes.indices { bytes[index] = 0 }
        newestBucket = bucket
        firstBucket = bucket
        bytes[slot(bucket)] = UInt32(truncatingIfNeeded: byteCount)
        total = UInt64(UInt32(truncatingIfNeeded: byteCount))
    }

    private func slot(_ bucket: Int64) -> Int {
        let remainder = Int(truncatingIfNeeded: bucket % Int64(Self.bucketCount))
        return remainder < 0 ? remainder + Self.bucketCount : remainder
    }

    /// nil while too little was seen.
    var bitsPerSecond: Double? { average(overAtLeast: Self.leastBuckets) }

    /// What can be said after a few moments, for a link that was seen to be full in them; nil before that.
    var earlyBitsPerSecond: Double? { average(overAtLeast: Self.leastEarlyBuckets) }

    private func average(overAtLeast least: Int64) -> Double? {
        guard let firstBucket else { return nil }
        let buckets = min(newestBucket - firstBucket + 1, Int64(Self.bucketCount))
        guard buckets >= least else { return nil }
        return rate(total, over: buckets)
    }

    /// The rate in the busiest moment of the last, when that is higher: no link lets through more than it carries, and
    /// media that comes in bursts, or begins after a pause, fills it only then.
    var peakBitsPerSecond: Double? {
        guard let average = bitsPerSecond else { return nil }
        var sum: UInt64 = 0
        var highest: UInt64 = 0
        for back in 0..<Self.peakSpan {
            sum += UInt64(bytes[slot(newestBucket - back)])
            if back >= Self.peakBuckets { sum -= UInt64(bytes[slot(newestBucket - back + Self.peakBuckets)]) }
            if back >= Self.peakBuckets - 1 { highest = max(highest, sum) }
        }
        return max(average, rate(highest - min(highest, Self.edgeBytes), over: Self.peakBuckets))
    }

    /// The rate of the last moments alone, for a link that has become smaller; nil while too little was seen.
    var recentBitsPerSecond: Double? {
        guard bitsPerSecond != nil else { return nil }
        var sum: UInt64 = 0
        for back in 0..<Self.recentBuckets { sum += UInt64(bytes[slot(newestBucket - back)]) }
        return rate(sum, over: Self.recentBuckets)
    }

    private func rate(_ bytes: UInt64, over buckets: Int64) -> Double {
        Double(bytes) * 8e9 / Double(buckets * Self.bucketNanoseconds)
    }
}
