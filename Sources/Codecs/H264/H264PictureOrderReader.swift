import Wire

/// Picture order counts of H.264 (8.2.1): `pic_order_cnt_type` 0, and 2, whose pictures are shown as they are decoded.
/// Type 1 is told apart and not read: no encoder of live video uses it.
public struct H264PictureOrderReader: PictureOrderReader {
    private var sets = H264ParameterSets()
    private var active: H264SequenceParameterSet?
    /// The most significant part, and the least, of the reference picture before.
    private var former: (most: Int64, least: Int64) = (0, 0)
    /// Fields since the last IDR picture, of a stream that does not count them.
    private var decoded: Int64 = 0

    /// The picture of the access unit so far, and the fields it is made of.
    private var order: PictureOrder?
    private var hasTopField = false
    private var hasBottomField = false

    public init() {}

    public var reorderDepth: Int? { active?.reorderDepth }
    public var frameDuration: FrameDuration? { active?.usability?.frameDuration }

    public var isUnsupported: Bool {
        if case .cycle = active?.pictureOrder { true } else { false }
    }

    public mutating func take(_ unit: RawSpan) {
        guard let header = unit.integer(at: 0, as: UInt8.self) else { return }
        let type = H264NALUnitType(header: header)
        guard type.isSlice else {
            if type == .sequenceParameterSet || type == .pictureParameterSet { sets.note(unit) }
            return
        }
        // All slices of a picture say the same.
        guard !(hasTopField && hasBottomField) else { return }
        guard let slice = H264SliceHeader(parsing: unit, sets, sequence: &active), !slice.isRedundant else { return }
        if slice.isField, slice.isBottomField ? hasBottomField : hasTopField { return }
        // A frame after a field would be another access unit.
        guard slice.isField || order == nil else { return }
        if !slice.isField || !slice.isBottomField { hasTopField = true }
        if !slice.isField || slice.isBottomField { hasBottomField = true }
        note(slice)
    }

    public mutating func endOfUnit() -> PictureOrder? {
        defer {
            order = nil
            hasTopField = false
            hasBottomField = false
        }
        order?.isSingleField = hasTopField != hasBottomField
        return order
    }

    private mutating func note(_ slice: H264SliceHeader) {
        var count: Int64
        switch active?.pictureOrder {
        case .counter(let bits):
            if slice.isIDR { former = (0, 0) }
            count = readCount(slice, bits)
        case .decodingOrder:
            if slice.isIDR { decoded = 0 }
            count = decoded
            decoded &+= slice.isField ? 1 : 2
        case .cycle, nil: return
        }
        let starts = slice.isIDR || slice.forgetsReferences
        // After the operation the picture's own count is taken off from it (8.2.1).
        if slice.forgetsReferences { count = 0 }
        if let first = order {
            order?.count = min(first.count, count)
            order?.startsSequence = first.startsSequence || starts
        } else {
            order = PictureOrder(count: count, startsSequence: starts)
        }
    }

    private mutating func readCount(_ slice: H264SliceHeader, _ bits: Int) -> Int64 {
        let range: Int64 = 1 << Int64(bits)
        let least = Int64(slice.orderCount)
        var most = former.most
        if least < former.least, former.least - least >= range / 2 {
            most &+= range
        } else if least > former.least, least - former.least > range / 2 {
            most &-= range
        }
        let count = most &+ least
        if slice.isReference {
            if slice.forgetsReferences {
                // What the top field, or the frame, has left of its count.
                former = (0, slice.isField ? 0 : max(0, -slice.bottomFieldDifference))
            } else {
                former = (most, least)
            }
        }
        return slice.isField ? count : min(count, count &+ slice.bottomFieldDifference)
    }
}
