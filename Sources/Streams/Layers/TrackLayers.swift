import Codecs
import RTP
import Wire

/// The encodings of a track as they are being received, measured once for all viewers.
struct TrackLayers {
    /// How often viewers' layers are chosen anew. Not per packet: a choice looks at every rung.
    static let intervalMilliseconds: UInt64 = 100
    /// More encodings than this are not told apart (their bits would not fit a word).
    static let maximumEncodings = 64

    private(set) var encodings: [LayerState] = []
    private(set) var ladder = LayerLadder()
    private var names: [String] = []
    private var nextEvaluation = Instant(nanoseconds: 0)
    /// What the last evaluation saw, bitrates left aside.
    private var shape: [Shape] = []

    private struct Shape: Hashable {
        var encoding: Int
        var isActive: Bool
        var highestSpatial: UInt8
        var highestTemporal: UInt8
        var resolution: VideoResolution?
    }

    init() {}

    init(_ lane: PublicationLane) {
        encodings = Array(repeating: LayerState(), count: lane.layerCount)
        names = lane.encodingNames
    }

    /// Whether there is anything to choose between.
    var hasChoice: Bool { encodings.count > 1 }

    func isDue(at now: Instant) -> Bool { now >= nextEvaluation }

    /// The next packets are looked at anew, whenever that is.
    mutating func evaluateSoon() { nextEvaluation = Instant(nanoseconds: 0) }

    /// - Returns: whether what viewers can choose from has changed.
    mutating func evaluate(at now: Instant) -> Bool {
        nextEvaluation = now.advanced(byMilliseconds: Self.intervalMilliseconds)
        for index in encodings.indices { encodings[index].advance(to: now) }
        ladder.rebuild(from: encodings, dividesEncodings: false, at: now)
        var changed = shape.count != encodings.count
        if changed { shape = encodings.indices.map { makeShape($0, at: now) } }
        for index in encodings.indices where !changed {
            let seen = makeShape(index, at: now)
            guard shape[index] != seen else { continue }
            changed = true
            shape = encodings.indices.map { makeShape($0, at: now) }
        }
        return changed
    }

    private func makeShape(_ index: Int, at now: Instant) -> Shape {
        let layer = encodings[index]
        let spatial = layer.highestSpatial
        return Shape(
            encoding: index, isActive: LayerLadder.isActive(index, in: encodings, at: now), highestSpatial: spatial,
            highestTemporal: layer.rates.highestTemporal, resolution: layer.resolution(spatial: spatial))
    }

    mutating func received(
        _ byteCount: Int, encoding: Int, timestamp: UInt32, summary: PayloadSummary, at now: Instant
    ) {
        encodings[encoding].received(
            byteCount: byteCount, timestamp: timestamp, spatial: summary.spatialLayer ?? 0,
            temporal: summary.temporalLayer ?? 0, resolution: summary.resolution, at: now)
    }

    /// What viewers can choose from; an encoding that has stopped is listed once.
    func descriptions(at now: Instant) -> [LayerDescription] {
        var found: [LayerDescription] = []
        for (index, layer) in encodings.enumerated() {
            var layer = layer
            layer.advance(to: now)
            let isActive = LayerLadder.isActive(index, in: encodings, at: now)
            let divides = false
            for spatial in 0...(divides && isActive ? layer.highestSpatial : 0) {
                let resolution = layer.resolution(spatial: spatial)
                for temporal in 0...(divides && isActive ? layer.rates.highestTemporal : 0) {
                    found.append(
                        LayerDescription(
                            encoding: index, rid: index < names.count ? names[index] : "", spatialLayer: spatial,
                            temporalLayer: temporal, width: resolution?.width, height: resolution?.height,
                            bitsPerSecond: isActive
                                ? layer.rates.bitsPerSecond(
                                    spatial: divides ? spatial : LayerChoice.topmost,
                                    temporal: divides ? temporal : LayerChoice.topmost, at: now) : 0,
                            isActive: isActive))
                }
            }
        }
        return found
    }
}
