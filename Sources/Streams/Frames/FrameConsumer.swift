public import RTP
public import Wire

/// Somebody who takes whole frames of a track instead of its packets: a recorder, a bridge, a muxer.
public protocol FrameConsumer: AnyObject, Sendable {
    /// What follows has this format, and times of its own: the consumer has just come, or another publication feeds the
    /// track.
    func formatChanged(_ format: TrackFormat, of track: TrackID)

    /// A frame is complete. Called on the track's loop; must return at once.
    func received(_ frame: FrameAssembler.Frame, of track: TrackID)
}

/// The frames of a track, put together as long as there is somebody who takes them.
struct TrackFrames {
    private var consumers: [(id: PeerID, consumer: any FrameConsumer)] = []
    /// Made with the first consumer, gone with the last.
    private var assembler: FrameAssembler?

    var isActive: Bool { assembler != nil }
    /// nil while nobody takes frames.
    var statistics: FrameAssembler.Statistics? { assembler?.statistics }

    mutating func add(_ consumer: any FrameConsumer, _ id: PeerID, _ format: TrackFormat?, of track: TrackID) {
        consumers.append((id, consumer))
        guard let format else { return }
        if assembler == nil { assembler = FrameAssembler(format.payloadDescription) }
        consumer.formatChanged(format, of: track)
    }

    mutating func remove(_ id: PeerID) {
        consumers.removeAll { $0.id == id }
        if consumers.isEmpty { assembler = nil }
    }

    /// Another publication feeds the track.
    mutating func begin(_ format: TrackFormat, of track: TrackID) {
        guard !consumers.isEmpty else { return }
        assembler = FrameAssembler(format.payloadDescription)
        for entry in consumers { entry.consumer.formatChanged(format, of: track) }
    }

    mutating func received(
        _ packet: RawSpan, header: RTPHeader, captured: Instant, of track: TrackID, at now: Instant
    ) {
        let consumers = consumers
        assembler?.receive(packet, header: header, at: now, captured: captured) { frame in
            for entry in consumers { entry.consumer.received(frame, of: track) }
        }
    }
}

extension Track {
    /// Lets somebody take the track's frames from now on, of several encodings those of the first.
    public func addFrameConsumer(_ consumer: any FrameConsumer, _ id: PeerID) {
        frames.add(consumer, id, publication == nil ? nil : format, of: self.id)
    }

    public func removeFrameConsumer(_ id: PeerID) { frames.remove(id) }

    /// What became of packets on their way to frames; nil while nobody takes frames.
    public var frameStatistics: FrameAssembler.Statistics? { frames.statistics }
}
