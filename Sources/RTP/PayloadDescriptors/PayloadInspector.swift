public import Codecs
import Wire

/// Reads what forwarding needs from the payload of one packet, whatever its codec.
///
/// For the packet path: no allocation, and junk is ``PayloadSummary/unknown``.
public enum PayloadInspector {
    /// - Parameter payload: without padding; after RTX its original sequence number must be gone.
    public static func inspect(_ payload: RawSpan, codec: Codec) -> PayloadSummary {
        switch codec {
        case .h264: h264(payload)
        case .h265: h265(payload)
        case .vp8: vp8(payload)
        case .vp9: vp9(payload)
        case .av1: av1(payload)
        case .opus, .pcmu, .pcma, .g722, .otherAudio, .otherVideo: audio(payload)
        }
    }

    /// Every packet of these codecs is a frame of its own.
    private static func audio(_ payload: RawSpan) -> PayloadSummary {
        guard !payload.isEmpty else { return .unknown }
        var summary = PayloadSummary()
        summary.startsFrame = true
        summary.isKeyframeStart = true
        return summary
    }

    private static func vp8(_ payload: RawSpan) -> PayloadSummary {
        guard let descriptor = try? VP8PayloadDescriptor(parsing: payload) else { return .unknown }
        var summary = PayloadSummary()
        summary.startsFrame = descriptor.startsFrame
        summary.isKeyframeStart = descriptor.startsKeyframe
        summary.isDiscardable = descriptor.isNonReference
        summary.isSwitchingPoint = descriptor.isLayerSync
        summary.temporalLayer = descriptor.temporalLayer
        if descriptor.startsKeyframe {
            let frame = payload.extracting(descriptor.size..<payload.byteCount)
            summary.resolution = VP8FrameHeader(parsing: frame)?.resolution
        }
        return summary
    }

    private static func vp9(_ payload: RawSpan) -> PayloadSummary {
        guard let descriptor = try? VP9PayloadDescriptor(parsing: payload) else { return .unknown }
        var summary = PayloadSummary()
        summary.startsFrame = descriptor.startsFrame
        summary.isKeyframeStart = descriptor.startsKeyframe
        summary.endsFrame = descriptor.endsFrame
        summary.isIndependent = !descriptor.isInterPicturePredicted
        summary.hasScalabilityStructure = descriptor.hasScalabilityStructure
        summary.isSwitchingPoint = descriptor.isSwitchingPoint
        summary.temporalLayer = descriptor.temporalLayer
        summary.spatialLayer = descriptor.spatialLayer
        summary.resolution = descriptor.resolution
        if descriptor.startsKeyframe {
            let frame = VP9FrameHeader(parsing: payload.extracting(descriptor.size..<payload.byteCount))
            summary.resolution = summary.resolution ?? frame?.resolution
            // FFmpeg sends neither picture ids nor the P bit, so there the frame itself must tell.
            if descriptor.pictureID == nil, let frame { summary.isKeyframeStart = frame.isKeyframe }
        }
        return summary
    }

    private static func av1(_ payload: RawSpan) -> PayloadSummary {
        guard let header = try? AV1AggregationHeader(parsing: payload) else { return .unknown }
        var summary = PayloadSummary()
        var elements = AV1Elements(header)
        var isContinuation = header.continuesUnit
        while let element = elements.next(in: payload) {
            defer { isContinuation = false }
            guard !isContinuation, !element.isEmpty else { continue }
            let unit = payload.extracting(element)
            // The last element may be cut off before the end its size field names, so the header is all to rely on.
            guard let obu = AV1OBUHeader(parsing: unit) else { return .unknown }
            summary.temporalLayer = summary.temporalLayer ?? obu.temporalLayer
            summary.spatialLayer = summary.spatialLayer ?? obu.spatialLayer
            switch obu.type {
            case .sequenceHeader:
                summary.startsFrame = true
                summary.hasParameterSets = true
                if let whole = AV1OBU(parsing: unit, at: 0) {
                    summary.resolution = AV1SequenceHeader(parsing: unit.extracting(whole.payload))?.resolution
                }
            case .frame, .frameHeader:
                summary.startsFrame = true
                if obu.spatialLayer ?? 0 == 0, AV1FrameHeader.isKeyframe(unit, obu) { summary.isKeyframeStart = true }
            case .temporalDelimiter:
                summary.startsFrame = true
            default:
                break
            }
        }
        guard !elements.isMalformed else { return .unknown }
        if header.startsSequence { summary.isKeyframeStart = true }
        return summary
    }
}
