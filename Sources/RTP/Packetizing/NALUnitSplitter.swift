import Codecs
import Wire

/// Cuts payloads of H.264 (RFC 6184) and H.265 (RFC 7798): what is aggregated goes one by one, what is too large alone
/// goes in fragments (PAY-9, PAY-23).
enum NALUnitSplitter: Hashable, Sendable {
    case h264
    case h265

    /// Bytes of a NAL unit's header.
    var headerSize: Int { self == .h264 ? 1 : 2 }
    /// Bytes before the data of a fragment.
    var fragmentHeaderSize: Int { headerSize + 1 }

    /// What a payload is.
    enum Kind: Hashable, Sendable {
        case unit
        case aggregate
        case fragment
    }

    /// nil for what no sender of live media uses.
    func kind(of payload: RawSpan) -> Kind? {
        guard payload.byteCount > headerSize else { return nil }
        switch self {
        case .h264:
            switch H264NALUnitType(header: payload[0]) {
            case .singleTimeAggregationA: return .aggregate
            case .fragmentationA: return payload.byteCount > 2 ? .fragment : nil
            case let type: return (1...23).contains(type.rawValue) ? .unit : nil
            }
        case .h265:
            switch H265NALUnitType(header: payload[0]) {
            case .aggregation: return .aggregate
            case .fragmentation: return payload.byteCount > 3 ? .fragment : nil
            case let type: return type.rawValue < 48 ? .unit : nil
            }
        }
    }

    /// Whether a payload that fits has to be made anew all the same: byte stream format inside a unit (PAY-7), a fragment
    /// that is a whole unit (PAY-3). Looked for where cameras do it: in what begins with parameter sets or a delimiter.
    func needsRepair(_ payload: RawSpan) -> Bool {
        switch kind(of: payload) {
        case .aggregate: return false
        case .fragment:
            let unit = fragmentedUnit(payload)
            guard unit.isFirst else { return false }
            return unit.isLast || precedesSlices(unit.first) && hasStartCode(payload)
        case .unit: return precedesSlices(payload[0]) && hasStartCode(payload)
        case nil: return beginsWithStartCode(payload)
        }
    }

    private func precedesSlices(_ header: UInt8) -> Bool {
        self == .h264
            ? H264NALUnitType(header: header).precedesSlices : H265NALUnitType(header: header).precedesSlices
    }

    private func beginsWithStartCode(_ payload: RawSpan) -> Bool {
        payload.byteCount > 4 && payload[0] == 0 && payload[1] == 0
            && (payload[2] == 1 || payload[2] == 0 && payload[3] == 1)
    }

    private func hasStartCode(_ payload: RawSpan) -> Bool {
        var count = 0
        StartCodes.split(payload, within: headerSize..<payload.byteCount) { _ in count += 1 }
        return count > 1
    }

    /// Writes what stands before a fragment's data.
    ///
    /// - Parameter unit: the header of the NAL unit, in the second byte only for H.265.
    func appendFragmentHeader(_ unit: FragmentedUnit, isFirst: Bool, isLast: Bool, to output: inout [UInt8]) {
        let flags: UInt8 = (isFirst ? 0x80 : 0) | (isLast ? 0x40 : 0)
        switch self {
        case .h264:
            output.append(unit.first & 0xE0 | H264NALUnitType.fragmentationA.rawValue)
            output.append(flags | unit.first & 0x1F)
        case .h265:
            output.append(unit.first & 0x81 | H265NALUnitType.fragmentation.rawValue << 1)
            output.append(unit.second)
            output.append(flags | unit.first >> 1 & 0x3F)
        }
    }

