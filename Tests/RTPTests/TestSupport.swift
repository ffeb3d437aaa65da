import RTP
import TestKit
import Wire

/// All packets of a datagram up to the first bad one, and whether there was one.
func parseRTCP(_ bytes: [UInt8]) -> (packets: [RTCPPacket], failed: Bool) {
    bytes.withBytes { datagram in
        var iterator = RTCPIterator()
        var packets: [RTCPPacket] = []
        do {
            while let packet = try iterator.next(in: datagram) { packets.append(packet) }
            return (packets, false)
        } catch {
            return (packets, true)
        }
    }
}

/// Runs `write` into memory of `capacity` bytes and returns what was written.
func written(capacity: Int = 2048, _ write: (inout OutputRawSpan) -> Void) -> [UInt8] {
    var batch = PacketBatch(byteCapacity: capacity, packetCapacity: 1)
    _ = batch.append(maximumSize: capacity, write)
    return batch.withPacket(at: 0) { $0.array }
}

extension Array where Element == UInt8 {
    /// The RTP header, or nil when the bytes are no RTP packet.
    var rtpHeader: RTPHeader? { withBytes { try? RTPHeader(parsing: $0) } }
}

/// A fixed header of the given first byte: marker, payload type 102, sequence 0x1234, timestamp 9.
func fixedHeader(_ first: UInt8) -> [UInt8] { [first, 0xE6, 0x12, 0x34, 0, 0, 0, 9, 0xCA, 0xFE, 0xBA, 0xBE] }

/// A packet whose extension block has the given profile and content, followed by two payload bytes.
func packet(profile: UInt16, extensions: [UInt8]) -> [UInt8] {
    var bytes = fixedHeader(0x90)
    bytes.append(bigEndian: profile)
    bytes.append(bigEndian: UInt16((extensions.count + 3) / 4))
    bytes += extensions + Array(repeating: 0, count: (4 - extensions.count % 4) % 4)
    return bytes + [0xAA, 0xBB]
}
