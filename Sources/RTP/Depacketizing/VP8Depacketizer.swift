import Codecs
import Wire

/// VP8 (RFC 7741): the frame without its payload descriptors.
public struct VP8Depacketizer: Depacketizer {
    private var picture: PictureBuilder

    public init(limits: DepacketizerLimits = .video) { picture = PictureBuilder(limits: limits) }

    public var droppedUnits: UInt64 { picture.dropped }

    public mutating func packetsLost() { picture.packetsLost() }

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        guard let descriptor = try? VP8PayloadDescriptor(parsing: payload), descriptor.size < payload.byteCount else {
            picture.packetsLost()
            throw .truncated
        }
        // A frame without a marker ends where the next one begins.
        if picture.timestamp != timestamp { picture.endPart() }
        if picture.turn(to: timestamp, startsPicture: descriptor.startsFrame, into: &units) {
            do throws(DepacketizationError) {
                try take(payload.extracting(descriptor.size..<payload.byteCount), descriptor)
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

    private mutating func take(
        _ bytes: RawSpan, _ descriptor: VP8PayloadDescriptor
    ) throws(DepacketizationError) {
        if !picture.hasOpenPart {
            guard descriptor.startsFrame else { throw .orphanedFragment }
            try picture.beginPart()
            if descriptor.startsKeyframe { picture.isKeyframe() }
            picture.hasPicture = true
        }
        try picture.extend(bytes)
    }
}
