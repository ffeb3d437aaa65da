import Codecs
import Wire

/// Payloads of H.264 (RFC 6184) and H.265 (RFC 7798): what stands before the slices goes together as far as it fits, slices
/// alone or in fragments (PAY-9, PAY-23). Delimiters and filler are left out, as no decoder needs them.
enum NALUnitPacketizer: Hashable, Sendable {
    case h264
    case h265

    private var splitter: NALUnitSplitter { self == .h264 ? .h264 : .h265 }
    private var headerSize: Int { splitter.headerSize }

    func packetize(
        _ bytes: RawSpan, _ parts: [Range<Int>], _ limit: Int, _ scratch: inout [UInt8],
        _ body: (RawSpan, PayloadSplitter.Piece) -> Void
    ) -> Bool {
        guard let last = parts.lastIndex(where: { isSent(bytes, $0) }) else { return false }
        var index = parts.startIndex
        while index <= last {
            let run = aggregate(bytes, parts, from: index, through: last, limit)
            if run.units > 1 {
                writeAggregate(bytes, parts[index..<run.end], &scratch)
                scratch.withBytes { body($0, PayloadSplitter.Piece(takesMarker: run.end > last)) }
                index = run.end
            } else {
                let part = parts[index]
                if isSent(bytes, part) {
                    splitter.sendUnit(bytes.extracting(part), limit, isLast: index == last, &scratch, body)
                }
                index += 1
            }
        }
        return true
    }

    /// Whether a unit can be a packet's and says anything to a decoder.
    private func isSent(_ bytes: RawSpan, _ part: Range<Int>) -> Bool {
        guard part.count > headerSize else { return false }
        switch self {
        case .h264:
            let type = H264NALUnitType(header: bytes[part.lowerBound])
            return (1...23).contains(type.rawValue) && !type.isFiller
        case .h265:
            let type = H265NALUnitType(header: bytes[part.lowerBound])
            return type.rawValue < 48 && !type.isFiller
        }
    }

    private func precedesSlices(_ header: UInt8) -> Bool {
        self == .h264
            ? H264NALUnitType(header: header).precedesSlices : H265NALUnitType(header: header).precedesSlices
    }

    /// How many units from `start` on go into one packet, and where the next begins; units that are not sent are passed
    /// over.
    private func aggregate(
        _ bytes: RawSpan, _ parts: [Range<Int>], from start: Int, through last: Int, _ limit: Int
    ) -> (units: Int, end: Int) {
        var (size, units, index) = (headerSize, 0, start)
        while index <= last {
            let part = parts[index]
            if isSent(bytes, part) {
                guard precedesSlices(bytes[part.lowerBound]), part.count <= limit - size - 2 else { break }
                size += 2 + part.count
                units += 1
            }
            index += 1
        }
        return (units, index)
    }

    private func writeAggregate(_ bytes: RawSpan, _ parts: ArraySlice<Range<Int>>, _ scratch: inout [UInt8]) {
        scratch.removeAll(keepingCapacity: true)
        scratch.append(0)
        if self == .h265 { scratch.append(0) }
        var (forbidden, reference): (UInt8, UInt8) = (0, 0)
        var (layer, temporal): (UInt8, UInt8) = (63, 7)
        for part in parts where isSent(bytes, part) {
            let first = bytes[part.lowerBound]
            forbidden |= first & 0x80
            reference = max(reference, first & 0x60)
            if self == .h265 {
                let second = bytes[part.lowerBound + 1]
                layer = min(layer, (first & 1) << 5 | second >> 3)
                temporal = min(temporal, second & 7)
            }
            scratch.append(bigEndian: UInt16(truncatingIfNeeded: part.count))
            scratch.append(contentsOf: bytes.extracting(part))
        }
        switch self {
        // The highest importance of all units (RFC 6184, section 5.7).
        case .h264: scratch[0] = forbidden | reference | H264NALUnitType.singleTimeAggregationA.rawValue
        // The lowest layer and sub-layer of all units (RFC 7798, section 4.4.2).
        case .h265:
            scratch[0] = forbidden | H265NALUnitType.aggregation.rawValue << 1 | layer >> 5
            scratch[1] = layer << 3 | temporal
        }
    }
}
