import Codecs
import Wire

/// How much sound a packet holds, as far as the structure of its payload tells. Allocates nothing.
///
/// A packet can be sent when its last sample has been taken, and its timestamp is that of the first: with several frames in
/// a packet, as FFmpeg fills them, most of a second lies between.
public struct SoundSpan: Sendable {
    private enum Shape: Sendable {
        case unknown
        case aac(AACDepacketizer.Layout)
        case mpegAudio
        case ac3
        /// Samples of so many bytes, all channels together.
        case linear(bytes: Int)
    }

    /// More is not believed of any packet.
    private static let largestSeconds: UInt64 = 2
    private static let samplesOfAC3: UInt64 = 1_536

    private let shape: Shape
    private let clockRate: UInt64

    /// - Parameter description: of formats whose packets hold one short frame, or say nothing about it, the span is 0.
    public init(_ description: PayloadDescription) {
        clockRate = UInt64(description.clockRate)
        let channels = max(1, description.channels)
        shape =
            switch description.codec == .otherAudio ? description.encodingName.uppercased() : "" {
            case "MPEG4-GENERIC":
                AACDepacketizer.Layout(clockRate: description.clockRate, description.parameter).map { .aac($0) }
                    ?? .unknown
            case "MPA": .mpegAudio
            case "AC3", "EAC3": .ac3
            case "L16": .linear(bytes: 2 * channels)
            case "L24": .linear(bytes: 3 * channels)
            default: .unknown
            }
    }

    /// In ticks of the RTP clock.
    public func ticks(of payload: RawSpan) -> UInt32 {
        let ticks: UInt64 =
            switch shape {
            case .unknown: 0
            case .aac(let layout): UInt64(layout.ticks(ofUnits: Int(clamping: layout.unitCount(in: payload))))
            case .mpegAudio: mpegAudioTicks(payload)
            // A whole frame, or several; a fragment belongs to one.
            case .ac3:
                payload.byteCount > 2 ? (payload[0] & 3 == 0 ? UInt64(payload[1]) : 1) * Self.samplesOfAC3 : 0
            case .linear(let size): UInt64(payload.byteCount / size)
            }
        return UInt32(truncatingIfNeeded: min(ticks, clockRate * Self.largestSeconds))
    }

    private func mpegAudioTicks(_ payload: RawSpan) -> UInt64 {
        var offset = 4
        var (samples, rate) = (Int64(0), UInt32(truncatingIfNeeded: clockRate))
        while offset < payload.byteCount,
            let header = MPEGAudioHeader(parsing: payload.extracting(offset..<payload.byteCount)), header.frameSize > 0
        {
            samples += Int64(header.samplesPerFrame)
            rate = header.sampleRate
            offset += header.frameSize
        }
        return UInt64(clamping: ClockScale(from: rate, to: UInt32(truncatingIfNeeded: clockRate)).scaled(samples))
    }
}

extension AACDepacketizer.Layout {
    /// Access units in a payload, by the size of their headers; 1 where that says nothing.
    fileprivate func unitCount(in payload: RawSpan) -> UInt64 {
        let (first, other) = (sizeLength + indexLength, sizeLength + indexDeltaLength)
        guard first > 0, other > 0, let bits = payload.integer(at: 0, as: UInt16.self), Int(bits) >= first else {
            return constantSize > 0 ? UInt64(max(1, payload.byteCount / constantSize)) : 1
        }
        return UInt64(1 + (Int(bits) - first) / other)
    }
}
