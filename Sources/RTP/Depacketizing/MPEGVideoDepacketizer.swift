import Wire

/// MPEG-4 part 2 (RFC 6416 and RFC 3016) and MPEG-1/2 video (RFC 2250): pictures that are the payloads one after the
/// other.
public struct MPEGVideoDepacketizer: Depacketizer {
    public enum Kind: Hashable, Sendable {
        case mpeg4
        /// With four bytes before each payload, and four more where they say so.
        case mpeg2
    }

    private let kind: Kind
    private var picture: PictureBuilder

    public init(_ kind: Kind, limits: DepacketizerLimits = .video) {
        self.kind = kind
        picture = PictureBuilder(limits: limits)
    }

    public var droppedUnits: UInt64 { picture.dropped }

    public mutating func packetsLost() { picture.packetsLost() }

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        let headerSize = kind == .mpeg4 ? 0 : (payload.integer(at: 0, as: UInt8.self) ?? 0) & 0x04 == 0 ? 4 : 8
        guard payload.byteCount >= headerSize, !payload.isEmpty else {
            picture.packetsLost()
            throw .truncated
        }
        // FFmpeg sends headers with nothing behind them.
        if payload.byteCount == headerSize, !marker { return }
        let body = payload.extracting(headerSize..<payload.byteCount)
        // A picture begins with the start code of one, of a group or of a sequence; slices have start codes of their own.
        let starts = body.integer(at: 0, as: UInt32.self).map { isPictureStart($0) } ?? false
        if picture.timestamp != timestamp { picture.endPart() }
        if picture.turn(to: timestamp, startsPicture: starts, into: &units) {
            do throws(DepacketizationError) {
                if !picture.hasOpenPart { try picture.beginPart() }
                try picture.extend(body)
                picture.hasPicture = true
                if isKeyframe(payload, body) { picture.isKeyframe() }
            } catch {
                picture.damage()
                throw error
            }
        }
        if marker {
            picture.endPart()
            picture.end(into: &units)
        }
    }

    private func isPictureStart(_ word: UInt32) -> Bool {
        guard word >> 8 == 1 else { return false }
        let code = UInt8(truncatingIfNeeded: word)
        return kind == .mpeg4 ? true : code == 0x00 || code >= 0xB3
    }

    private func isKeyframe(_ payload: RawSpan, _ body: RawSpan) -> Bool {
        if kind == .mpeg2 { return payload[2] & 0x07 == 1 }
        // The header of a video object plane says how it is coded in its first two bits.
        var offset = 0
        while let word = body.integer(at: offset, as: UInt32.self), offset < 512 {
            if word == 0x0000_01B6 { return body.integer(at: offset + 4, as: UInt8.self).map { $0 >> 6 == 0 } ?? false }
            offset += 1
        }
        return false
    }
}
