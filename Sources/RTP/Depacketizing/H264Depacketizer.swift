import Codecs
import Wire

/// H.264 (RFC 6184): single NAL units, STAP-A and FU-A, whatever packetization mode was announced (PAY-1).
public struct H264Depacketizer: Depacketizer {
    private var picture: PictureBuilder

    public init(limits: DepacketizerLimits = .video) { picture = PictureBuilder(limits: limits) }

    public var droppedUnits: UInt64 { picture.dropped }

    public mutating func packetsLost() { picture.packetsLost() }

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        let starts = PayloadInspector.inspect(payload, codec: .h264).startsFrame
        if picture.turn(to: timestamp, startsPicture: starts, into: &units) {
            do throws(DepacketizationError) {
                try take(payload)
            } catch {
                picture.damage()
                throw error
            }
        }
        // Some cameras set the marker on each parameter set too (PAY-5): no picture ends before its slices.
        if marker, picture.hasPicture || picture.hasOpenPart { picture.end(into: &units) }
    }

    private mutating func take(_ payload: RawSpan) throws(DepacketizationError) {
        guard let first = payload.integer(at: 0, as: UInt8.self) else { throw .truncated }
        switch H264NALUnitType(header: first) {
        case .singleTimeAggregationA:
            try takeAggregate(payload)
        case .fragmentationA:
            try takeFragment(payload, indicator: first)
        case let type where type.rawValue > 23:
            throw .unsupported
        case let type where type.rawValue == 0:
            // Byte stream format without anything around it; everything else of type 0 is nothing.
            guard first == 0, payload.byteCount > 4, payload[1] == 0, payload[2] <= 1 else { throw .malformed }
            try takeUnit(payload)
        default:
            try takeUnit(payload)
        }
    }

    private mutating func takeUnit(_ unit: RawSpan) throws(DepacketizationError) {
        picture.dropPart()
        try picture.append(unit)
        try noteUnits()
    }

    private mutating func takeAggregate(_ payload: RawSpan) throws(DepacketizationError) {
        var offset = 1
        while let size = payload.integer(at: offset, as: UInt16.self) {
            offset += 2
            let end = offset + Int(size)
            guard end <= payload.byteCount else { throw .truncated }
            if size > 0 { try takeUnit(payload.extracting(offset..<end)) }
            offset = end
        }
    }

    private mutating func takeFragment(_ payload: RawSpan, indicator: UInt8) throws(DepacketizationError) {
        guard let header = payload.integer(at: 1, as: UInt8.self) else { throw .truncated }
        let type = header & 0x1F
        guard (1...23).contains(type) else { throw .malformed }
        let unitHeader = indicator & 0xE0 | type
        if header & 0x80 != 0 {
            // A beginning before the end of what was begun: only the new one can become whole (PAY-3).
            picture.dropPart()
            try picture.beginPart()
            try picture.extend(unitHeader)
        } else {
            guard let begun = picture.partPrefix(1).first, picture.hasOpenPart else { throw .orphanedFragment }
            guard begun & 0x1F == type else { throw .malformed }
        }
        try picture.extend(payload.extracting(2..<payload.byteCount))
        if header & 0x40 != 0 {
            picture.endPart()
            try noteUnits()
        }
    }

    private mutating func noteUnits() throws(DepacketizationError) {
        var (hasPicture, isKeyframe, isRecoveryPoint) = (false, false, false)
        try picture.splitAtStartCodes { unit in
            guard let header = unit.integer(at: 0, as: UInt8.self) else { return }
            let type = H264NALUnitType(header: header)
            if type.isSlice { hasPicture = true }
            if type == .idrSlice { isKeyframe = true }
            if type == .supplementalEnhancement, RecoveryPoint.isIn(unit, headerSize: 1) { isRecoveryPoint = true }
        }
        if hasPicture { picture.hasPicture = true }
        if isKeyframe { picture.isKeyframe() }
        if isRecoveryPoint { picture.isRecoveryPoint() }
    }
}
