import Codecs
import RTP
import TestKit
import Wire

/// One packet of a publisher, as the audit knows it.
struct MungerPacket {
    /// Counts the pictures of the stream.
    var picture: Int
    var marker = false
    /// Whether a decoder that knows nothing can begin here.
    var isStart = false
    var spatial: UInt8 = 0
    var temporal: UInt8 = 0
    /// The last packet of its spatial layer's frame.
    var endsLayer = false
    /// Padding, or a delimiter that some viewers do without.
    var isNeedless = false
    /// Ticks since the stream began.
    var ticks: Int64
    var captured: Instant
    /// Which arrival it was of all that the room got, and in which turn; nil while it has not arrived.
    var arrival: Int?
    var turn = 0
}

/// The numbers of a picture, without wraps.
struct MungerPicture {
    var isKey: Bool
    var temporal: UInt8
    var layerZeroIndex: Int
    var keyIndex: Int
    /// The first packet.
    var first: Int
    var count = 0
}

/// All that one encoder of one publisher sent under one SSRC.
final class MungerStream {
    let id: Int
    let encoding: Int
    let ssrc: UInt32
    var packets: [MungerPacket] = []
    var pictures: [MungerPicture] = []

    init(id: Int, encoding: Int) {
        self.id = id
        self.encoding = encoding
        ssrc = UInt32(1_000 + id)
    }
}

/// Makes the packets of one stream. Each ends with the stream's number and its own, so that it is known again at a viewer.
struct MungerEncoder {
    enum Format: String, CaseIterable { case vp8, vp8Short, vp9, h264 }

    static let tailSize = 8
    static let frameTicks: Int64 = 2_970

    let format: Format
    let stream: MungerStream
    private let firstNumber: UInt16
    private let firstTimestamp: UInt32
    private let firstPictureID: Int
    private var step = 0
    private var cycle = 0
    private var layerZeroIndex: Int
    private var keyIndex: Int

    var codec: Codec {
        switch format {
        case .vp8, .vp8Short: .vp8
        case .vp9: .vp9
        case .h264: .h264
        }
    }

    init(_ format: Format, _ stream: MungerStream, _ random: inout SplitMix64) {
        self.format = format
        self.stream = stream
        firstNumber = UInt16.random(in: 0...UInt16.max, using: &random)
        firstTimestamp = UInt32.random(in: 0...UInt32.max, using: &random)
        firstPictureID = Int.random(in: 0...32_767, using: &random)
        layerZeroIndex = Int.random(in: 0...255, using: &random)
        keyIndex = Int.random(in: 0...31, using: &random)
    }

    /// The packets of the next picture, by their index in the stream.
    mutating func picture(
        key: Bool, elapsed ticks: Int64, at captured: Instant, _ random: inout SplitMix64
    ) -> [(index: Int, bytes: [UInt8])] {
        if key { (step, cycle) = (0, 0) }
        let temporal = format == .h264 ? 0 : [0, 2, 1, 2][step]
        if temporal == 0 { layerZeroIndex += 1 }
        if key { keyIndex += 1 }
        let picture = stream.pictures.count
        stream.pictures.append(
            MungerPicture(
                isKey: key, temporal: UInt8(temporal), layerZeroIndex: layerZeroIndex, keyIndex: keyIndex,
                first: stream.packets.count))
        var made: [(index: Int, bytes: [UInt8])] = []
        let spatialLayers = format == .vp9 ? 3 : 1
        for spatial in 0..<spatialLayers {
            let payloads = payloads(key, spatial, temporal, &random)
            for (position, payload) in payloads.enumerated() {
                let isLast = position == payloads.count - 1
                let index = stream.packets.count
                let marker = isLast && spatial == spatialLayers - 1
                stream.packets.append(
                    MungerPacket(
                        picture: picture, marker: marker, isStart: key && payload.isStart, spatial: UInt8(spatial),
                        temporal: UInt8(temporal), endsLayer: isLast, isNeedless: payload.isDelimiter, ticks: ticks,
                        captured: captured))
                made.append((index, packet(index, payload.bytes, marker: marker)))
            }
        }
        stream.pictures[picture].count = made.count
        step = (step + 1) % 4
        if step == 0 { cycle += 1 }
        return made
    }

    /// A packet with which the sender probes its link.
    mutating func padding(at captured: Instant) -> (index: Int, bytes: [UInt8])? {
        guard let last = stream.packets.last else { return nil }
        let index = stream.packets.count
        stream.packets.append(
            MungerPacket(picture: last.picture, isNeedless: true, ticks: last.ticks, captured: captured))
        var bytes = packet(index, [], marker: false, hasTail: false)
        bytes[0] |= 0x20
        return (index, bytes + [0, 0, 0, 4])
    }

