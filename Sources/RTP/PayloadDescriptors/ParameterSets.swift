public import Codecs
import Wire

/// The parameter sets of one H.264 or H.265 stream, from its description and from the stream itself, so that a keyframe
/// that comes without them can be sent with them (RTP-65, PAY-8); of AV1 the sequence header. Other codecs carry theirs
/// in every keyframe.
public struct ParameterSets: Sendable {
    /// Sets that together do not fit one packet are not put before keyframes.
    public static let maximumPayloadSize = 1_100
    static let maximumCount = 16

    private struct Unit: Sendable {
        /// The NAL unit type: sets go out in its order, VPS, SPS, PPS.
        var type: UInt8
        var number: UInt32
        var bytes: [UInt8]
    }

    private let codec: Codec
    private var units: [Unit] = []
    /// All sets in one aggregation packet's payload (STAP-A, AP); nil when it takes an SPS or PPS more to decode, or
    /// they do not fit.
    public private(set) var payload: [UInt8]?

    /// - Parameter announced: NAL units without start code; what is no parameter set is passed over.
    public init(codec: Codec, announced: [[UInt8]]) {
        self.codec = codec
        for unit in announced { unit.withBytes { _ = note(unit: $0) } }
        aggregate()
    }

    /// Takes the sets that an RTP payload of the stream holds whole.
    public mutating func note(_ payload: RawSpan) {
        guard let first = payload.integer(at: 0, as: UInt8.self) else { return }
        var hasChanged = false
        switch codec {
        case .h264 where H264NALUnitType(header: first) == .singleTimeAggregationA:
            hasChanged = noteEach(of: payload, from: 1)
        case .h265 where H265NALUnitType(header: first) == .aggregation:
            hasChanged = noteEach(of: payload, from: 2)
        case .h264, .h265:
            hasChanged = note(unit: payload)
        case .av1:
            hasChanged = noteSequenceHeader(of: payload)
        default: return
        }
        if hasChanged { aggregate() }
    }

    private mutating func noteEach(of payload: RawSpan, from start: Int) -> Bool {
        var hasChanged = false
        var offset = start
        while let size = payload.integer(at: offset, as: UInt16.self) {
            let unit = offset + 2..<offset + 2 + Int(size)
            guard unit.upperBound <= payload.byteCount else { break }
            if note(unit: payload.extracting(unit)) { hasChanged = true }
            offset = unit.upperBound
        }
        return hasChanged
    }

    private mutating func noteSequenceHeader(of payload: RawSpan) -> Bool {
        guard let header = try? AV1AggregationHeader(parsing: payload) else { return false }
        var elements = AV1Elements(header)
        var isContinuation = header.continuesUnit
        while let element = elements.next(in: payload) {
            let isWhole = !isContinuation && !(header.goesOn && element.upperBound == payload.byteCount)
            isContinuation = false
            guard isWhole, element.count <= Self.maximumPayloadSize else { continue }
            let unit = payload.extracting(element)
            guard let obu = AV1OBUHeader(parsing: unit), obu.type == .sequenceHeader else { continue }
            if let known = units.first, known.bytes.withBytes({ $0.isEqual(to: unit) }) { return false }
            units = [Unit(type: obu.type.rawValue, number: 0, bytes: unit.array)]
            return true
        }
        return false
    }

    /// - Returns: whether the unit is a parameter set that was not known.
    private mutating func note(unit: RawSpan) -> Bool {
        let number: UInt32?
        let type: UInt8
        guard let header = unit.integer(at: 0, as: UInt8.self), unit.byteCount <= Self.maximumPayloadSize else {
            return false
        }
        switch codec {
        case .h264:
            number = ParameterSetIdentifier.h264(unit)
            type = H264NALUnitType(header: header).rawValue
        case .h265:
            number = ParameterSetIdentifier.h265(unit)
            type = H265NALUnitType(header: header).rawValue
        default: return false
        }
        guard let number else { return false }
        if let index = units.firstIndex(where: { $0.type == type && $0.number == number }) {
            guard !units[index].bytes.withBytes({ $0.isEqual(to: unit) }) else { return false }
            units[index].bytes = unit.array
            return true
        }
        guard units.count < Self.maximumCount else { return false }
        let index = units.firstIndex { $0.type > type } ?? units.count
        units.insert(Unit(type: type, number: number, bytes: unit.array), at: index)
        return true
    }

    private mutating func aggregate() {
        payload = nil
        guard isComplete else { return }
        if codec == .av1 {
            // One element, with which a coded video sequence begins.
            payload = [0x18] + (units.first?.bytes ?? [])
            return
        }
        var payload: [UInt8] = codec == .h264 ? [0x78] : [H265NALUnitType.aggregation.rawValue << 1, 1]
        for unit in units {
            payload.append(bigEndian: UInt16(truncatingIfNeeded: unit.bytes.count))
            payload += unit.bytes
        }
        if payload.count <= Self.maximumPayloadSize { self.payload = payload }
    }

    private var isComplete: Bool {
        if codec == .av1 { return !units.isEmpty }
        let needed: [UInt8] =
            codec == .h264
            ? [H264NALUnitType.sequenceParameterSet.rawValue, H264NALUnitType.pictureParameterSet.rawValue]
            : [
                H265NALUnitType.videoParameterSet.rawValue, H265NALUnitType.sequenceParameterSet.rawValue,
                H265NALUnitType.pictureParameterSet.rawValue,
            ]
        return needed.allSatisfy { type in units.contains { $0.type == type } }
    }
}

extension RawSpan {
    fileprivate func isEqual(to other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        for offset in 0..<byteCount where self[offset] != other[offset] { return false }
        return true
    }
}
