import RTP
import TestKit
import Wire

/// What a packet of a ``Camera`` says about its picture, whatever numbers it was given on its way.
struct PictureMark: Hashable {
    static let size = 16

    /// Which publication it came from.
    var generation: UInt32
    /// Counts the pictures of the publication.
    var picture: UInt32
    /// Counts the packets of the picture, and how many there are.
    var index: UInt16
    var count: UInt16
    var isKeyframe: Bool

    init(generation: UInt32, picture: UInt32, index: Int, count: Int, isKeyframe: Bool) {
        self.generation = generation
        self.picture = picture
        self.index = UInt16(index)
        self.count = UInt16(count)
        self.isKeyframe = isKeyframe
    }

    /// Reads the mark at the end of a packet; nil when there is none.
    init?(_ packet: [UInt8]) {
        guard packet.count >= 12 + Self.size, packet[packet.count - 1] == 0x5A else { return nil }
        let start = packet.count - Self.size
        func number(_ offset: Int, _ size: Int) -> UInt32 {
            packet[start + offset..<start + offset + size].reduce(0) { $0 << 8 | UInt32($1) }
        }
        generation = number(0, 4)
        picture = number(4, 4)
        index = UInt16(number(8, 2))
        count = UInt16(number(10, 2))
        isKeyframe = number(12, 1) == 1
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: generation)
        bytes.append(bigEndian: picture)
        bytes.append(bigEndian: index)
        bytes.append(bigEndian: count)
        return bytes + [isKeyframe ? 1 : 0, 0, 0, 0x5A]
    }
}

/// An encoder of VP8 at a constant bitrate: each picture depends on the one before it, keyframes are several times as
/// large and come when asked for.
struct Camera {
    static let keyframeFactor = 5

    var largestPayload = 1_000
    var ssrc: UInt32
    var bitsPerSecond: Int
    var framesPerSecond: Int
    var generation: UInt32
    var sequenceNumber: UInt16
    var timestamp: UInt32
    var width: UInt16 = 640
    var height: UInt16 = 360
    var wantsKeyframe = true
    private(set) var pictures: UInt32 = 0
    private(set) var keyframes = 0
    private var pictureID: UInt16
    private var layerZeroIndex: UInt8 = 3
    private var keyIndex: UInt8 = 1

    init(
        ssrc: UInt32, bitsPerSecond: Int = 1_200_000, framesPerSecond: Int = 30, generation: UInt32 = 1,
        sequenceNumber: UInt16 = 65_000, timestamp: UInt32 = 0xFFFF_0000, pictureID: UInt16 = 32_700
    ) {
        self.ssrc = ssrc
        self.bitsPerSecond = bitsPerSecond
        self.framesPerSecond = framesPerSecond
        self.generation = generation
        self.sequenceNumber = sequenceNumber
        self.timestamp = timestamp
        self.pictureID = pictureID
    }

    /// The packets of the next picture.
    mutating func next() -> [[UInt8]] {
        let isKeyframe = wantsKeyframe
        wantsKeyframe = false
        timestamp &+= UInt32(90_000 / framesPerSecond)
        pictureID = (pictureID + 1) & 0x7FFF
        layerZeroIndex &+= 1
        if isKeyframe {
            keyframes += 1
            keyIndex = (keyIndex + 1) & 31
        }
        defer { pictures += 1 }
        let bytes = bitsPerSecond / 8 / framesPerSecond * (isKeyframe ? Self.keyframeFactor : 1)
        let count = max(1, (bytes + largestPayload - 1) / largestPayload)
        let size = max(bytes / count, 40)
        return (0..<count).map { index in
            let mark = PictureMark(
                generation: generation, picture: pictures, index: index, count: count, isKeyframe: isKeyframe)
            return packet(mark, size: size)
        }
    }

    /// A packet with nothing but padding, as senders probe their link with.
    mutating func padding() -> [UInt8] {
        defer { sequenceNumber &+= 1 }
        var packet = [UInt8].written(capacity: 12) { output in
            RTPHeader.append(
                payloadType: 96, marker: false, sequenceNumber: sequenceNumber, timestamp: timestamp, ssrc: ssrc,
                hasExtension: false, to: &output)
        }
        packet[0] |= 0x20
        return packet + [UInt8](repeating: 0, count: 19) + [20]
    }

    private mutating func packet(_ mark: PictureMark, size: Int) -> [UInt8] {
        let isFirst = mark.index == 0
        var payload: [UInt8] = [isFirst ? 0x90 : 0x80, 0xF0]
        payload.append(bigEndian: 0x8000 | pictureID)
        payload += [layerZeroIndex, keyIndex]
        if isFirst {
            payload += [mark.isKeyframe ? 0x10 : 0x11, 0, 0]
            if mark.isKeyframe {
                payload += [0x9D, 0x01, 0x2A]
                for side in [width, height] { payload += [UInt8(side & 0xFF), UInt8(side >> 8)] }
            }
        }
        payload += Array(repeating: UInt8(truncatingIfNeeded: sequenceNumber), count: max(0, size - payload.count - 16))
        payload += mark.bytes
        defer { sequenceNumber &+= 1 }
        return .written(capacity: 12 + payload.count) { output in
            RTPHeader.append(
                payloadType: 96, marker: mark.index + 1 == mark.count, sequenceNumber: sequenceNumber,
                timestamp: timestamp, ssrc: ssrc, hasExtension: false, to: &output)
            payload.withBytes { output.append(contentsOf: $0) }
        }
    }
}

/// Sound in packets of 20 ms that say which one they are.
struct Microphone {
    var ssrc: UInt32
    var generation: UInt32 = 1
    var sequenceNumber: UInt16 = 65_100
    var timestamp: UInt32 = 0xFFFF_F000
    private(set) var packets: UInt32 = 0

    init(ssrc: UInt32) { self.ssrc = ssrc }

    mutating func next() -> [UInt8] {
        let mark = PictureMark(generation: generation, picture: packets, index: 0, count: 1, isKeyframe: false)
        let payload = [UInt8](repeating: 0xFC, count: 100) + mark.bytes
        defer {
            packets += 1
            sequenceNumber &+= 1
            timestamp &+= 960
        }
        return .written(capacity: 12 + payload.count) { output in
            RTPHeader.append(
                payloadType: 111, marker: false, sequenceNumber: sequenceNumber, timestamp: timestamp, ssrc: ssrc,
                hasExtension: false, to: &output)
            payload.withBytes { output.append(contentsOf: $0) }
        }
    }
}
