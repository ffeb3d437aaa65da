public import Codecs
import Wire

/// What a frame is to one decode target (RTP payload format for AV1, appendix A.7).
public enum DecodeTargetIndication: UInt8, Hashable, Sendable {
    case notPresent
    /// Nothing of the target refers to it.
    case discardable
    /// Whoever can decode it can decode all that follows of the target.
    case switching
    case required
}

/// The templates from which the descriptors of a stream's frames are made (RTP payload format for AV1, appendix A.8.2).
/// Comes with keyframes and holds until the next one that brings another.
///
/// Chains are counted and passed over: whether what a viewer got can be decoded is told by the references of the frames
/// themselves.
public struct DependencyStructure: Hashable, Sendable {
    public static let maximumTemplates = 64
    public static let maximumDecodeTargets = 32

    /// What the frames of one template have in common.
    public struct Template: Hashable, Sendable {
        public var spatialLayer: UInt8 = 0
        public var temporalLayer: UInt8 = 0
        /// Two bits for each decode target, the first lowest.
        public var indications: UInt64 = 0
        public var references = FrameReferences()
    }

    /// The template that the first of ``templates`` has as its id.
    public var templateIDOffset: UInt8
    public var decodeTargetCount: Int
    public var templates: [Template]
    public var chainCount: Int
    /// By spatial layer; empty when the structure tells no sizes.
    public var resolutions: [VideoResolution]
    /// For each of 4 × 4 pairs of spatial and temporal layer the decode target that is all of these and no more, or the
    /// best one below.
    private var targetOfCell: [UInt8] = []

    /// The template called `id`; nil when the structure is not the one that the sender means.
    public func template(_ id: UInt8) -> Template? {
        let index = Int((id &+ 64 &- templateIDOffset) & 63)
        return index < templates.count ? templates[index] : nil
    }

    /// - Parameter bits: stands at the structure.
    init?(_ bits: inout DescriptorBits, _ bytes: RawSpan) {
        templateIDOffset = UInt8(bits.bits(6, bytes))
        decodeTargetCount = Int(bits.bits(5, bytes)) + 1
        templates = []
        chainCount = 0
        resolutions = []
        guard readLayers(&bits, bytes) else { return nil }
        for index in templates.indices {
            templates[index].indications = Self.indications(&bits, bytes, count: decodeTargetCount)
        }
        for index in templates.indices {
            while bits.flag(bytes) {
                guard !bits.isExhausted else { return nil }
                templates[index].references.insert(Int(bits.bits(4, bytes)) + 1)
            }
        }
        readChains(&bits, bytes)
        if bits.flag(bytes) {
            let count = Int(templates.last?.spatialLayer ?? 0) + 1
            for _ in 0..<count {
                let width = Int(bits.bits(16, bytes)) + 1
                resolutions.append(VideoResolution(width: width, height: Int(bits.bits(16, bytes)) + 1))
            }
        }
        guard !bits.isExhausted else { return nil }
        mapCells()
    }

    private mutating func readLayers(_ bits: inout DescriptorBits, _ bytes: RawSpan) -> Bool {
        var next = Template()
        while templates.count < Self.maximumTemplates, !bits.isExhausted {
            templates.append(next)
            switch bits.bits(2, bytes) {
            case 0: break
            case 1: next.temporalLayer += 1
            case 2:
                next.temporalLayer = 0
                next.spatialLayer += 1
            default: return true
            }
            // The fields of descriptors have three and two bits for these.
            guard next.temporalLayer < 8, next.spatialLayer < 4 else { return false }
        }
        return false
    }

    static func indications(_ bits: inout DescriptorBits, _ bytes: RawSpan, count: Int) -> UInt64 {
        var value: UInt64 = 0
        for target in 0..<count { value |= UInt64(bits.bits(2, bytes)) << UInt64(2 * target) }
        return value
    }

    private mutating func readChains(_ bits: inout DescriptorBits, _ bytes: RawSpan) {
        chainCount = Int(bits.nonSymmetric(below: UInt32(decodeTargetCount) + 1, bytes))
        guard chainCount > 0 else { return }
        for _ in 0..<decodeTargetCount { _ = bits.nonSymmetric(below: UInt32(chainCount), bytes) }
        for _ in templates.indices { for _ in 0..<chainCount { _ = bits.bits(4, bytes) } }
    }

    private mutating func mapCells() {
        var spatial = InlineArray<32, UInt8>(repeating: 0)
        var temporal = InlineArray<32, UInt8>(repeating: 0)
        for template in templates {
            for target in 0..<decodeTargetCount where template.indications >> UInt64(2 * target) & 3 != 0 {
                spatial[target] = max(spatial[target], template.spatialLayer)
                temporal[target] = max(temporal[target], template.temporalLayer)
            }
        }
        for cell in 0..<16 {
            let (spatialLimit, temporalLimit) = (UInt8(cell / 4), UInt8(cell % 4))
            var best: Int?
            var least = 0
            for target in 0..<decodeTargetCount {
                if (spatial[target], temporal[target]) < (spatial[least], temporal[least]) { least = target }
                // The highest row and column stand for everything, whatever its number.
                guard spatial[target] <= spatialLimit || spatialLimit == 3,
                    temporal[target] <= temporalLimit || temporalLimit == 3
                else { continue }
                guard let known = best else {
                    best = target
                    continue
                }
                if (spatial[target], temporal[target]) > (spatial[known], temporal[known]) { best = target }
            }
            targetOfCell.append(UInt8(best ?? least))
        }
    }

    /// Indications of decode targets as indications of pairs of layers: two bits for each of 4 × 4, temporal first.
    func cells(_ indications: UInt64) -> UInt32 {
        var cells: UInt32 = 0
        for cell in targetOfCell.indices {
            let indication = indications >> (2 * UInt64(targetOfCell[cell])) & 3
            cells |= UInt32(truncatingIfNeeded: indication) << UInt32(2 * cell)
        }
        return cells
    }
}
