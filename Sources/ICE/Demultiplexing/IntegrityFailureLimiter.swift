public import Wire

/// Bounds the HMAC work one source address can cause with requests that fail their integrity check.
///
/// Ask ``allows(_:at:)`` before handing a request from a tuple that is not validated yet to its agent, and report
/// each failure. Requests on validated tuples bypass the limiter, so that spoofed failures cannot starve a session.
/// The table is fixed: memory does not grow with the number of sources, and the longest silent one is forgotten
/// first. IPv6 sources count by /64, which is what one attacker commonly holds.
public struct IntegrityFailureLimiter: Sendable {
    /// Failures forgiven at once per source.
    public static let burst: UInt32 = 20
    /// Failures forgiven per second and source in the long run.
    public static let perSecond: UInt32 = 5
    /// Sources remembered: sets of four.
    public static let capacity = setCount * ways

    private static let setCount = 256
    private static let ways = 4

    private struct Entry {
        var source: UInt64
        var isIPv6: Bool
        var bucket: TokenBucket
        var failedAt: Instant
    }

    private var entries: [Entry?]
    private let seed: UInt64

    /// - Parameter seed: random, so that nobody can choose addresses that share a set.
    public init(seed: UInt64) {
        entries = Array(repeating: nil, count: Self.capacity)
        self.seed = seed
    }

    /// Whether a request from `address` is worth checking.
    public mutating func allows(_ address: SocketAddress, at now: Instant) -> Bool {
        let source = Self.source(of: address)
        for index in set(of: source, isIPv6: address.isIPv6) {
            if let entry = entries[index], entry.source == source, entry.isIPv6 == address.isIPv6 {
                return entries[index]?.bucket.hasToken(at: now) ?? true
            }
        }
        return true
    }

    /// Charges `address` for a request that failed its integrity check.
    public mutating func failed(_ address: SocketAddress, at now: Instant) {
        let source = Self.source(of: address)
        let candidates = set(of: source, isIPv6: address.isIPv6)
        var victim = candidates.lowerBound
        for index in candidates {
            guard let entry = entries[index] else {
                victim = index
                break
            }
            if entry.source == source, entry.isIPv6 == address.isIPv6 {
                _ = entries[index]?.bucket.take(at: now)
                entries[index]?.failedAt = now
                return
            }
            if let oldest = entries[victim], entry.failedAt < oldest.failedAt { victim = index }
        }
        var bucket = TokenBucket(burst: Self.burst, perSecond: Self.perSecond, at: now)
        _ = bucket.take(at: now)
        entries[victim] = Entry(source: source, isIPv6: address.isIPv6, bucket: bucket, failedAt: now)
    }

    private static func source(of address: SocketAddress) -> UInt64 {
        address.isIPv6 ? address.high : UInt64(address.ipv4)
    }

    private func set(of source: UInt64, isIPv6: Bool) -> Range<Int> {
        // Two rounds of a multiply-and-shift mix spread neighbouring addresses over the sets.
        var hash = (source ^ seed) &* 0x9E37_79B9_7F4A_7C15 &+ (isIPv6 ? seed : 0)
        hash = (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
        let first = Int(truncatingIfNeeded: hash >> 56) * Self.ways
        return first..<first + Self.ways
    }
}
