import Codecs
import Foundation
public import RTP
import Wire

/// A file of `Tests/Vectors/RTP`: what FFmpeg's packetizers sent, beside the frames that went into them.
public struct RecordedPackets: Sendable {
    public struct Unit: Sendable {
        public var time: Int64
        public var bytes: [UInt8]
    }

    public let name: String
    public var parameters: [String: String] = [:]
    public var packets: [[UInt8]] = []
    public var units: [Unit] = []

    public init(_ name: String) throws {
        self.name = name
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(
            path: "Vectors/RTP/\(name).txt")
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            switch words[0] {
            case "parameter": parameters[words[1].lowercased()] = words.count > 2 ? words[2] : ""
            case "packet": packets.append(Self.bytes(words[1]))
            default: units.append(Unit(time: Int64(words[1]) ?? 0, bytes: Self.bytes(words[2])))
            }
        }
    }

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).map {
            UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16) ?? 0
        }
    }

    public var description: PayloadDescription {
        let encoding = parameters["encoding"] ?? ""
        let clockRate = UInt32(parameters["clock"] ?? "") ?? 90_000
        let isVideo = ["JPEG", "MP4V-ES", "MPV"].contains(encoding)
        let codec = Codec(encodingName: encoding) ?? (isVideo ? .otherVideo : .otherAudio)
        return PayloadDescription(codec: codec, encodingName: encoding, clockRate: clockRate, channels: 1) {
            [parameters] in parameters[$0]
        }
    }

    /// The parts of each unit as a depacketizer gives them.
    public var expectedParts: [[[UInt8]]] {
        units.map { unit in
            switch name {
            case "h264", "h265": Self.lengthPrefixed(unit.bytes)
            case "av1": Self.withoutSizes(unit.bytes)
            default: [unit.bytes]
            }
        }
    }

    private static func lengthPrefixed(_ bytes: [UInt8]) -> [[UInt8]] {
        var parts: [[UInt8]] = []
        var offset = 0
        while let size = bytes.withBytes({ $0.integer(at: offset, as: UInt32.self) }) {
            let start = offset + 4
            offset = start + Int(size)
            guard offset <= bytes.count else { break }
            parts.append(Array(bytes[start..<offset]))
        }
        return parts
    }

    private static func withoutSizes(_ bytes: [UInt8]) -> [[UInt8]] {
        var parts: [[UInt8]] = []
        var offset = 0
        while let obu = bytes.withBytes({ AV1OBU(parsing: $0, at: offset) }) {
            offset = obu.unit.upperBound
            guard obu.header.type != .temporalDelimiter else { continue }
            var head = Array(bytes[obu.unit.lowerBound..<obu.unit.lowerBound + obu.header.size])
            head[0] &= ~0x02
            parts.append(head + bytes[obu.payload])
        }
        return parts
    }
}

/// Gives packets to a depacketizer by way of an assembler.
public func assemble(
    _ packets: [[UInt8]], _ description: PayloadDescription, millisecondsBetween interval: UInt64 = 1
) -> (frames: [FrameAssembler.Frame], statistics: FrameAssembler.Statistics) {
    var assembler = FrameAssembler(description)
    var frames: [FrameAssembler.Frame] = []
    var now = Instant.seconds(1)
    for packet in packets {
        now = now.advanced(byMilliseconds: interval)
        packet.withBytes { bytes in
            guard let header = try? RTPHeader(parsing: bytes) else { return }
            assembler.receive(bytes, header: header, at: now) { frames.append($0) }
        }
    }
    return (frames, assembler.statistics)
}
