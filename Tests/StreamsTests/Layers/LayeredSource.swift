import Codecs
import RTP
import TestKit
import Wire

/// An encoder of spatial and temporal layers in one stream, whose packets say what they refer to, so that a test can
/// tell whether what a viewer got can be decoded.
///
/// Temporal layers come as 0 2 1 2. Every fourth time layers 1 and 2 begin anew from layer 0; in between they refer to
/// themselves.
struct LayeredSource {
    enum Scheme: String, CaseIterable {
        case vp8, vp9, vp9Key, av1, av1Key

        var codec: Codec { self == .vp8 ? .vp8 : rawValue.hasPrefix("vp9") ? .vp9 : .av1 }
        var spatialLayers: Int { self == .vp8 ? 1 : 3 }
        /// Spatial layers refer to lower ones in keyframes only.
        var isKeyOnly: Bool { self == .vp9Key || self == .av1Key }
    }

    static let descriptorID: UInt8 = 5
    static let tailSize = 21

    let scheme: Scheme
    var sequenceNumber: UInt16 = 65_000
    var timestamp: UInt32 = 90_000
    var pictureID: UInt16 = 32_700
    var layerZeroIndex: UInt8 = 250
    var frameNumber: UInt16 = 65_500
    var structureOffset = 60
    /// Payload bytes of a frame, by spatial layer.
    var frameSizes = [400, 1_000, 2_400]
    private var step = 0
    private var cycle = 0
    private var nextID: UInt32 = 1
    /// The latest frame by spatial and temporal layer: its identity and its number.
    private var latest: [[(id: UInt32, number: UInt16)?]] = Array(repeating: Array(repeating: nil, count: 3), count: 3)

    init(_ scheme: Scheme) { self.scheme = scheme }

    /// One picture with all its layers, 33 ms after the last.
    mutating func picture(key: Bool = false) -> [[UInt8]] {
        timestamp &+= 2_970
        pictureID = (pictureID + 1) & 0x7FFF
        if key { (step, cycle) = (0, 0) }
        let temporal = [0, 2, 1, 2][step]
        let isSync = cycle % 4 == 0
        if temporal == 0 { layerZeroIndex &+= 1 }
        if key { latest = Array(repeating: Array(repeating: nil, count: 3), count: 3) }
        var packets: [[UInt8]] = []
        var below: (id: UInt32, number: UInt16)?
        for spatial in 0..<scheme.spatialLayers {
            frameNumber &+= 1
            var references: [(id: UInt32, number: UInt16)] = []
            var refersToOwnLayer = false
            if !key {
                let own = latest[spatial]
                switch (temporal, step) {
                case (0, _): references += [own[0]].compactMap(\.self)
                case (1, _), (2, 1):
                    references += [own[0]].compactMap(\.self)
                    if !isSync, let previous = own[temporal] {
                        references.append(previous)
                        refersToOwnLayer = true
                    }
                default:
                    references += [own[1]].compactMap(\.self)
                    refersToOwnLayer = true
                }
            }
            let dependsOnLower = spatial > 0 && (key || !scheme.isKeyOnly)
            if dependsOnLower, let below { references.append(below) }
            let frame = Frame(
                id: nextID, number: frameNumber, spatial: spatial, temporal: temporal, key: key,
                references: references, dependsOnLower: dependsOnLower,
                isSwitch: key || temporal > 0 && !refersToOwnLayer, startsSync: temporal == 0 && isSync)
            nextID += 1
            below = (frame.id, frame.number)
            latest[spatial][temporal] = below
            // What comes after a frame of layer 0 may not refer to what lies above and before it.
            packets += makePackets(frame)
        }
        step = (step + 1) % 4
        if step == 0 { cycle += 1 }
        return packets
    }

    private struct Frame {
        var id: UInt32
        var number: UInt16
        var spatial: Int
        var temporal: Int
        var key: Bool
        var references: [(id: UInt32, number: UInt16)]
        var dependsOnLower: Bool
        var isSwitch: Bool
        var startsSync: Bool
    }

