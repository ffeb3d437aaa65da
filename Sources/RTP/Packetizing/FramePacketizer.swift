import Codecs
import Wire

/// Makes the RTP payloads of access units: what a ``Depacketizer`` takes apart.
///
/// Packets of one access unit have its timestamp and follow each other. Nothing is allocated for a packet but in the memory
/// that the caller lends.
public struct FramePacketizer: Sendable {
    /// Bytes of a payload that reach everybody, whatever tunnels and extensions come to them (PAY-9).
    public static let defaultLimit = 1_200
    /// There is no room for anything behind the headers of a smaller one.
    public static let smallestLimit = 64

    public typealias Piece = PayloadSplitter.Piece

    private enum Format: Hashable, Sendable {
        case nalUnits(NALUnitPacketizer)
        case vp8
        case vp9
        case av1
        case aac
        case mpegAudio
        /// Whole frames, each in a packet.
        case opus
        case samples(bytes: Int)
    }

    private let format: Format
    private let limit: Int
    /// Of the next picture: VP8, VP9.
    private var pictureID: UInt16
    private var baseLayerIndex: UInt8 = 0

    /// - Parameters:
    ///   - limit: the largest payload.
    ///   - pictureID: of the first picture; RFC 7741 and RFC 9628 ask for a random one.
    /// - Returns: nil where no payloads can be made of the format: no packetizer for the codec, fields that the
    ///   description asks for in every packet.
    public init?(_ description: PayloadDescription, limit: Int = defaultLimit, pictureID: UInt16 = 0) {
        guard limit >= Self.smallestLimit else { return nil }
        self.limit = limit
        self.pictureID = pictureID & 0x7FFF
        let channels = max(1, description.channels)
        switch description.codec {
        case .h264: format = .nalUnits(.h264)
        case .h265:
            let difference = description.parameter("sprop-max-don-diff").flatMap { Int($0) } ?? 0
            guard difference == 0 else { return nil }
            format = .nalUnits(.h265)
        case .vp8: format = .vp8
        case .vp9: format = .vp9
        case .av1: format = .av1
        case .opus: format = .opus
        case .pcmu, .pcma, .g722: format = .samples(bytes: channels)
        case .otherAudio, .otherVideo:
            switch description.encodingName.uppercased() {
            case "MPEG4-GENERIC":
                guard let layout = AACDepacketizer.Layout(clockRate: description.clockRate, description.parameter),
                    layout.isHighBitrate
                else { return nil }
                format = .aac
            case "MPA": format = .mpegAudio
            case "PCMU", "PCMA", "L8": format = .samples(bytes: channels)
            case "L16": format = .samples(bytes: 2 * channels)
            case "L24": format = .samples(bytes: 3 * channels)
            default: return nil
            }
        }
    }

    /// Lends each payload of an access unit, in the order of their sequence numbers.
    ///
    /// - Parameters:
    ///   - scratch: memory for a payload, kept by the caller so that it need not be allocated again.
    ///   - body: is told beside the payload whether its packet has the marker, and what is to be added to the timestamp.
    /// - Returns: `false`, having lent nothing, when the access unit holds nothing that can be sent.
    @discardableResult
    public mutating func packetize(
        _ unit: AccessUnit, scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard unit.parts.allSatisfy({ $0.upperBound <= unit.bytes.count }) else { return false }
        return unit.bytes.withBytes { bytes in
            switch format {
            case .nalUnits(let packetizer): return packetizer.packetize(bytes, unit.parts, limit, &scratch, body)
            case .vp8: return packetizeVP8(bytes, unit, &scratch, body)
            case .vp9: return packetizeVP9(bytes, unit, &scratch, body)
            case .av1: return AV1Packetizer.packetize(bytes, unit, limit, &scratch, body)
            case .aac: return packetizeAAC(bytes, unit, &scratch, body)
            case .mpegAudio: return packetizeMPEGAudio(bytes, unit, &scratch, body)
            case .opus:
                guard let part = unit.parts.first, !part.isEmpty else { return false }
                // Opus has no fragments, however large a frame is.
                body(bytes.extracting(part), Piece(takesMarker: false))
                return true
            case .samples(let size):
                guard let part = unit.parts.first, !part.isEmpty, part.count % size == 0 else { return false }
                return PayloadSplitter.splitSamples(size, 1, bytes.extracting(part), limit) { payload, piece in
                    // The marker begins a talk spurt, and where sound never stops there is none.
                    body(payload, Piece(ticks: piece.ticks, takesMarker: false))
                }
            }
        }
    }

