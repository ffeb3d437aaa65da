import RTP
import Wire

/// Where a rendition's packets stand in time: the publication whose sound it is, and the relation of the two clocks.
struct RenditionSource {
    let original: Publication
    /// From the original's clock to the rendition's.
    let scale: ClockScale
    /// The newest time of the rendition, in ticks of its clock without wraps; says which wrap of the original's 32 bits is
    /// meant.
    var newest: Int64 = 0

    /// The relation of the rendition's timestamps to the server's clock; nil before the original's first packet.
    var mapping: TimestampMapping? {
        guard let mapping = original.onLoop({ $0.mapping(kind: .audio, layer: 0) }) else { return nil }
        let near = scale.inverse.scaled(newest)
        let distance = Int32(bitPattern: mapping.timestamp &- UInt32(truncatingIfNeeded: near))
        let timestamp = scale.scaled(near &+ Int64(distance))
        return TimestampMapping(
            timestamp: UInt32(truncatingIfNeeded: timestamp), instant: mapping.instant, clockRate: scale.rate)
    }
}