    private mutating func makePackets(_ frame: Frame) -> [[UInt8]] {
        let count = 2
        return (0..<count).map { index in
            let isFirst = index == 0
            let isLast = index == count - 1
            var payload = descriptor(frame, isFirst: isFirst, isLast: isLast)
            payload += Array(repeating: 0xAB, count: max(0, frameSizes[frame.spatial] / count - payload.count))
            payload.append(bigEndian: frame.id)
            payload.append(UInt8(frame.references.count))
            for position in 0..<3 {
                payload.append(bigEndian: position < frame.references.count ? frame.references[position].id : 0)
            }
            payload += [UInt8(index), UInt8(count), UInt8(frame.spatial), UInt8(frame.temporal)]
            let isPictureEnd = isLast && frame.spatial == scheme.spatialLayers - 1
            return packet(
                payload, marker: isPictureEnd,
                extension: scheme.codec == .av1 ? dependencyDescriptor(frame, isFirst, isLast) : nil)
        }
    }

    private mutating func packet(_ payload: [UInt8], marker: Bool, extension value: [UInt8]?) -> [UInt8] {
        defer { sequenceNumber &+= 1 }
        return .written(capacity: 300 + payload.count) { output in
            RTPHeader.append(
                payloadType: 96, marker: marker, sequenceNumber: sequenceNumber, timestamp: timestamp, ssrc: 9,
                hasExtension: value != nil, to: &output)
            if let value {
                let writer = HeaderExtensionWriter(twoByte: true, to: &output)
                _ = value.withBytes { writer.append(id: Self.descriptorID, $0, to: &output) }
                writer.finish(&output)
            }
            payload.withBytes { output.append(contentsOf: $0) }
        }
    }

    private func descriptor(_ frame: Frame, isFirst: Bool, isLast: Bool) -> [UInt8] {
        switch scheme.codec {
        case .vp8:
            var bytes: [UInt8] = [isFirst ? 0x90 : 0x80, 0xE0]
            bytes.append(bigEndian: 0x8000 | pictureID)
            bytes += [layerZeroIndex, UInt8(frame.temporal) << 6 | (frame.isSwitch ? 0x20 : 0)]
            return bytes + (isFirst ? [frame.key ? 0x10 : 0x11, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01] : [])
        case .vp9:
            let hasStructure = frame.key && frame.spatial == 0 && isFirst
            var flags: UInt8 = 0xA0 | (frame.key ? 0 : 0x40) | (isFirst ? 0x08 : 0) | (isLast ? 0x04 : 0)
            if hasStructure { flags |= 0x02 }
            if scheme.isKeyOnly, !frame.key { flags |= 0x01 }
            var bytes = [flags]
            bytes.append(bigEndian: 0x8000 | pictureID)
            bytes.append(
                UInt8(frame.temporal) << 5 | (frame.isSwitch && !frame.key ? 0x10 : 0) | UInt8(frame.spatial) << 1
                    | (frame.dependsOnLower ? 1 : 0))
            bytes.append(layerZeroIndex)
            if hasStructure {
                bytes.append(2 << 5 | 0x10)
                for width in [320, 640, 1_280] as [UInt16] {
                    bytes.append(bigEndian: width)
                    bytes.append(bigEndian: width * 9 / 16)
                }
            }
            return bytes
        default:
            return [0x10 | (frame.key && frame.spatial == 0 && isFirst ? 0x08 : 0), 0x30]
        }
    }

    // MARK: dependency descriptor