    /// RFC 7741, section 4.2: a picture id of 15 bits, no layers.
    private mutating func packetizeVP8(
        _ bytes: RawSpan, _ unit: AccessUnit, _ scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard let part = unit.parts.first, !part.isEmpty else { return false }
        let number = 0x8000 | pictureID
        pictureID = (pictureID + 1) & 0x7FFF
        let frame = bytes.extracting(part)
        return PayloadSplitter.cut(frame, from: 0, headerSize: 4, limit, &scratch, body) { output, range, _ in
            output.append(0x80 | (range.lowerBound == 0 ? 0x10 : 0))
            output.append(0x80)
            output.append(bigEndian: number)
        }
    }

    /// RFC 9628, section 4.2, in non-flexible mode: a picture id of 15 bits, with keyframes the size, and layer indices
    /// where the picture has several spatial layers.
    private mutating func packetizeVP9(
        _ bytes: RawSpan, _ unit: AccessUnit, _ scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        let layers = unit.parts.count
        guard (1...8).contains(layers), unit.parts.allSatisfy({ !$0.isEmpty }) else { return false }
        let number = 0x8000 | pictureID
        pictureID = (pictureID + 1) & 0x7FFF
        let index = baseLayerIndex
        if layers > 1 { baseLayerIndex &+= 1 }
        let first = VP9FrameHeader(parsing: bytes.extracting(unit.parts[0]))
        let isKeyframe = first?.isKeyframe ?? unit.isKeyframe
        // Sizes of several layers would have to be known before the first of them.
        let size = layers == 1 ? first?.resolution : nil
        for (layer, part) in unit.parts.enumerated() {
            let frame = bytes.extracting(part)
            let isLastLayer = layer == layers - 1
            _ = PayloadSplitter.cut(frame, from: 0, headerSize: 10, limit, &scratch) { payload, piece in
                body(payload, Piece(takesMarker: piece.takesMarker && isLastLayer))
            } header: { output, range, isLast in
                let structure = range.lowerBound == 0 && isKeyframe ? size : nil
                var flags: UInt8 = 0x80 | (isKeyframe ? 0 : 0x40) | (layers > 1 ? 0x20 : 0)
                flags |= (range.lowerBound == 0 ? 0x08 : 0) | (isLast ? 0x04 : 0)
                flags |= (structure == nil ? 0 : 0x02) | (isLastLayer ? 0x01 : 0)
                output.append(flags)
                output.append(bigEndian: number)
                if layers > 1 {
                    output.append(UInt8(layer) << 1 | (layer > 0 ? 1 : 0))
                    output.append(index)
                }
                if let structure {
                    // One layer, with its size.
                    output.append(0x10)
                    output.append(bigEndian: UInt16(clamping: structure.width))
                    output.append(bigEndian: UInt16(clamping: structure.height))
                }
            }
        }
        return true
    }

    /// RFC 3640, AAC-hbr: one access unit in a packet, or a part of one, whose header has the size of the whole (3.2.3).
    private func packetizeAAC(
        _ bytes: RawSpan, _ unit: AccessUnit, _ scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard let part = unit.parts.first, !part.isEmpty, part.count < 1 << 13 else { return false }
        let header = UInt16(part.count) << 3
        let frame = bytes.extracting(part)
        return PayloadSplitter.cut(frame, from: 0, headerSize: 4, limit, &scratch, body) { output, _, _ in
            output.append(bigEndian: UInt16(16))
            output.append(bigEndian: header)
        }
    }

    /// RFC 2250, section 3.5: one frame in a packet, or a part of one.
    private func packetizeMPEGAudio(
        _ bytes: RawSpan, _ unit: AccessUnit, _ scratch: inout [UInt8], _ body: (RawSpan, Piece) -> Void
    ) -> Bool {
        guard let part = unit.parts.first, !part.isEmpty, part.count <= 0xFFFF else { return false }
        let frame = bytes.extracting(part)
        return PayloadSplitter.cut(frame, from: 0, headerSize: 4, limit, &scratch) { payload, _ in
            body(payload, Piece(takesMarker: false))
        } header: { output, range, _ in
            output.append(bigEndian: UInt16(0))
            output.append(bigEndian: UInt16(truncatingIfNeeded: range.lowerBound))
        }
    }
}
