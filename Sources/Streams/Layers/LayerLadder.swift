import Codecs
import Wire

/// Everything a viewer of a track could be sent now, from the least to the best.
///
/// A better picture goes before more pictures, but not for less than half of them: rungs of the upper levels with fewer
/// are marked as sparse, and taken only when they are asked for.
struct LayerLadder {
    struct Rung: Hashable {
        var choice: LayerChoice
        /// The highest layers of it, by number.
        var spatialLayer: UInt8
        var temporalLayer: UInt8
        /// Whether it has fewer than half the pictures of the level, and a lower level has them all.
        var isSparse: Bool
        /// Of everything up to this rung's layers.
        var bitsPerSecond: UInt64
        var resolution: VideoResolution?
        /// Whether its encoding has been there for long enough to be switched up to.
        var isStable: Bool
    }

    private(set) var rungs: [Rung] = []
    /// Encodings, the least first. Kept from one time to the next, so that encodings alike do not change places.
    private var order: [Int] = []

    mutating func rebuild(from layers: [LayerState], at now: Instant) {
        if order.count != layers.count { order = Array(layers.indices) }
        sort(layers, at: now)
        rungs.removeAll(keepingCapacity: true)
        for encoding in order where Self.isActive(encoding, in: layers, at: now) {
            let layer = layers[encoding]
            let highestSpatial = layer.highestSpatial
            let highestTemporal = layer.rates.highestTemporal
            for spatial in 0...highestSpatial {
                let isTop = spatial == highestSpatial
                let isLowestLevel = rungs.isEmpty
                for temporal in 0...highestTemporal {
                    let choice = LayerChoice(
                        encoding: encoding, spatialLayer: isTop ? LayerChoice.topmost : spatial,
                        temporalLayer: temporal == highestTemporal ? LayerChoice.topmost : temporal)
                    rungs.append(
                        Rung(
                            choice: choice, spatialLayer: spatial, temporalLayer: temporal,
                            isSparse: !isLowestLevel && temporal + 1 < highestTemporal,
                            bitsPerSecond: layer.rates.bitsPerSecond(
                                spatial: choice.spatialLayer, temporal: choice.temporalLayer, at: now),
                            resolution: layer.resolution(spatial: spatial), isStable: layer.isStable(at: now)))
                }
            }
        }
    }

    static func isActive(_ encoding: Int, in layers: [LayerState], at now: Instant) -> Bool {
        let layer = layers[encoding]
        guard layer.isLive(at: now) else { return false }
        return !layers.indices.contains { $0 != encoding && layer.hasStopped(beside: layers[$0]) }
    }

    /// By picture size where both sizes are known, else by bitrate; near bitrates leave the order as it is.
    private mutating func sort(_ layers: [LayerState], at now: Instant) {
        guard order.count > 1 else { return }
        for end in 1..<order.count {
            var position = end
            while position > 0,
                Self.isHigher(layers[order[position - 1]], than: layers[order[position]], at: now)
            {
                order.swapAt(position - 1, position)
                position -= 1
            }
        }
    }

    private static func isHigher(_ layer: LayerState, than other: LayerState, at now: Instant) -> Bool {
        let top = LayerChoice.topmost
        let (pixels, otherPixels) = (layer.highestPixels, other.highestPixels)
        if pixels > 0, otherPixels > 0, pixels != otherPixels { return pixels > otherPixels }
        let rate = layer.rates.bitsPerSecond(spatial: top, temporal: top, at: now)
        let otherRate = other.rates.bitsPerSecond(spatial: top, temporal: top, at: now)
        return rate > otherRate + otherRate / 5
    }

    func position(of choice: LayerChoice) -> Int? { rungs.firstIndex { $0.choice == choice } }

    /// The best rung that has been there for a while, for who records or repackages (RTP-118).
    var highestStable: Rung? { rungs.last { $0.isStable } }

    /// The encodings at or below `position`, as bits: a viewer that has nothing yet can begin with any of them.
    func encodings(upTo position: Int) -> UInt64 {
        var mask: UInt64 = 0
        for rung in rungs.prefix(position + 1) { mask |= rung.choice.bit }
        return mask
    }
}

extension LayerState {
    fileprivate var highestPixels: Int { pixels(spatial: highestSpatial) }
}
