import Codecs
import Wire

/// H.265 (RFC 7798): single NAL units, AP and FU. PACI is refused.
public struct H265Depacketizer: Depacketizer {
    private var picture: PictureBuilder
    /// Bytes of each decoding order number, which stand there only when the sender said so (`sprop-max-don-diff`). The
    /// units are taken in the order in which they come.
    private let orderNumberSize: Int
    /// Nothing before has been decoded, or nothing that what follows refers to, so pictures that refer to it cannot be.
    private var isFirst = true
    private var skipsLeading = false

    public init(hasOrderNumbers: Bool = false, limits: DepacketizerLimits = .video) {
        picture = PictureBuilder(limits: limits)
        orderNumberSize = hasOrderNumbers ? 2 : 0
    }

    public var droppedUnits: UInt64 { picture.dropped }

    public mutating func packetsLost() { picture.packetsLost() }

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        // Where order numbers stand between header and slice, the beginning of a picture cannot be seen in a slice.
        let starts = orderNumberSize > 0 || PayloadInspector.inspect(payload, codec: .h265).startsFrame
        if picture.turn(to: timestamp, startsPicture: starts, into: &units) {
            do throws(DepacketizationError) {
                try take(payload)
            } catch {
                picture.damage()
                throw error
            }
        }
        if marker, picture.hasPicture || picture.hasOpenPart { picture.end(into: &units) }
    }

    private mutating func take(_ payload: RawSpan) throws(DepacketizationError) {
        let isEnd = payload.byteCount == 2 && H265NALUnitType(header: payload[0]).endsSequence
        guard payload.byteCount > 2 || isEnd else { throw .truncated }
        switch H265NALUnitType(header: payload[0]) {
        case .aggregation:
            try takeAggregate(payload)
        case .fragmentation:
            try takeFragment(payload)
        case let type where type.rawValue > 49:
            throw .unsupported
        default:
            // Byte stream format without anything around it begins with zero bytes, which are no header.
            guard payload[0] != 0 || payload[1] != 0 || payload[2] <= 1 else { throw .malformed }
            picture.dropPart()
            try picture.beginPart()
            try picture.extend(payload.extracting(0..<2))
            guard payload.byteCount >= 2 + orderNumberSize else { throw .truncated }
            try picture.extend(payload.extracting(2 + orderNumberSize..<payload.byteCount))
            picture.endPart()
            try noteUnits()
        }
    }

    private mutating func takeAggregate(_ payload: RawSpan) throws(DepacketizationError) {
        picture.dropPart()
        var offset = 2 + orderNumberSize
        while let size = payload.integer(at: offset, as: UInt16.self) {
            offset += 2
            let end = offset + Int(size)
            guard end <= payload.byteCount else { throw .truncated }
            if size > 0 {
                try picture.append(payload.extracting(offset..<end))
                try noteUnits()
            }
            // Of the units after the first only the difference of the number stands there.
            offset = end + orderNumberSize / 2
        }
    }

    private mutating func takeFragment(_ payload: RawSpan) throws(DepacketizationError) {
        let header = payload[2]
        let type = header & 0x3F
        guard type < 48 else { throw .malformed }
        let first = payload[0] & 0x81 | type << 1
        var start = 3
        if header & 0x80 != 0 {
            start += orderNumberSize
            picture.dropPart()
            try picture.beginPart()
            try picture.extend(first)
            try picture.extend(payload[1])
        } else {
            guard let begun = picture.partPrefix(1).first, picture.hasOpenPart else { throw .orphanedFragment }
            guard begun == first else { throw .malformed }
        }
        guard start <= payload.byteCount else { throw .truncated }
        try picture.extend(payload.extracting(start..<payload.byteCount))
        if header & 0x40 != 0 {
            picture.endPart()
            try noteUnits()
        }
    }

    private mutating func noteUnits() throws(DepacketizationError) {
        var (hasPicture, isKeyframe, isRecoveryPoint, isLeading) = (false, false, false, false)
        var (first, skips) = (isFirst, skipsLeading)
        try picture.splitAtStartCodes { unit in
            guard let header = unit.integer(at: 0, as: UInt8.self) else { return }
            let type = H265NALUnitType(header: header)
            if type.isSlice { hasPicture = true }
            if type.isRandomAccess {
                isKeyframe = true
                // The picture's first slice.
                if let byte = unit.integer(at: 2, as: UInt8.self), byte & 0x80 != 0 {
                    (first, skips) = (false, first || type.isBrokenLink)
                }
            }
            if type.isSkippedLeading { isLeading = true }
            // Ends of other layers are none of this one's.
            if type.endsSequence, header & 1 == 0, unit.integer(at: 1, as: UInt8.self).map({ $0 >> 3 == 0 }) ?? false {
                first = true
            }
            if type == .prefixSupplementalEnhancement, RecoveryPoint.isIn(unit, headerSize: 2) {
                isRecoveryPoint = true
            }
        }
        if hasPicture { picture.hasPicture = true }
        (isFirst, skipsLeading) = (first, skips)
        if isKeyframe { picture.isKeyframe() }
        if isRecoveryPoint { picture.isRecoveryPoint() }
        // PAY-21: leading pictures of the random access picture with which decoding begins, or begins anew.
        if isLeading, skipsLeading { picture.damage() }
    }
}
