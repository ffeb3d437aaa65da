import RTP
import TestKit
import Wire

/// An encoder of VP8 as publishers send it: numbers of its own, several packets to a frame.
struct VideoSource {
    var ssrc: UInt32
    var sequenceNumber: UInt16
    var timestamp: UInt32
    var pictureID: UInt16
    var layerZeroIndex: UInt8 = 0
    var keyIndex: UInt8 = 0
    var width: UInt16 = 640
    var height: UInt16 = 360
    /// Payload bytes of each packet after the descriptor.
    var size = 40

    init(ssrc: UInt32, sequenceNumber: UInt16 = 1_000, timestamp: UInt32 = 90_000, pictureID: UInt16 = 500) {
        self.ssrc = ssrc
        self.sequenceNumber = sequenceNumber
        self.timestamp = timestamp
        self.pictureID = pictureID
    }

    /// One frame, 33 ms after the last.
    mutating func frame(key: Bool = false, packets: Int = 2, elapsedMilliseconds: UInt32 = 33) -> [[UInt8]] {
        timestamp &+= elapsedMilliseconds * 90
        pictureID = (pictureID + 1) & 0x7FFF
        layerZeroIndex &+= 1
        if key { keyIndex = (keyIndex + 1) & 31 }
        return (0..<packets).map { index in
            packet(payload(key: key, isFirst: index == 0), marker: index == packets - 1)
        }
    }

    private func payload(key: Bool, isFirst: Bool) -> [UInt8] {
        var payload: [UInt8] = [isFirst ? 0x90 : 0x80, 0xF0]
        payload.append(bigEndian: 0x8000 | pictureID)
        payload += [layerZeroIndex, keyIndex]
        if isFirst {
            payload += [key ? 0x10 : 0x11, 0, 0]
            if key {
                payload += [0x9D, 0x01, 0x2A]
                for side in [width, height] { payload += [UInt8(side & 0xFF), UInt8(side >> 8)] }
            }
        }
        return payload + (0..<size).map { UInt8(truncatingIfNeeded: Int(sequenceNumber) &* 7 &+ $0) }
    }

    mutating func padding() -> [UInt8] {
        var bytes = packet([], marker: false)
        bytes[0] |= 0x20
        return bytes + Array(repeating: 0, count: 99) + [100]
    }

    mutating func packet(_ payload: [UInt8], marker: Bool, payloadType: UInt8 = 96) -> [UInt8] {
        defer { sequenceNumber &+= 1 }
        return .written(capacity: 12 + payload.count) { output in
            RTPHeader.append(
                payloadType: payloadType, marker: marker, sequenceNumber: sequenceNumber, timestamp: timestamp,
                ssrc: ssrc, hasExtension: false, to: &output)
            payload.withBytes { output.append(contentsOf: $0) }
        }
    }
}

/// A packet a viewer got, taken apart.
struct SentPacket {
    var header: RTPHeader
    var payload: [UInt8]
    var picture: VP8PayloadDescriptor?

    init?(_ bytes: [UInt8]) {
        guard let header = bytes.withBytes({ try? RTPHeader(parsing: $0) }) else { return nil }
        self.header = header
        payload = Array(bytes[header.payload])
        picture = payload.withBytes { try? VP8PayloadDescriptor(parsing: $0) }
    }

    var isKeyframeStart: Bool { picture?.startsKeyframe == true }
}

extension FakeSink {
    var sent: [SentPacket] { packets.compactMap { SentPacket($0) } }

    /// Differences between neighbouring sequence numbers.
    var sequenceSteps: [UInt16] {
        let numbers = sent.map(\.header.sequenceNumber)
        return zip(numbers, numbers.dropFirst()).map { $1 &- $0 }
    }

    var timestampSteps: [Int32] {
        let stamps = sent.map(\.header.timestamp)
        return zip(stamps, stamps.dropFirst()).map { Int32(bitPattern: $1 &- $0) }
    }

    func reports() -> [SenderReport] {
        control.flatMap { compound in
            compound.withBytes { bytes in
                var found: [SenderReport] = []
                var packets = RTCPIterator()
                while let packet = try? packets.next(in: bytes) {
                    if case .senderReport(let report, _) = packet { found.append(report) }
                }
                return found
            }
        }
    }

    var goodbyes: Int {
        control.count { compound in
            compound.withBytes { bytes in
                var packets = RTCPIterator()
                while let packet = try? packets.next(in: bytes) {
                    if case .goodbye = packet { return true }
                }
                return false
            }
        }
    }
}
