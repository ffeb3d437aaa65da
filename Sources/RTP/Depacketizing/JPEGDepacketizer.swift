import Wire

/// JPEG (RFC 2435): pictures in the form of JPEG files, with the headers that RTP leaves out.
///
/// Types 0 and 1, with and without restart markers, with the tables of the quality or those of the packets.
public struct JPEGDepacketizer: Depacketizer {
    private struct Header {
        var fragmentOffset: Int
        var type: UInt8
        var quality: UInt8
        var width: Int
        var height: Int
        var restartInterval: UInt16 = 0
        var size = 8

        init(parsing payload: RawSpan) throws(DepacketizationError) {
            guard payload.byteCount >= 8 else { throw .truncated }
            fragmentOffset = Int(payload[1]) << 16 | Int(payload[2]) << 8 | Int(payload[3])
            type = payload[4]
            quality = payload[5]
            width = Int(payload[6]) * 8
            height = Int(payload[7]) * 8
            // Types from 64 on are the ones below with a restart marker header.
            guard type & 0x3F <= 1, type < 128 else { throw .unsupported }
            guard quality != 0, !(100..<128).contains(quality), width > 0, height > 0 else { throw .malformed }
            if type >= 64 {
                guard let interval = payload.integer(at: 8, as: UInt16.self), payload.byteCount >= 12 else {
                    throw .truncated
                }
                restartInterval = interval
                size = 12
            }
        }
    }

    private var picture: PictureBuilder
    /// Tables that came in packets, by quality: those that do not change need not come again.
    private var tables: [UInt8: [UInt8]] = [:]
    /// Where the scan's data begins in the picture.
    private var dataOffset = 0

    public init(limits: DepacketizerLimits = .video) { picture = PictureBuilder(limits: limits) }

    public var droppedUnits: UInt64 { picture.dropped }

    public mutating func packetsLost() { picture.packetsLost() }

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        let header: Header
        do throws(DepacketizationError) {
            header = try Header(parsing: payload)
        } catch {
            picture.packetsLost()
            throw error
        }
        if picture.timestamp != timestamp { picture.endPart() }
        if picture.turn(to: timestamp, startsPicture: header.fragmentOffset == 0, into: &units) {
            do throws(DepacketizationError) {
                try take(payload, header)
            } catch {
                picture.damage()
                throw error
            }
        }
        if marker {
            if picture.hasOpenPart { try picture.extend([0xFF, 0xD9]) }
            picture.endPart()
            picture.end(into: &units)
        }
    }

    private mutating func take(_ payload: RawSpan, _ header: Header) throws(DepacketizationError) {
        var offset = header.size
        if header.fragmentOffset == 0 {
            var known = tables[header.quality]
            if header.quality >= 128 {
                guard let length = payload.integer(at: offset + 2, as: UInt16.self),
                    let precision = payload.integer(at: offset + 1, as: UInt8.self)
                else { throw .truncated }
                let start = offset + 4
                offset = start + Int(length)
                guard offset <= payload.byteCount else { throw .truncated }
                if length > 0 {
                    guard precision == 0 else { throw .unsupported }
                    guard length == 64 || length == 128 else { throw .malformed }
                    known = payload.array(start..<offset)
                    // 255 stands for tables that change with every picture.
                    if header.quality < 255 { tables[header.quality] = known }
                }
            } else {
                known = JPEGTables.quantization(quality: Int(header.quality))
            }
            guard let known else { throw .malformed }
            picture.dropPart()
            try picture.beginPart()
            picture.hasPicture = true
            picture.isKeyframe()
            try picture.extend(
                JPEGTables.header(
                    type: header.type & 0x3F, width: header.width, height: header.height, quantization: known,
                    restartInterval: header.restartInterval))
            dataOffset = 0
        }
        guard picture.hasOpenPart, header.fragmentOffset == dataOffset else { throw .orphanedFragment }
        let data = payload.extracting(offset..<payload.byteCount)
        dataOffset += data.byteCount
        try picture.extend(data)
    }
}

extension PictureBuilder {
    fileprivate mutating func extend(_ bytes: [UInt8]) throws(DepacketizationError) {
        try bytes.withBytes { (span: RawSpan) throws(DepacketizationError) in try extend(span) }
    }
}
