import Codecs
import Wire

/// Cuts one payload that is too large for a datagram into several of the same format (RTSP-30).
///
/// It needs to know nothing of other packets. Fragments of H.264 and H.265 are better put together anew over packets;
/// ``OversizedPacketSplitter`` does that.
public struct PayloadSplitter: Sendable {
    enum Format: Hashable, Sendable {
        case h264
        case h265
        case vp8
        case vp9
        case av1
        case aac(AACDepacketizer.Layout)
        /// Samples of so many bytes, each a tick of the clock.
        case samples(bytes: Int, ticks: Int)
        case mpegAudio
        case mpeg4Video
        case mpeg2Video
        case jpeg
        case ac3
        /// Passed on however large it is.
        case opaque
    }

    let format: Format

    public init(_ description: PayloadDescription) {
        let channels = max(1, description.channels)
        switch description.codec {
        case .h264: format = .h264
        case .h265:
            // With order numbers in every unit, cutting would mean to number anew.
            let difference = description.parameter("sprop-max-don-diff").flatMap { Int($0) } ?? 0
            format = difference > 0 ? .opaque : .h265
        case .vp8: format = .vp8
        case .vp9: format = .vp9
        case .av1: format = .av1
        case .opus: format = .opaque
        case .pcmu, .pcma: format = .samples(bytes: channels, ticks: 1)
        // A byte is two samples, and the clock runs at half their rate.
        case .g722: format = .samples(bytes: channels, ticks: 1)
        case .otherAudio, .otherVideo:
            switch description.encodingName.uppercased() {
            case "MPEG4-GENERIC":
                let layout = AACDepacketizer.Layout(clockRate: description.clockRate, description.parameter)
                format = layout.map { .aac($0) } ?? .opaque
            case "PCMU", "PCMA", "G722", "L8": format = .samples(bytes: channels, ticks: 1)
            case "L16": format = .samples(bytes: 2 * channels, ticks: 1)
            case "L24": format = .samples(bytes: 3 * channels, ticks: 1)
            case "MPA": format = .mpegAudio
            case "MP4V-ES", "MP4A-LATM": format = .mpeg4Video
            case "MPV": format = .mpeg2Video
            case "JPEG": format = .jpeg
            case "AC3": format = .ac3
            default: format = .opaque
            }
        }
    }

    /// A piece as it goes out.
    public struct Piece: Sendable {
        /// To be added to the packet's timestamp.
        public var ticks: UInt32 = 0
        /// Whether the packet's marker belongs on it.
        public var takesMarker = false
    }

    /// Lends each piece of `payload`, none larger than `limit`.
    ///
    /// - Parameter scratch: memory for a piece, kept by the caller so that it need not be allocated again.
    /// - Returns: `false`, having lent nothing, when the payload cannot be cut.
    public func split(
        _ payload: RawSpan, limit: Int, scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard limit >= 64 else { return false }
        switch format {
        case .h264: return NALUnitSplitter.h264.split(payload, limit, &scratch, body)
        case .h265: return NALUnitSplitter.h265.split(payload, limit, &scratch, body)
        case .vp8: return splitVP8(payload, limit, &scratch, body)
        case .vp9: return splitVP9(payload, limit, &scratch, body)
        case .av1: return splitAV1(payload, limit, &scratch, body)
        case .aac(let layout): return splitAAC(layout, payload, limit, &scratch, body)
        case .samples(let bytes, let ticks): return Self.splitSamples(bytes, ticks, payload, limit, body)
        case .mpegAudio: return splitMPEGAudio(payload, limit, &scratch, body)
        case .mpeg4Video: return Self.cut(payload, from: 0, limit, &scratch, body) { _, _, _ in }
        case .mpeg2Video: return splitMPEG2(payload, limit, &scratch, body)
        case .jpeg: return splitJPEG(payload, limit, &scratch, body)
        case .ac3: return splitAC3(payload, limit, &scratch, body)
        case .opaque: return false
        }
    }

    /// Cuts what follows a header into pieces that each have a header of their own.
    ///
    /// - Parameter header: writes the header of the piece with these bytes of the payload, `true` when it is the last.
    /// - Parameter headerSize: the largest that `header` writes.
    static func cut(
        _ payload: RawSpan, from start: Int, headerSize: Int = 0, _ limit: Int, _ scratch: inout [UInt8],
        _ body: (RawSpan, Piece) -> Void, header: (inout [UInt8], Range<Int>, Bool) -> Void
    ) -> Bool {
        guard start < payload.byteCount, headerSize < limit else { return false }
        var offset = start
        while offset < payload.byteCount {
            let end = min(payload.byteCount, offset + limit - headerSize)
            let isLast = end == payload.byteCount
            scratch.removeAll(keepingCapacity: true)
            header(&scratch, offset..<end, isLast)
            scratch.append(contentsOf: payload.extracting(offset..<end))
            scratch.withBytes { body($0, Piece(takesMarker: isLast)) }
            offset = end
        }
        return true
    }
}
