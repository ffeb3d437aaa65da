import Codecs
import Wire

extension PayloadSplitter {
    static func splitSamples(
        _ sampleSize: Int, _ ticks: Int, _ payload: RawSpan, _ limit: Int, _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        let samples = limit / sampleSize
        guard samples > 0 else { return false }
        var offset = 0
        while offset < payload.byteCount {
            let end = min(payload.byteCount, offset + samples * sampleSize)
            let elapsed = UInt32(truncatingIfNeeded: offset / sampleSize * ticks)
            // A marker begins a talk spurt, so it belongs on the first.
            body(payload.extracting(offset..<end), Piece(ticks: elapsed, takesMarker: offset == 0))
            offset = end
        }
        return true
    }

    /// Access units that fit go alone, larger ones in fragments whose header has the size of the whole (RFC 3640, 3.2.3).
    func splitAAC(
        _ layout: AACDepacketizer.Layout, _ payload: RawSpan, _ limit: Int, _ scratch: inout [UInt8],
        _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        // Other layouts are too rare to be cut.
        guard layout.isHighBitrate, let bits = payload.integer(at: 0, as: UInt16.self), bits % 16 == 0
        else { return false }
        let count = Int(bits) / 16
        var offset = 2 + 2 * count
        guard count > 0, offset < payload.byteCount else { return false }
        var total = 0
        for index in 0..<count { total += Int(payload.integer(at: 2 + 2 * index, as: UInt16.self) ?? 0) >> 3 }
        // One that goes on in another packet is cut as it is; several must all be there.
        guard count == 1 || total <= payload.byteCount - offset else { return false }
        for index in 0..<count {
            guard let header = payload.integer(at: 2 + 2 * index, as: UInt16.self) else { return false }
            let end = min(payload.byteCount, offset + Int(header >> 3))
            let ticks = layout.ticks(ofUnits: index)
            while offset < end {
                let next = min(end, offset + limit - 4)
                scratch.removeAll(keepingCapacity: true)
                scratch.append(bigEndian: UInt16(16))
                scratch.append(bigEndian: header & 0xFFF8)
                scratch.append(contentsOf: payload.extracting(offset..<next))
                scratch.withBytes { body($0, Piece(ticks: ticks, takesMarker: next == end)) }
                offset = next
            }
        }
        return true
    }

    /// Fragments of one frame tell where they lie in it (RFC 2250, section 3.5). Several frames are sent one by one.
    func splitMPEGAudio(
        _ payload: RawSpan, _ limit: Int, _ scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard let first = payload.integer(at: 2, as: UInt16.self), payload.byteCount > 4 else { return false }
        var frames: [(range: Range<Int>, ticks: UInt32)] = []
        var offset = 4
        var samples: Int64 = 0
        while first == 0, offset < payload.byteCount {
            let rest = payload.extracting(offset..<payload.byteCount)
            guard let header = MPEGAudioHeader(parsing: rest) else { return false }
            let end = min(payload.byteCount, offset + header.frameSize)
            let ticks = ClockScale(from: header.sampleRate, to: 90_000).scaled(samples)
            frames.append((offset..<end, UInt32(truncatingIfNeeded: ticks)))
            samples += Int64(header.samplesPerFrame)
            offset = end
        }
        if first > 0 { frames = [(4..<payload.byteCount, 0)] }
        for frame in frames {
            var offset = frame.range.lowerBound
            while offset < frame.range.upperBound {
                let next = min(frame.range.upperBound, offset + limit - 4)
                let place = UInt16(truncatingIfNeeded: Int(first) + offset - frame.range.lowerBound)
                scratch.removeAll(keepingCapacity: true)
                scratch.append(bigEndian: UInt16(0))
                scratch.append(bigEndian: place)
                scratch.append(contentsOf: payload.extracting(offset..<next))
                scratch.withBytes { body($0, Piece(ticks: frame.ticks, takesMarker: next == frame.range.upperBound)) }
                offset = next
            }
        }
        return true
    }

    /// One frame in fragments (RFC 4184, section 4.1.1). Several frames in a packet are left as they are.
    func splitAC3(
        _ payload: RawSpan, _ limit: Int, _ scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard payload.byteCount > 2, payload[0] & 3 == 0, payload[1] == 1 else { return false }
        let size = payload.byteCount - 2
        let count = (size + limit - 3) / (limit - 2)
        guard count <= 255 else { return false }
        return Self.cut(payload, from: 2, headerSize: 2, limit, &scratch, body) { output, range, _ in
            let isFirst = range.lowerBound == 2
            // Whether the first fragment holds five eighths of the frame, which can be decoded alone.
            let type: UInt8 = isFirst ? (range.count * 8 >= size * 5 ? 1 : 2) : 3
            output += [type, UInt8(count)]
        }
    }
}
