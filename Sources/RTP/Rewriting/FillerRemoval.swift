public import Codecs
import Wire

/// Takes delimiters and filler out of payloads on their way to browsers, which have no use for them (PAY-10).
///
/// A packet that holds nothing else is to be left out; one with the marker has to be sent all the same, because nothing
/// else tells the end of the frame, and shrinks to the smallest filler there is.
@frozen
public struct FillerRemoval: Hashable, Sendable {
    private let isH265: Bool

    /// nil for codecs that have neither.
    public init?(_ codec: Codec) {
        switch codec {
        case .h264: isH265 = false
        case .h265: isH265 = true
        default: return nil
        }
    }

    /// Whether `payload` is to be written by ``append(_:to:)`` instead of being copied.
    public func applies(to payload: RawSpan) -> Bool {
        guard let first = payload.integer(at: 0, as: UInt8.self) else { return false }
        if isH265 {
            let type = H265NALUnitType(header: first)
            if type == .fragmentation { return isFiller(payload.integer(at: 2) ?? 0) }
            return type.isFiller || type == .aggregation && hasFiller(payload)
        }
        let type = H264NALUnitType(header: first)
        if type == .fragmentationA { return isFiller(payload.integer(at: 1) ?? 0) }
        return type.isFiller || type == .singleTimeAggregationA && hasFiller(payload)
    }

    /// Writes `payload` without what is not needed; never more bytes than it has.
    public func append(_ payload: RawSpan, to output: inout OutputRawSpan) {
        let headerSize = isH265 ? 2 : 1
        let isAggregate =
            isH265
            ? H265NALUnitType(header: payload[0]) == .aggregation
            : H264NALUnitType(header: payload[0]) == .singleTimeAggregationA
        guard isAggregate, keepsSomething(payload) else { return appendSmallestFiller(payload, to: &output) }
        output.append(contentsOf: payload.extracting(0..<headerSize))
        forEachUnit(payload) { unit in
            guard !isFillerUnit(unit) else { return }
            output.append(bigEndian: UInt16(truncatingIfNeeded: unit.byteCount))
            output.append(contentsOf: unit)
        }
    }

    private func appendSmallestFiller(_ payload: RawSpan, to output: inout OutputRawSpan) {
        if isH265 {
            guard payload.byteCount >= 3 else { return output.append(contentsOf: payload) }
            output.append(bigEndian: H265NALUnitType.fillerData.rawValue << 1)
            output.append(bigEndian: payload[1])
        } else {
            guard payload.byteCount >= 2 else { return output.append(contentsOf: payload) }
            output.append(bigEndian: H264NALUnitType.fillerData.rawValue)
        }
        // The bit with which every unit ends.
        output.append(bigEndian: UInt8(0x80))
    }

    private func isFiller(_ fragmentHeader: UInt8) -> Bool {
        isH265
            ? H265NALUnitType(rawValue: fragmentHeader & 0x3F).isFiller
            : H264NALUnitType(header: fragmentHeader).isFiller
    }

    private func isFillerUnit(_ unit: RawSpan) -> Bool {
        guard let header = unit.integer(at: 0, as: UInt8.self) else { return true }
        return isH265 ? H265NALUnitType(header: header).isFiller : H264NALUnitType(header: header).isFiller
    }

    private func hasFiller(_ payload: RawSpan) -> Bool {
        var found = false
        forEachUnit(payload) { if !$0.isEmpty, isFillerUnit($0) { found = true } }
        return found
    }

    private func keepsSomething(_ payload: RawSpan) -> Bool {
        var found = false
        forEachUnit(payload) { if !isFillerUnit($0) { found = true } }
        return found
    }

    private func forEachUnit(_ payload: RawSpan, _ body: (RawSpan) -> Void) {
        var offset = isH265 ? 2 : 1
        while let size = payload.integer(at: offset, as: UInt16.self) {
            let end = offset + 2 + Int(size)
            guard end <= payload.byteCount else { return }
            body(payload.extracting(offset + 2..<end))
            offset = end
        }
    }
}
