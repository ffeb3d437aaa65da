import Wire

/// Picture order counts of H.265 (8.3.1).
public struct H265PictureOrderReader: PictureOrderReader {
    /// What slice headers need of a PPS (7.3.2.3).
    private struct PictureParameterSet: Sendable {
        var sequenceParameterSet: UInt8
        var tellsOutput: Bool
        var extraBits: Int
    }

    private var sequences: [UInt8: H265SequenceParameterSet] = [:]
    private var pictures: [UInt8: PictureParameterSet] = [:]
    private var active: H265SequenceParameterSet?
    /// The most significant part, and the least, of the latest picture of the lowest sub-layer that others refer to.
    private var former: (most: Int64, least: Int64) = (0, 0)
    /// The next random access picture begins a sequence: nothing came before it.
    private var isAtStart = true
    private var order: PictureOrder?

    public init() {}

    public var reorderDepth: Int? { active?.reorderDepth }
    public var frameDuration: FrameDuration? { nil }
    public var isUnsupported: Bool { false }

    public mutating func take(_ unit: RawSpan) {
        // The end of a sequence is a header and nothing else.
        guard unit.byteCount >= 2 else { return }
        let type = H265NALUnitType(header: unit[0])
        // Units of other layers have numbers of their own.
        guard (unit[0] & 1) << 5 | unit[1] >> 3 == 0, unit[1] & 7 > 0 else { return }
        switch type {
        case .sequenceParameterSet:
            if let set = H265SequenceParameterSet(parsing: unit) { sequences[set.identifier] = set }
        case .pictureParameterSet: notePictureParameterSet(unit)
        case let type where type.endsSequence: isAtStart = true
        case let type where type.isSlice && order == nil: takeSlice(unit, type)
        default: break
        }
    }

    public mutating func endOfUnit() -> PictureOrder? {
        defer { order = nil }
        return order
    }

    private mutating func notePictureParameterSet(_ unit: RawSpan) {
        var reader = BitReader(from: 2, skipsEmulationPrevention: true)
        let number = reader.exponentialGolomb(unit)
        let sequence = reader.exponentialGolomb(unit)
        reader.skip(1, unit)
        let tellsOutput = reader.flag(unit)
        let extraBits = Int(reader.bits(3, unit))
        guard number <= 63, sequence <= 15, !reader.isExhausted else { return }
        pictures[UInt8(number)] = PictureParameterSet(
            sequenceParameterSet: UInt8(sequence), tellsOutput: tellsOutput, extraBits: extraBits)
    }

    /// Reads a slice segment's header (7.3.6.1) as far as `slice_pic_order_cnt_lsb`. All segments of a picture say the same,
    /// and the first says it without more ado.
    private mutating func takeSlice(_ unit: RawSpan, _ type: H265NALUnitType) {
        var reader = BitReader(from: 2, skipsEmulationPrevention: true)
        guard reader.flag(unit) else { return }
        if type.isRandomAccess { reader.skip(1, unit) }
        guard let number = UInt8(exactly: reader.exponentialGolomb(unit)), let picture = pictures[number],
            let sequence = sequences[picture.sequenceParameterSet]
        else { return }
        guard let countBits = sequence.orderCountBits else {
            active = sequence
            return
        }
        reader.skip(picture.extraBits, unit)
        _ = reader.exponentialGolomb(unit)
        if picture.tellsOutput { reader.skip(1, unit) }
        if sequence.hasSeparatePlanes { reader.skip(2, unit) }
        let least = type.isIDR ? 0 : Int64(reader.bits(countBits, unit))
        guard !reader.isExhausted else { return }
        active = sequence

        let starts = type.isIDR || type.isBrokenLink || type.isRandomAccess && isAtStart
        if type.isRandomAccess { isAtStart = false }
        var most: Int64 = 0
        if !starts {
            let range: Int64 = 1 << Int64(countBits)
            most = former.most
            if least < former.least, former.least - least >= range / 2 {
                most &+= range
            } else if least > former.least, least - former.least > range / 2 {
                most &-= range
            }
        }
        let isLowest = unit[1] & 7 == 1
        if isLowest, !type.isSubLayerNonReference, !type.isSkippedLeading, !type.isDecodableLeading {
            former = (most, least)
        }
        order = PictureOrder(count: most &+ least, startsSequence: starts)
    }
}
