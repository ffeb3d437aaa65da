import Codecs
import Wire

extension PayloadSplitter {
    /// All pieces have the packet's descriptor; only the first begins a partition (RFC 7741, section 4.2).
    func splitVP8(
        _ payload: RawSpan, _ limit: Int, _ scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard let descriptor = try? VP8PayloadDescriptor(parsing: payload) else { return false }
        let size = descriptor.size
        return Self.cut(payload, from: size, headerSize: size, limit, &scratch, body) { output, range, _ in
            output.append(contentsOf: payload.extracting(0..<size))
            if range.lowerBound > size { output[0] &= ~0x10 }
        }
    }

    /// Only the first piece begins the frame and tells the layers, and only the last ends it (RFC 9628, section 4.2).
    func splitVP9(
        _ payload: RawSpan, _ limit: Int, _ scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard let descriptor = try? VP9PayloadDescriptor(parsing: payload) else { return false }
        let size = descriptor.size
        // The scalability structure is the descriptor's end.
        let shortSize = descriptor.scalabilityStructureOffset ?? size
        return Self.cut(payload, from: size, headerSize: size, limit, &scratch, body) { output, range, isLast in
            let isFirst = range.lowerBound == size
            output.append(contentsOf: payload.extracting(0..<(isFirst ? size : shortSize)))
            if !isFirst { output[0] &= ~0x0A }
            if !isLast { output[0] &= ~0x04 }
        }
    }

    /// Each piece is one element, a part of an OBU or a whole one (AV1 RTP payload format, section 4.4).
    func splitAV1(
        _ payload: RawSpan, _ limit: Int, _ scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard let header = try? AV1AggregationHeader(parsing: payload) else { return false }
        var check = AV1Elements(header)
        var count = 0
        while check.next(in: payload) != nil { count += 1 }
        guard !check.isMalformed, count > 0 else { return false }
        var elements = AV1Elements(header)
        var index = 0
        while let element = elements.next(in: payload) {
            let isLastElement = index == count - 1
            var offset = element.lowerBound
            repeat {
                let end = min(element.upperBound, offset + limit - 1)
                let continues = offset > element.lowerBound || (index == 0 && header.continuesUnit)
                let goesOn = end < element.upperBound || (isLastElement && header.goesOn)
                let starts = header.startsSequence && index == 0 && offset == element.lowerBound
                scratch.removeAll(keepingCapacity: true)
                scratch.append((continues ? 0x80 : 0) | (goesOn ? 0x40 : 0) | 0x10 | (starts ? 0x08 : 0))
                scratch.append(contentsOf: payload.extracting(offset..<end))
                let isLast = isLastElement && end == element.upperBound
                scratch.withBytes { body($0, Piece(takesMarker: isLast)) }
                offset = end
            } while offset < element.upperBound
            index += 1
        }
        return true
    }

    /// Every piece has the main header with its own fragment offset; the tables stand in the first (RFC 2435, section 3.1).
    func splitJPEG(
        _ payload: RawSpan, _ limit: Int, _ scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard payload.byteCount > 8 else { return false }
        let first = Int(payload[1]) << 16 | Int(payload[2]) << 8 | Int(payload[3])
        let size = payload[4] >= 64 ? 12 : 8
        var dataStart = size
        if first == 0, payload[5] >= 128 {
            guard let length = payload.integer(at: size + 2, as: UInt16.self) else { return false }
            dataStart += 4 + Int(length)
        }
        guard dataStart < payload.byteCount else { return false }
        return Self.cut(payload, from: dataStart, headerSize: dataStart, limit, &scratch, body) { output, range, _ in
            let offset = first + range.lowerBound - dataStart
            output.append(contentsOf: payload.extracting(0..<(range.lowerBound == dataStart ? dataStart : size)))
            output[1] = UInt8(truncatingIfNeeded: offset >> 16)
            output[2] = UInt8(truncatingIfNeeded: offset >> 8)
            output[3] = UInt8(truncatingIfNeeded: offset)
            // Which packets hold whole intervals is no longer known: F and L set, with the count of all ones.
            if size == 12 {
                output[10] = 0xFF
                output[11] = 0xFF
            }
        }
    }

    /// The header of each piece is the packet's, but for where slices begin and end (RFC 2250, section 3.4).
    func splitMPEG2(
        _ payload: RawSpan, _ limit: Int, _ scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard payload.byteCount > 4 else { return false }
        let size = payload[0] & 0x04 == 0 ? 4 : 8
        return Self.cut(payload, from: size, headerSize: size, limit, &scratch, body) { output, range, isLast in
            guard size <= payload.byteCount else { return }
            output.append(contentsOf: payload.extracting(0..<size))
            // S and B hold for the first piece, E for the last.
            if range.lowerBound > size { output[2] &= ~0x30 }
            if !isLast { output[2] &= ~0x08 }
        }
    }
}
