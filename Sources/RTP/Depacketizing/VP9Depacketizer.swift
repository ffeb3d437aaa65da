import Codecs
import Wire

/// VP9 (RFC 9628): the frames of a picture's spatial layers, without their payload descriptors.
public struct VP9Depacketizer: Depacketizer {
    private var picture: PictureBuilder

    public init(limits: DepacketizerLimits = .video) { picture = PictureBuilder(limits: limits) }

    public var droppedUnits: UInt64 { picture.dropped }

    public mutating func packetsLost() { picture.packetsLost() }

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        guard let descriptor = try? VP9PayloadDescriptor(parsing: payload), descriptor.size < payload.byteCount else {
            picture.packetsLost()
            throw .truncated
        }
        let starts = descriptor.startsFrame && !descriptor.dependsOnLowerSpatialLayer
        if picture.turn(to: timestamp, startsPicture: starts, into: &units) {
            do throws(DepacketizationError) {
                try take(payload, descriptor)
            } catch {
                picture.damage()
                throw error
            }
        }
        if marker { picture.end(into: &units) }
    }

    private mutating func take(
        _ payload: RawSpan, _ descriptor: VP9PayloadDescriptor
    ) throws(DepacketizationError) {
        if descriptor.startsFrame {
            guard !picture.hasOpenPart else { throw .malformed }
            try picture.beginPart()
            if PayloadInspector.inspect(payload, codec: .vp9).isKeyframeStart { picture.isKeyframe() }
            picture.hasPicture = true
        }
        guard picture.hasOpenPart else { throw .orphanedFragment }
        try picture.extend(payload.extracting(descriptor.size..<payload.byteCount))
        if descriptor.endsFrame { picture.endPart() }
    }
}