    private func dependencyDescriptor(_ frame: Frame, _ isFirst: Bool, _ isLast: Bool) -> [UInt8] {
        var bits = BitWriter()
        bits.write(isFirst ? 1 : 0, 1)
        bits.write(isLast ? 1 : 0, 1)
        bits.write((structureOffset + frame.spatial * 3 + frame.temporal) & 63, 6)
        bits.write(Int(frame.number), 16)
        guard isFirst else { return bits.bytes }
        let hasStructure = frame.key && frame.spatial == 0
        for flag in [hasStructure, false, true, true, false] { bits.write(flag ? 1 : 0, 1) }
        if hasStructure { writeStructure(&bits) }
        for target in 0..<9 { bits.write(indication(frame, spatial: target / 3, temporal: target % 3), 2) }
        for reference in frame.references {
            let difference = Int(frame.number &- reference.number) - 1
            let size = difference < 16 ? 1 : difference < 256 ? 2 : 3
            bits.write(size, 2)
            bits.write(difference, 4 * size)
        }
        bits.write(0, 2)
        return bits.bytes
    }

    private func indication(_ frame: Frame, spatial: Int, temporal: Int) -> Int {
        if frame.temporal > temporal || frame.spatial > spatial { return 0 }
        if scheme.isKeyOnly, !frame.key, frame.spatial != spatial { return 0 }
        if frame.key { return 2 }
        // After a frame of layer 0 everything above it up to the next one is new only where that begins anew.
        if frame.temporal == 0, frame.startsSync || temporal == 0 { return frame.spatial == spatial ? 2 : 3 }
        return 3
    }

    /// A template for each pair of layers; what frames are to targets is told by the frames themselves.
    private func writeStructure(_ bits: inout BitWriter) {
        bits.write(structureOffset, 6)
        bits.write(8, 5)
        for template in 0..<9 { bits.write(template == 8 ? 3 : template % 3 == 2 ? 2 : 1, 2) }
        for template in 0..<9 {
            for target in 0..<9 {
                bits.write(template % 3 <= target % 3 && template / 3 <= target / 3 ? 3 : 0, 2)
            }
        }
        for _ in 0..<9 { bits.write(0, 1) }
        // No chains: ns(10) of 0.
        bits.write(0, 3)
        bits.write(1, 1)
        for width in [320, 640, 1_280] {
            bits.write(width - 1, 16)
            bits.write(width * 9 / 16 - 1, 16)
        }
    }
}

/// A frame as a viewer got it, from what its packets say of themselves.
struct ReceivedFrame {
    var id: UInt32
    var references: [UInt32]
    var spatial: Int
    var temporal: Int
    var timestamp: UInt32
    var markers: [Bool] = []
    var packets: Set<UInt8> = []
    var packetCount: UInt8
    var frameNumber: UInt16?

    static func all(in sink: FakeSink, descriptorID: UInt8) -> [ReceivedFrame] {
        var frames: [ReceivedFrame] = []
        for bytes in sink.packets {
            guard let header = bytes.withBytes({ try? RTPHeader(parsing: $0) }) else { continue }
            let tail = Array(bytes[header.payload].suffix(LayeredSource.tailSize))
            guard tail.count == LayeredSource.tailSize else { continue }
            func word(_ at: Int) -> UInt32 { tail[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) } }
            let id = word(0)
            if frames.last?.id != id {
                let references = (0..<Int(tail[4])).map { word(5 + 4 * $0) }
                var frame = ReceivedFrame(
                    id: id, references: references, spatial: Int(tail[19]), temporal: Int(tail[20]),
                    timestamp: header.timestamp, packetCount: tail[18])
                frame.frameNumber = bytes.withBytes { packet in
                    let map = HeaderExtensionMap([(.dependencyDescriptor, descriptorID)])
                    let index = HeaderExtensionIndex(header, in: packet, map: map)
                    return index[.dependencyDescriptor].flatMap { packet.integer(at: $0.lowerBound + 1) }
                }
                frames.append(frame)
            }
            frames[frames.count - 1].markers.append(header.marker)
            frames[frames.count - 1].packets.insert(tail[17])
        }
        return frames
    }
}
