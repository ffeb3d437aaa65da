import Codecs
import Wire

/// AV1 (RTP payload format of the Alliance for Open Media): the OBUs of a temporal unit, without size fields, temporal
/// delimiters and tile lists.
public struct AV1Depacketizer: Depacketizer {
    private var picture: PictureBuilder

    public init(limits: DepacketizerLimits = .video) { picture = PictureBuilder(limits: limits) }

    public var droppedUnits: UInt64 { picture.dropped }

    public mutating func packetsLost() { picture.packetsLost() }

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        guard let header = try? AV1AggregationHeader(parsing: payload) else {
            picture.packetsLost()
            throw .malformed
        }
        let starts = !header.continuesUnit && PayloadInspector.inspect(payload, codec: .av1).startsFrame
        if picture.turn(to: timestamp, startsPicture: starts, into: &units) {
            do throws(DepacketizationError) {
                try take(payload, header)
            } catch {
                picture.damage()
                throw error
            }
        }
        if marker { picture.end(into: &units) }
    }

    private mutating func take(
        _ payload: RawSpan, _ header: AV1AggregationHeader
    ) throws(DepacketizationError) {
        guard header.continuesUnit == picture.hasOpenPart else {
            throw header.continuesUnit ? .orphanedFragment : .malformed
        }
        var elements = AV1Elements(header)
        var next = elements.next(in: payload)
        while let element = next {
            next = elements.next(in: payload)
            if !picture.hasOpenPart { try picture.beginPart() }
            try picture.extend(payload.extracting(element))
            if next == nil, header.goesOn, !elements.isMalformed { break }
            try endUnit()
        }
        guard !elements.isMalformed else { throw .truncated }
        if header.startsSequence { picture.isKeyframe() }
    }

    /// Keeps the OBU that is complete now, in the form without a size field.
    private mutating func endUnit() throws(DepacketizationError) {
        let prefix = picture.partPrefix(10)
        // An element without bytes is no OBU.
        guard !prefix.isEmpty else { return picture.dropPart() }
        let head = Array(prefix)
        guard let header = head.withBytes({ AV1OBUHeader(parsing: $0) }) else { throw .malformed }
        switch header.type {
        case .temporalDelimiter, .tileList: return picture.dropPart()
        case .frame, .frameHeader, .tileGroup: picture.hasPicture = true
        default: break
        }
        if header.hasSizeField {
            guard let size = head.withBytes({ LEB128(parsing: $0, at: header.size) }) else { throw .malformed }
            try picture.removeSizeField(at: header.size, count: size.size, value: size.value)
        }
        picture.endPart()
    }
}

extension PictureBuilder {
    /// Takes an OBU's size field out of the part that is not complete, and cuts off what lies behind its end.
    fileprivate mutating func removeSizeField(at offset: Int, count: Int, value: UInt64) throws(DepacketizationError) {
        try editOpenPart { (part: inout [UInt8]) throws(DepacketizationError) in
            let start = offset + count
            guard part.count >= start, value <= UInt64(part.count - start) else { throw .truncated }
            part.removeSubrange(start + Int(value)..<part.count)
            part.removeSubrange(offset..<start)
            part[0] &= ~0x02
        }
    }
}
