import Codecs
import Wire

/// Payloads of AV1 (AV1 RTP payload format, section 4.4): up to three OBUs or parts of them in each, the last without its
/// size. Temporal delimiters, tile lists and padding are left out, and size fields, which the payload's own replace.
enum AV1Packetizer {
    private static let maximumElements = 3
    /// A part of an OBU smaller than this is not worth its header.
    private static let smallestPart = 16

    /// An OBU as it is sent: its header without the mark of a size, and what follows it.
    private struct Unit {
        var header: Range<Int>
        var payload: Range<Int>
        var size: Int { header.count + payload.count }
    }

    static func packetize(
        _ bytes: RawSpan, _ unit: AccessUnit, _ limit: Int, _ scratch: inout [UInt8],
        _ body: (RawSpan, PayloadSplitter.Piece) -> Void
    ) -> Bool {
        guard let last = unit.parts.lastIndex(where: { read(bytes, $0) != nil }) else { return false }
        let startsSequence =
            unit.isKeyframe && unit.parts.contains { AV1OBU(parsing: bytes, in: $0)?.header.type == .sequenceHeader }
        var (index, offset) = (unit.parts.startIndex, 0)
        var isFirst = true
        while index <= last {
            let plan = plan(bytes, unit.parts, last, limit, index, offset)
            scratch.removeAll(keepingCapacity: true)
            var flags = UInt8(plan.elements) << 4
            if offset > 0 { flags |= 0x80 }
            if plan.offset > 0 { flags |= 0x40 }
            if isFirst, startsSequence { flags |= 0x08 }
            scratch.append(flags)
            for element in 0..<plan.elements {
                while read(bytes, unit.parts[index]) == nil { index += 1 }
                guard let obu = read(bytes, unit.parts[index]) else { break }
                let isOpen = element == plan.elements - 1 && plan.offset > 0
                let end = isOpen ? plan.offset : obu.size
                if element < plan.elements - 1 { scratch.append(leb128: end - offset) }
                append(bytes, obu, offset..<end, to: &scratch)
                (index, offset) = isOpen ? (index, end) : (index + 1, 0)
            }
            (index, offset, isFirst) = (plan.index, plan.offset, false)
            let isLast = index > last
            scratch.withBytes { body($0, PayloadSplitter.Piece(takesMarker: isLast)) }
        }
        return true
    }

    /// What goes into the packet that begins at `offset` of OBU `index`: how many elements, and where the next packet
    /// begins.
    private static func plan(
        _ bytes: RawSpan, _ parts: [Range<Int>], _ last: Int, _ limit: Int, _ start: Int, _ startOffset: Int
    ) -> (elements: Int, index: Int, offset: Int) {
        var (used, elements, index, offset) = (AV1AggregationHeader.size, 0, start, startOffset)
        while index <= last, elements < maximumElements {
            guard let obu = read(bytes, parts[index]) else {
                index += 1
                continue
            }
            let rest = obu.size - offset
            let room = limit - used
            if rest > room {
                // Another packet goes on with it.
                guard elements == 0 || room >= smallestPart else { break }
                return (elements + 1, index, offset + room)
            }
            elements += 1
            (index, offset) = (index + 1, 0)
            // Nothing follows where there would be no room for a size field.
            used += rest + leb128Size(rest)
            guard used < limit else { break }
        }
        return (elements, index, offset)
    }

    /// nil for what is not sent.
    private static func read(_ bytes: RawSpan, _ part: Range<Int>) -> Unit? {
        guard let obu = AV1OBU(parsing: bytes, in: part) else { return nil }
        switch obu.header.type {
        case .temporalDelimiter, .tileList, .padding: return nil
        default:
            return Unit(
                header: part.lowerBound..<part.lowerBound + obu.header.size,
                payload: part.lowerBound + obu.payload.lowerBound..<part.lowerBound + obu.payload.upperBound)
        }
    }

    private static func append(_ bytes: RawSpan, _ unit: Unit, _ range: Range<Int>, to scratch: inout [UInt8]) {
        let head = unit.header.count
        for place in range.lowerBound..<max(range.lowerBound, min(head, range.upperBound)) {
            let byte = bytes[unit.header.lowerBound + place]
            scratch.append(place == 0 ? byte & ~0x02 : byte)
        }
        guard range.upperBound > head else { return }
        let start = unit.payload.lowerBound + max(0, range.lowerBound - head)
        scratch.append(contentsOf: bytes.extracting(start..<unit.payload.lowerBound + range.upperBound - head))
    }

    private static func leb128Size(_ value: Int) -> Int {
        var (size, rest) = (1, value >> 7)
        while rest > 0 { (size, rest) = (size + 1, rest >> 7) }
        return size
    }
}

extension AV1OBU {
    /// The OBU that is one part, in offsets from the part's beginning.
    fileprivate init?(parsing bytes: RawSpan, in part: Range<Int>) {
        self.init(parsing: bytes.extracting(part), at: 0)
    }
}

extension [UInt8] {
    fileprivate mutating func append(leb128 value: Int) {
        var rest = value
        while rest > 0x7F {
            append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }
}
