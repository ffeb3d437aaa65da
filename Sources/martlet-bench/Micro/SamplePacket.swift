import RTP
import Wire

/// A packet as a browser publishes it: header, MID and transport-wide number, a fragment of a slice.
enum SamplePacket {
    static let extensions = HeaderExtensionMap([
        (.mid, SessionOffer.midExtension), (.transportWideCC, SessionOffer.transportWideExtension),
    ])
    static let sequenceNumberOffset = 2
    private static let transportNumberOffset = 19

    static func bytes(ssrc: UInt32 = 0x0B00_0001, isKeyframe: Bool = false) -> [UInt8] {
        var batch = PacketBatch(byteCapacity: 2_000, packetCapacity: 1)
        _ = batch.append(maximumSize: SyntheticMedia.packetSize) { output in
            RTPHeader.append(
                payloadType: SessionOffer.videoPayloadType, marker: false, sequenceNumber: 0, timestamp: 0, ssrc: ssrc,
                hasExtension: true, to: &output)
            output.append(bigEndian: UInt16(0xBEDE))
            output.append(bigEndian: UInt16(2))
            output.append(SessionOffer.midExtension << 4)
            output.append(UInt8(ascii: "1"))
            output.append(SessionOffer.transportWideExtension << 4 | 1)
            output.append(bigEndian: UInt16(0))
            for _ in 0..<3 { output.append(0) }
            SyntheticMedia.appendFragment(
                counter: 0, size: SyntheticMedia.packetSize - output.byteCount, isKeyframe: isKeyframe,
                isFirst: isKeyframe, isLast: false, to: &output)
        }
        return batch.withPacket(at: 0) { $0.array }
    }

    /// Gives the packet its place in the stream.
    static func number(_ packet: inout [UInt8], _ number: Int, timestamp: UInt32) {
        packet.set(bigEndian: UInt16(truncatingIfNeeded: number), at: sequenceNumberOffset)
        packet.set(bigEndian: timestamp, at: 4)
        packet.set(bigEndian: UInt16(truncatingIfNeeded: number), at: transportNumberOffset)
    }
}
