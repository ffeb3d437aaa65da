/// How many bits per second arrive at the other side, over a sliding window of its own clock.
struct AcknowledgedRate: Sendable {
    private static let bucketNanoseconds: Int64 = 20_000_000
    private static let bucketCount = 25
    /// Before so much time has been seen there is no rate.
    private static let leastBuckets: Int64 = 10

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
    var bitsPerSecond: Double? {
        guard let firstBucket else { return nil }
        let buckets = min(newestBucket - firstBucket + 1, Int64(Self.bucketCount))
        guard buckets >= Self.leastBuckets else { return nil }
        return rate(total, over: buckets)
    }

    /// The rate over the last moments, when that is higher: media that comes in bursts fills the link in the bursts, and
    /// that is what the link carries.
    var peakBitsPerSecond: Double? {
        guard let average = bitsPerSecond else { return nil }
        var sum: UInt64 = 0
        for back in 0..<Self.leastBuckets { sum += UInt64(bytes[slot(newestBucket - back)]) }
        return max(average, rate(sum, over: Self.leastBuckets))
    }

    private func rate(_ bytes: UInt64, over buckets: Int64) -> Double {
        Double(bytes) * 8e9 / Double(buckets * Self.bucketNanoseconds)
    }
}