    /// The NAL unit that a fragment belongs to, and which part of it the fragment is.
    func fragmentedUnit(_ payload: RawSpan) -> FragmentedUnit {
        let flags = payload[headerSize]
        switch self {
        case .h264:
            return FragmentedUnit(
                first: payload[0] & 0xE0 | flags & 0x1F, second: 0, isFirst: flags & 0x80 != 0,
                isLast: flags & 0x40 != 0)
        case .h265:
            return FragmentedUnit(
                first: payload[0] & 0x81 | (flags & 0x3F) << 1, second: payload[1], isFirst: flags & 0x80 != 0,
                isLast: flags & 0x40 != 0)
        }
    }

    func split(
        _ payload: RawSpan, _ limit: Int, _ scratch: inout [UInt8], _ body: (RawSpan, PayloadSplitter.Piece) -> Void
    ) -> Bool {
        switch kind(of: payload) {
        case nil where !beginsWithStartCode(payload): return false
        case nil, .unit:
            var units: [Range<Int>] = []
            StartCodes.split(payload, within: 0..<payload.byteCount) { units.append($0) }
            for (index, unit) in units.enumerated() {
                sendUnit(payload.extracting(unit), limit, isLast: index == units.count - 1, &scratch, body)
            }
        case .fragment:
            let unit = fragmentedUnit(payload)
            fragment(
                payload.extracting(fragmentHeaderSize..<payload.byteCount), unit, limit, isLast: true, &scratch, body)
        case .aggregate:
            var units: [Range<Int>] = []
            var offset = headerSize
            while let size = payload.integer(at: offset, as: UInt16.self) {
                let end = offset + 2 + Int(size)
                guard end <= payload.byteCount else { return false }
                if Int(size) > headerSize { units.append(offset + 2..<end) }
                offset = end
            }
            guard !units.isEmpty else { return false }
            for (index, unit) in units.enumerated() {
                sendUnit(payload.extracting(unit), limit, isLast: index == units.count - 1, &scratch, body)
            }
        }
        return true
    }

    /// Sends a NAL unit whole or in fragments.
    func sendUnit(
        _ unit: RawSpan, _ limit: Int, isLast: Bool, _ scratch: inout [UInt8],
        _ body: (RawSpan, PayloadSplitter.Piece) -> Void
    ) {
        guard unit.byteCount > limit else { return body(unit, PayloadSplitter.Piece(takesMarker: isLast)) }
        let header = FragmentedUnit(
            first: unit[0], second: headerSize == 2 ? unit[1] : 0, isFirst: true, isLast: true)
        fragment(unit.extracting(headerSize..<unit.byteCount), header, limit, isLast: isLast, &scratch, body)
    }

    private func fragment(
        _ data: RawSpan, _ unit: FragmentedUnit, _ limit: Int, isLast: Bool, _ scratch: inout [UInt8],
        _ body: (RawSpan, PayloadSplitter.Piece) -> Void
    ) {
        let size = limit - fragmentHeaderSize
        // One fragment must not both begin and end its unit (RFC 6184, section 5.8), so there are two at least.
        let pieceSize = unit.isFirst && unit.isLast ? min(size, max(1, data.byteCount - 1)) : size
        var offset = 0
        while offset < data.byteCount {
            let end = min(data.byteCount, offset + pieceSize)
            let isEnd = end == data.byteCount
            scratch.removeAll(keepingCapacity: true)
            appendFragmentHeader(
                unit, isFirst: unit.isFirst && offset == 0, isLast: unit.isLast && isEnd, to: &scratch)
            scratch.append(contentsOf: data.extracting(offset..<end))
            scratch.withBytes { body($0, PayloadSplitter.Piece(takesMarker: isLast && isEnd)) }
            offset = end
        }
    }
}

/// What the header of a fragment says.
struct FragmentedUnit: Hashable, Sendable {
    /// The header of the NAL unit; of H.264 one byte.
    var first: UInt8
    var second: UInt8
    var isFirst: Bool
    var isLast: Bool

    /// Whether this fragment goes on with the unit that another one began.
    func continues(_ other: FragmentedUnit) -> Bool { !isFirst && first == other.first && second == other.second }
}
