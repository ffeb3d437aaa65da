/// What the dependency descriptor says of one packet's frame, in the form in which layers are chosen.
public struct FrameDependency: Hashable, Sendable {
    public var startsFrame: Bool
    public var endsFrame: Bool
    public var frameNumber: UInt16
    public var spatialLayer: UInt8
    public var temporalLayer: UInt8
    public var references: FrameReferences
    /// Whether the packet brings the structure, as a keyframe's first packet does.
    public var hasStructure: Bool
    /// Two bits for each of 4 × 4 pairs of spatial and temporal layer.
    fileprivate var cells: UInt32

    /// What the frame is to who gets everything up to these layers.
    public func indication(spatial: UInt8, temporal: UInt8) -> DecodeTargetIndication {
        let cell = UInt32(min(spatial, 3) &* 4 &+ min(temporal, 3))
        return DecodeTargetIndication(rawValue: UInt8(truncatingIfNeeded: cells >> (2 * cell) & 3)) ?? .notPresent
    }
}

/// Reads the dependency descriptors of one stream (RTP payload format for AV1, appendix A), which have a memory: the
/// structure that a keyframe brought explains the frames after it.
public struct DependencyDescriptorReader: Sendable {
    /// Of the latest keyframe that brought one.
    public private(set) var structure: DependencyStructure?
    /// The decode targets that the sender says it produces, as bits.
    public private(set) var activeTargets: UInt32 = 0
    /// Packets that could not be understood because a keyframe's first packet is missing (RTP-115).
    public private(set) var withoutStructure: UInt64 = 0
    public private(set) var malformed: UInt64 = 0

    public enum Reading: Hashable, Sendable {
        case frame(FrameDependency)
        /// The frame's template is of a structure that has not been seen: a keyframe is needed.
        case unknownStructure(frameNumber: UInt16)
        case malformed
    }

    /// Mandatory fields.
    public static let minimumSize = 3

    public init() {}

    /// - Parameter value: of the header extension.
    public mutating func read(_ value: RawSpan) -> Reading {
        guard value.byteCount >= Self.minimumSize else { return fail() }
        var bits = DescriptorBits()
        let startsFrame = bits.flag(value)
        let endsFrame = bits.flag(value)
        let templateID = UInt8(bits.bits(6, value))
        let frameNumber = UInt16(bits.bits(16, value))
        var flags = Flags()
        var arriving: DependencyStructure?
        if value.byteCount > Self.minimumSize {
            flags = Flags(bits: bits.bits(5, value))
            if flags.hasStructure {
                guard let read = DependencyStructure(&bits, value) else { return fail() }
                arriving = read
            }
            guard let structure = arriving ?? structure else { return missStructure(frameNumber) }
            if flags.hasActiveTargets {
                let active = bits.bits(structure.decodeTargetCount, value)
                guard !bits.isExhausted else { return fail() }
                activeTargets = active
            } else if flags.hasStructure {
                activeTargets = UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(structure.decodeTargetCount)) - 1)
            }
        }
        if let arriving { structure = arriving }
        // Looked at in place: the structure's arrays are not to be counted for every packet.
        guard let template = structure?.template(templateID) else { return missStructure(frameNumber) }
        var indications = template.indications
        var references = template.references
        if flags.hasCustomIndications {
            indications = DependencyStructure.indications(
                &bits, value, count: structure?.decodeTargetCount ?? 0)
        }
        if flags.hasCustomReferences {
            references = FrameReferences()
            while true {
                let size = Int(bits.bits(2, value))
                guard size > 0, !bits.isExhausted else { break }
                references.insert(Int(bits.bits(4 * size, value)) + 1)
            }
        }
        if flags.hasCustomChains { for _ in 0..<(structure?.chainCount ?? 0) { _ = bits.bits(8, value) } }
        guard !bits.isExhausted else { return fail() }
        return .frame(
            FrameDependency(
                startsFrame: startsFrame, endsFrame: endsFrame, frameNumber: frameNumber,
                spatialLayer: template.spatialLayer, temporalLayer: template.temporalLayer, references: references,
                hasStructure: flags.hasStructure, cells: structure?.cells(indications) ?? 0))
    }

    private mutating func fail() -> Reading {
        malformed &+= 1
        return .malformed
    }

    private mutating func missStructure(_ frameNumber: UInt16) -> Reading {
        withoutStructure &+= 1
        return .unknownStructure(frameNumber: frameNumber)
    }

    private struct Flags {
        var hasStructure = false
        var hasActiveTargets = false
        var hasCustomIndications = false
        var hasCustomReferences = false
        var hasCustomChains = false

        init() {}

        init(bits: UInt32) {
            hasStructure = bits & 0x10 != 0
            hasActiveTargets = bits & 0x08 != 0
            hasCustomIndications = bits & 0x04 != 0
            hasCustomReferences = bits & 0x02 != 0
            hasCustomChains = bits & 0x01 != 0
        }
    }
}
