import Codecs
import Wire

extension PayloadInspector {
    /// H.264 payloads (RFC 6184): single NAL units, STAP-A and FU-A. STAP-B, MTAP and FU-B are unknown; no sender
    /// of live video uses them.
    static func h264(_ payload: RawSpan) -> PayloadSummary {
        guard let first = payload.integer(at: 0, as: UInt8.self) else { return .unknown }
        var summary = PayloadSummary()
        var slices = H264Slices()
        switch H264NALUnitType(header: first) {
        case .singleTimeAggregationA:
            var offset = 1
            // Padding that is too short for a size, and sizes of zero, are what some cameras end with.
            while let size = payload.integer(at: offset, as: UInt16.self) {
                offset += 2
                let end = offset + Int(size)
                guard end <= payload.byteCount else { return .unknown }
                if size > 0 { visit(payload.extracting(offset..<end), &summary, &slices) }
                offset = end
            }
        case .fragmentationA:
            guard let header = payload.integer(at: 1, as: UInt8.self) else { return .unknown }
            let type = H264NALUnitType(header: header)
            guard (1...23).contains(type.rawValue) else { return .unknown }
            slices.add(type, reference: first)
            if header & 0x80 != 0 {
                note(type, firstSliceByte: payload.integer(at: 2), &summary)
                if type == .sequenceParameterSet || type == .pictureParameterSet { summary.hasParameterSets = true }
            }
        case let type where (1...23).contains(type.rawValue):
            visit(payload, &summary, &slices)
        default:
            return .unknown
        }
        summary.isDiscardable = slices.areUnreferenced
        summary.precedesSlices = slices.areNone
        summary.isFiller = slices.areFiller
        return summary
    }

    private static func visit(_ nalUnit: RawSpan, _ summary: inout PayloadSummary, _ slices: inout H264Slices) {
        let type = H264NALUnitType(header: nalUnit[0])
        slices.add(type, reference: nalUnit[0])
        note(type, firstSliceByte: nalUnit.integer(at: 1), &summary)
        switch type {
        case .sequenceParameterSet:
            summary.hasParameterSets = true
            summary.resolution = H264SequenceParameterSet(parsing: nalUnit)?.resolution
        case .pictureParameterSet:
            summary.hasParameterSets = true
        case .supplementalEnhancement:
            if RecoveryPoint.isIn(nalUnit, headerSize: 1) { summary.isRecoveryPoint = true }
        default:
            break
        }
    }

    /// Takes the start of a NAL unit for what it says about its frame.
    ///
    /// - Parameter firstSliceByte: begins with `first_mb_in_slice`, whose value 0 is coded as one set bit.
    private static func note(_ type: H264NALUnitType, firstSliceByte: UInt8?, _ summary: inout PayloadSummary) {
        let beginsPicture = type.isSlice && (firstSliceByte ?? 0) & 0x80 != 0
        if beginsPicture || type.precedesSlices { summary.startsFrame = true }
        if type == .sequenceParameterSet || (type == .idrSlice && beginsPicture) { summary.isKeyframeStart = true }
    }
}

/// Whether the slices of one payload are reference pictures, and what it holds beside them.
private struct H264Slices {
    private var count = 0
    private var referenced = false
    private var others = 0
    private var fillers = 0
    private var trailing = 0

    /// - Parameter reference: the byte with `nal_ref_idc`, in a fragment its indicator.
    mutating func add(_ type: H264NALUnitType, reference: UInt8) {
        guard type.isSlice else {
            others += 1
            if type.isFiller { fillers += 1 }
            if !type.precedesSlices { trailing += 1 }
            return
        }
        count += 1
        if reference & 0x60 != 0 { referenced = true }
    }

    var areUnreferenced: Bool { count > 0 && !referenced }
    var areNone: Bool { count == 0 && others > 0 && trailing == 0 }
    var areFiller: Bool { count == 0 && others > 0 && fillers == others }
}
