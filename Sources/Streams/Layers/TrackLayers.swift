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
    private(set) var names: [String] = []
    private var descriptors: [DependencyDescriptorReader] = []
    /// Since when the descriptors of an encoding have lacked their structure; nil for those that do not.
    private var unexplainedSince: [Instant?] = []
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
        descriptors = Array(repeating: DependencyDescriptorReader(), count: lane.layerCount)
        unexplainedSince = Array(repeating: nil, count: lane.layerCount)
    }

    /// A keyframe whose first packet is lost may still be repaired; after this long another one is asked for.
    static let explanationMilliseconds: Int64 = 200

    /// Whether there is anything to choose between.
    var hasChoice: Bool { encodings.count > 1 || isDivided }
    /// Whether an encoding has had spatial or temporal layers.
    private var isDivided = false

    func isDue(at now: Instant) -> Bool { now >= nextEvaluation }

    /// The next packets are looked at anew, whenever that is.
    mutating func evaluateSoon() { nextEvaluation = Instant(nanoseconds: 0) }

    /// - Returns: whether what viewers can choose from has changed.
    mutating func evaluate(at now: Instant) -> Bool {
        nextEvaluation = now.advanced(byMilliseconds: Self.intervalMilliseconds)
        for index in encodings.indices { encodings[index].advance(to: now) }
        ladder.rebuild(from: encodings, at: now)
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

    /// Counts a packet, and finds out which layers its frame belongs to.
    mutating func received(_ packet: RawSpan, _ entry: inout RunEntry, codec: Codec) {
        let encoding = entry.layer
        let summary = entry.summary
        var resolution = summary.resolution
        switch codec {
        case .vp8, .vp9:
            entry.spatialLayer = summary.spatialLayer ?? 0
            entry.temporalLayer = summary.temporalLayer ?? 0
            if summary.hasScalabilityStructure {
                noteSizes(packet.extracting(entry.header.payload), encoding)
                resolution = nil
            }
        default:
            readDescriptor(packet, &entry)
        }
        if entry.spatialLayer > 0 || entry.temporalLayer > 0 { isDivided = true }
        encodings[encoding].received(
            byteCount: packet.byteCount, timestamp: entry.header.timestamp, spatial: entry.spatialLayer,
            temporal: entry.temporalLayer, resolution: resolution, at: entry.arrival)
    }

    private mutating func noteSizes(_ payload: RawSpan, _ encoding: Int) {
        guard let descriptor = try? VP9PayloadDescriptor(parsing: payload) else { return }
        for layer in 0..<LayerRates.spatialLimit {
            guard let size = descriptor.resolution(ofSpatialLayer: layer, in: payload) else { continue }
            encodings[encoding].note(size, of: layer)
        }
    }

    private mutating func readDescriptor(_ packet: RawSpan, _ entry: inout RunEntry) {
        guard let value = entry.extensions[.dependencyDescriptor], value.upperBound <= packet.byteCount else { return }
        let encoding = entry.layer
        switch descriptors[encoding].read(packet.extracting(value)) {
        case .malformed: break
        case .unknownStructure(let number):
            entry.frameNumber = number
            if unexplainedSince[encoding] == nil { unexplainedSince[encoding] = entry.arrival }
        case .frame(let frame):
            unexplainedSince[encoding] = nil
            entry.frameNumber = frame.frameNumber
            entry.dependency = frame
            entry.spatialLayer = frame.spatialLayer
            entry.temporalLayer = frame.temporalLayer
            guard frame.hasStructure, let sizes = descriptors[encoding].structure?.resolutions else { return }
            for (layer, size) in sizes.enumerated() { encodings[encoding].note(size, of: layer) }
        }
    }

    /// The encodings whose frames nobody can tell apart because a keyframe's first packet is missing, as bits (RTP-115).
    func unexplainedEncodings(at now: Instant) -> UInt64 {
        var encodings: UInt64 = 0
        for index in unexplainedSince.indices {
            guard let since = unexplainedSince[index] else { continue }
            if now.milliseconds(since: since) >= Self.explanationMilliseconds {
                encodings |= LayerChoice(encoding: index).bit
            }
        }
        return encodings
    }

    /// What viewers can choose from; an encoding that has stopped is listed once.
    func descriptions(at now: Instant) -> [LayerDescription] {
        var found: [LayerDescription] = []
        for (index, layer) in encodings.enumerated() {
            var layer = layer
            layer.advance(to: now)
            let isActive = LayerLadder.isActive(index, in: encodings, at: now)
            for spatial in 0...(isActive ? layer.highestSpatial : 0) {
                let resolution = layer.resolution(spatial: spatial)
                for temporal in 0...(isActive ? layer.rates.highestTemporal : 0) {
                    found.append(
                        LayerDescription(
                            encoding: index, rid: index < names.count ? names[index] : "", spatialLayer: spatial,
                            temporalLayer: temporal, width: resolution?.width, height: resolution?.height,
                            bitsPerSecond: isActive
                                ? layer.rates.bitsPerSecond(spatial: spatial, temporal: temporal, at: now) : 0,
                            isActive: isActive))
                }
            }
        }
        return found
    }
}
