import RTP
import Wire

/// Ticks of one RTP clock as ticks of another, counted from zero so that rounding never adds up (PAY-63).
struct RenditionScale: Hashable, Sendable {
    private let from: Int64
    private let to: Int64

    init(from: UInt32, to: UInt32) {
        self.from = Int64(max(1, from))
        self.to = Int64(max(1, to))
    }

    /// Of the second clock.
    var rate: UInt32 { UInt32(truncatingIfNeeded: to) }

    /// Exact but for the fraction of a tick.
    func scaled(_ ticks: Int64) -> Int64 { Self.multiply(ticks, by: to, over: from) }

    /// A time of the first clock within one of its ticks of `ticks` of the second.
    func unscaled(_ ticks: Int64) -> Int64 { Self.multiply(ticks, by: from, over: to) }

    private static func multiply(_ ticks: Int64, by factor: Int64, over divisor: Int64) -> Int64 {
        let (whole, rest) = ticks.quotientAndRemainder(dividingBy: divisor)
        return whole &* factor &+ rest * factor / divisor
    }
}

/// Where a rendition's packets stand in time: the publication whose sound it is, and the relation of the two clocks.
struct RenditionSource {
    let original: Publication
    let scale: RenditionScale
    /// The newest time of the rendition, in ticks of its clock without wraps; says which wrap of the original's 32 bits is
    /// meant.
    var newest: Int64 = 0

    /// The relation of the rendition's timestamps to the server's clock; nil before the original's first packet.
    var mapping: TimestampMapping? {
        guard let mapping = original.onLoop({ $0.mapping(kind: .audio, layer: 0) }) else { return nil }
        let near = scale.unscaled(newest)
        let distance = Int32(bitPattern: mapping.timestamp &- UInt32(truncatingIfNeeded: near))
        let timestamp = scale.scaled(near &+ Int64(distance))
        return TimestampMapping(
            timestamp: UInt32(truncatingIfNeeded: timestamp), instant: mapping.instant, clockRate: scale.rate)
    }
}
