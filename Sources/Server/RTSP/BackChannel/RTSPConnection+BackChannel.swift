import Streams
import Wire

extension RTSPConnection {
    /// A reader sent a packet: it speaks to the room's camera, if it has set that up.
    func spoke(_ packet: RawSpan, track: Int, _ reading: RTSPReading, at now: Instant) {
        guard track == reading.offer.formats.count, let channel = reading.offer.backChannel else { return }
        guard channel.eventLoop === eventLoop else { return service.backChannels.counters.dropped.add(1) }
        guard !channel.onLoop({ $0.isOver }) else { return followCamera(reading) }
        channel.onLoop { $0.say(packet, from: peerID, at: now) }
    }

    /// The camera was lost: what it hears when it is back is the same if it still speaks the same codec.
    private func followCamera(_ reading: RTSPReading) {
        service.backChannels.counters.dropped.add(1)
        guard let channel = service.backChannels.channel(of: reading.offer.room.room),
            channel.format == reading.offer.backChannel?.format
        else { return }
        reading.offer.backChannel = channel
    }
}
