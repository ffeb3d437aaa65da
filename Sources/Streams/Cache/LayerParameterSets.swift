import RTP
import Wire

/// The parameter sets of one layer of a track, and the packet that carries them to viewers whose first keyframe came
/// without (RTP-65).
///
/// The packet has the number before the keyframe's, which in a viewer's stream nothing else takes: the viewer begins
/// with it, so everything older is passed over. It lies in the track's history like any other, and can be asked for
/// again.
struct LayerParameterSets {
    private var sets: ParameterSets
    /// The frame that has its parameter sets with it.
    private var completeFrame: (ssrc: UInt32, timestamp: UInt32)?

    /// Announced sets belong to the only layer there is; several layers have sets of their own.
    init(_ lane: PublicationLane) {
        sets = ParameterSets(
            codec: lane.format.codec, announced: lane.layerCount == 1 ? lane.parameterSets : [])
    }

    /// Takes the beginning of a keyframe, or a packet with parameter sets.
    ///
    /// - Returns: a whole packet to be put before it, of which `entry` speaks then; nil when the keyframe needs none.
    mutating func packet(before entry: inout RunEntry, _ payload: RawSpan) -> [UInt8]? {
        let header = entry.header
        if entry.summary.hasParameterSets {
            sets.note(payload)
            completeFrame = (header.ssrc, header.timestamp)
            return nil
        }
        guard entry.summary.isKeyframeStart, let payload = sets.payload,
            completeFrame?.ssrc != header.ssrc || completeFrame?.timestamp != header.timestamp
        else { return nil }
        completeFrame = (header.ssrc, header.timestamp)
        var packet: [UInt8] = [0x80, header.payloadType & 0x7F]
        packet.append(bigEndian: header.sequenceNumber &- 1)
        packet.append(bigEndian: header.timestamp)
        packet.append(bigEndian: header.ssrc)
        packet += payload
        guard let inserted = packet.withBytes({ try? RTPHeader(parsing: $0) }) else { return nil }
        entry.header = inserted
        entry.extensions = HeaderExtensionIndex()
        entry.summary.hasParameterSets = true
        entry.dependency = nil
        entry.frameNumber = nil
        entry.isInserted = true
        return packet
    }
}
