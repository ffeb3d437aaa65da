import Wire

/// Bytes received of one encoding by spatial and temporal layer, over the last two seconds.
///
/// Long enough that a keyframe does not look like another bitrate, short enough that a change of it is seen.
struct LayerRates {
    /// Higher layers than these are counted with the highest.
    static let spatialLimit = 4
    static let temporalLimit = 4
    static let bucketNanoseconds: Int64 = 500_000_000
    private static let cells = 16
    private static let closedBuckets = 3
    /// Less time than this says nothing about a rate.
    private static let shortest: Int64 = 250_000_000

    private var open = InlineArray<16, UInt64>(repeating: 0)
    private var closed = InlineArray<48, UInt64>(repeating: 0)
    private var oldest = 0
    private var closedCount = 0
    private var openedAt: Instant?

    private static func cell(_ spatial: UInt8, _ temporal: UInt8) -> Int {
        min(Int(spatial), spatialLimit - 1) * temporalLimit + min(Int(temporal), temporalLimit - 1)
    }

    mutating func received(byteCount: Int, spatial: UInt8, temporal: UInt8, at now: Instant) {
        if let openedAt {
            if now.nanoseconds(since: openedAt) >= Self.bucketNanoseconds { advance(to: now) }
        } else {
            openedAt = now
        }
        open[Self.cell(spatial, temporal)] &+= UInt64(byteCount)
    }

    /// Lets time pass without packets.
    mutating func advance(to now: Instant) {
        guard var start = openedAt else { return }
        let due = now.nanoseconds(since: start) / Self.bucketNanoseconds
        if due > Self.closedBuckets {
            self = LayerRates()
            openedAt = now
            return
        }
        for _ in 0..<max(0, due) {
            for cell in 0..<Self.cells {
                closed[oldest * Self.cells + cell] = open[cell]
                open[cell] = 0
            }
            oldest = (oldest + 1) % Self.closedBuckets
            closedCount = min(closedCount + 1, Self.closedBuckets)
            start = start.advanced(byNanoseconds: UInt64(Self.bucketNanoseconds))
        }
        openedAt = start
    }

    /// Bits per second of the layers up to these; call ``advance(to:)`` before.
    func bitsPerSecond(spatial: UInt8, temporal: UInt8, at now: Instant) -> UInt64 {
        guard let openedAt else { return 0 }
        var bytes: UInt64 = 0
        for row in 0...min(Int(spatial), Self.spatialLimit - 1) {
            for column in 0...min(Int(temporal), Self.temporalLimit - 1) { bytes &+= self.bytes(row, column) }
        }
        let elapsed = Int64(closedCount) * Self.bucketNanoseconds + now.nanoseconds(since: openedAt)
        return UInt64(Double(bytes) * 8e9 / Double(max(elapsed, Self.shortest)))
    }

    private func bytes(_ row: Int, _ column: Int) -> UInt64 {
        let cell = row * Self.temporalLimit + column
        var sum = open[cell]
        for bucket in 0..<Self.closedBuckets { sum &+= closed[bucket * Self.cells + cell] }
        return sum
    }

    /// The highest temporal layer with packets; 0 when there is none.
    var highestTemporal: UInt8 {
        for column in stride(from: Self.temporalLimit - 1, to: 0, by: -1) {
            for row in 0..<Self.spatialLimit where bytes(row, column) > 0 { return UInt8(column) }
        }
        return 0
    }
}