    private func packet(_ index: Int, _ payload: [UInt8], marker: Bool, hasTail: Bool = true) -> [UInt8] {
        let info = stream.packets[index]
        return .written(capacity: 12 + payload.count + Self.tailSize) { output in
            RTPHeader.append(
                payloadType: 96, marker: marker, sequenceNumber: firstNumber &+ UInt16(truncatingIfNeeded: index),
                timestamp: firstTimestamp &+ UInt32(truncatingIfNeeded: info.ticks), ssrc: stream.ssrc,
                hasExtension: false, to: &output)
            payload.withBytes { output.append(contentsOf: $0) }
            if hasTail {
                output.append(bigEndian: UInt32(stream.id))
                output.append(bigEndian: UInt32(index))
            }
        }
    }

    private struct Payload {
        var bytes: [UInt8]
        var isStart = false
        var isDelimiter = false
    }

    private func payloads(
        _ key: Bool, _ spatial: Int, _ temporal: Int, _ random: inout SplitMix64
    ) -> [Payload] {
        let count = Int.random(in: 1...(key ? 9 : 3), using: &random)
        switch format {
        case .vp8, .vp8Short:
            return (0..<count).map { Payload(bytes: vp8(key, temporal, isFirst: $0 == 0), isStart: $0 == 0) }
        case .vp9:
            return (0..<count).map {
                let isFirst = $0 == 0
                return Payload(
                    bytes: vp9(key, spatial, temporal, isFirst: isFirst, isLast: $0 == count - 1),
                    isStart: isFirst && spatial == 0)
            }
        case .h264:
            var made: [Payload] = []
            if random.next() % 4 == 0 { made.append(Payload(bytes: [0x09, 0xF0], isDelimiter: true)) }
            // Many encoders send their sets only once.
            if key, stream.pictures.count == 1 || random.next() % 2 == 0 {
                // What every packet ends with is a unit of its own.
                made.append(Payload(bytes: parameterSets + [0, UInt8(Self.tailSize)], isStart: true))
            }
            for index in 0..<count {
                made.append(Payload(bytes: [key ? 0x65 : 0x41, index == 0 ? 0x88 : 0x48], isStart: index == 0))
            }
            return made
        }
    }

    private var parameterSets: [UInt8] {
        var sequence: [UInt8] = [0x67, 0x42, 0xC0, 0x1F]
        sequence.append(bigEndian: UInt32(stream.id))
        return [0x78, 0, UInt8(sequence.count)] + sequence + [0, 4, 0x68, 0xCE, 0x3C, 0x80]
    }

    private var pictureID: Int { firstPictureID + stream.pictures.count - 1 }

    private func vp8(_ key: Bool, _ temporal: Int, isFirst: Bool) -> [UInt8] {
        var bytes: [UInt8] = [isFirst ? 0x90 : 0x80, 0xF0]
        if format == .vp8 {
            bytes.append(bigEndian: 0x8000 | UInt16(pictureID & 0x7FFF))
        } else {
            bytes.append(UInt8(pictureID & 0x7F))
        }
        let isSync = key || temporal > 0 && cycle % 4 == 0 && step < 3
        bytes.append(UInt8(layerZeroIndex & 0xFF))
        bytes.append(UInt8(temporal) << 6 | (isSync ? 0x20 : 0) | UInt8(keyIndex & 31))
        guard isFirst else { return bytes }
        let width = UInt16(1_280 >> stream.encoding)
        bytes += [key ? 0x10 : 0x11, 0, 0]
        if key {
            bytes += [0x9D, 0x01, 0x2A]
            for side in [width, width * 9 / 16] { bytes += [UInt8(side & 0xFF), UInt8(side >> 8)] }
        }
        return bytes
    }

    private func vp9(_ key: Bool, _ spatial: Int, _ temporal: Int, isFirst: Bool, isLast: Bool) -> [UInt8] {
        let hasStructure = key && spatial == 0 && isFirst
        let isSync = temporal > 0 && cycle % 4 == 0 && step < 3
        var bytes: [UInt8] = [
            0xA0 | (key ? 0 : 0x40) | (isFirst ? 0x08 : 0) | (isLast ? 0x04 : 0) | (hasStructure ? 0x02 : 0)
        ]
        bytes.append(bigEndian: 0x8000 | UInt16(pictureID & 0x7FFF))
        bytes.append(
            UInt8(temporal) << 5 | (isSync ? 0x10 : 0) | UInt8(spatial) << 1 | (spatial > 0 ? 1 : 0))
        bytes.append(UInt8(layerZeroIndex & 0xFF))
        if hasStructure {
            bytes.append(2 << 5 | 0x10)
            for width in [320, 640, 1_280] as [UInt16] {
                bytes.append(bigEndian: width)
                bytes.append(bigEndian: width * 9 / 16)
            }
        }
        return bytes
    }
}
