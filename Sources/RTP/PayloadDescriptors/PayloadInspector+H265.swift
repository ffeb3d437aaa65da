import Codecs
import Wire

extension PayloadInspector {
    /// H.265 payloads (RFC 7798): single NAL units, AP and FU, without decoding order numbers. PACI is unknown.
    static func h265(_ payload: RawSpan) -> PayloadSummary {
        guard payload.byteCount > 2 else { return .unknown }
        let type = H265NALUnitType(header: payload[0])
        // nuh_temporal_id_plus1 is never 0.
        guard payload[0] & 0x80 == 0, payload[1] & 0x07 > 0 else { return .unknown }
        var summary = PayloadSummary()
        summary.temporalLayer = (payload[1] & 0x07) - 1
        summary.spatialLayer = (payload[0] & 1) << 5 | payload[1] >> 3
        switch type {
        case .aggregation:
            var offset = 2
            var slices = 0
            var discardable = 0
            var (units, preceding, fillers) = (0, 0, 0)
            while let size = payload.integer(at: offset, as: UInt16.self) {
                offset += 2
                let end = offset + Int(size)
                guard end <= payload.byteCount else { return .unknown }
                if size > 2 {
                    let nalUnit = payload.extracting(offset..<end)
                    visit(nalUnit, &summary)
                    let inner = H265NALUnitType(header: nalUnit[0])
                    if inner.isSlice { slices += 1 }
                    if inner.isSubLayerNonReference { discardable += 1 }
                    units += 1
                    if inner.precedesSlices { preceding += 1 }
                    if inner.isFiller { fillers += 1 }
                }
                offset = end
            }
            summary.isDiscardable = slices > 0 && slices == discardable
            summary.precedesSlices = units > 0 && preceding == units
            summary.isFiller = units > 0 && fillers == units
        case .fragmentation:
            let inner = H265NALUnitType(rawValue: payload[2] & 0x3F)
            guard inner.rawValue < 48 else { return .unknown }
            summary.isDiscardable = inner.isSubLayerNonReference
            summary.precedesSlices = inner.precedesSlices
            summary.isFiller = inner.isFiller
            if payload[2] & 0x80 != 0 {
                note(inner, firstSliceByte: payload.integer(at: 3), &summary)
                if inner.isParameterSet { summary.hasParameterSets = true }
            }
        case let type where type.rawValue < 48:
            visit(payload, &summary)
            summary.isDiscardable = type.isSubLayerNonReference
            summary.precedesSlices = type.precedesSlices
            summary.isFiller = type.isFiller
        default:
            return .unknown
        }
        return summary
    }

    private static func visit(_ nalUnit: RawSpan, _ summary: inout PayloadSummary) {
        let type = H265NALUnitType(header: nalUnit[0])
        note(type, firstSliceByte: nalUnit.integer(at: 2), &summary)
        if type.isParameterSet { summary.hasParameterSets = true }
        if type == .prefixSupplementalEnhancement, RecoveryPoint.isIn(nalUnit, headerSize: 2) {
            summary.isRecoveryPoint = true
        }
        if type == .sequenceParameterSet {
            summary.resolution = H265SequenceParameterSet(parsing: nalUnit)?.resolution
        }
    }

    /// Takes the start of a NAL unit for what it says about its frame.
    ///
    /// - Parameter firstSliceByte: begins with `first_slice_segment_in_pic_flag`.
    private static func note(_ type: H265NALUnitType, firstSliceByte: UInt8?, _ summary: inout PayloadSummary) {
        let beginsPicture = type.isSlice && (firstSliceByte ?? 0) & 0x80 != 0
        if beginsPicture || type.precedesSlices { summary.startsFrame = true }
        if type == .videoParameterSet || type == .sequenceParameterSet || (type.isRandomAccess && beginsPicture) {
            summary.isKeyframeStart = true
        }
    }
}
