public import Wire

/// A change in a room's life, told to the room's observer in order, on the room's loop.
public enum RoomEvent: Sendable {
    case publisherStarted(PeerID, [TrackFormat])
    case publisherReplaced(old: PeerID, new: PeerID)
    case publisherStopped(PeerID, PublicationEnd)
    case viewerJoined(PeerID, viewerCount: Int)
    case viewerLeft(PeerID, viewerCount: Int)
    /// What viewers can choose from has changed: an encoding came, stopped or has another size. Bitrates alone tell nothing.
    case layersChanged([LayerDescription])
    /// A viewer gets other video layers than before (RTP-116).
    case viewerLayersChanged(PeerID, ViewerLayers)
    /// No publisher, no viewer and nothing to wait for: the room may be forgotten.
    case emptied
}

/// What a room looks like from outside, copied out.
public struct RoomSnapshot: Sendable {
    public var name: String
    public var publisher: PeerID?
    public var formats: [TrackFormat]
    public var viewers: [PeerID]
    public var packetsReceived: UInt64
    public var bytesReceived: UInt64
    public var packetsSent: UInt64
    public var bytesSent: UInt64
    /// Packets not forwarded, by the track's own decision (padding, old layers, before the first keyframe).
    public var packetsHeldBack: UInt64
    /// What viewers asked for again.
    public var repairs = RepairStatistics()
}

/// Why a publisher or viewer could not enter a room.
public enum RoomError: Error, Hashable, Sendable {
    /// Somebody publishes already and the room does not let publishers replace each other.
    case alreadyPublishing
    case nobodyPublishes
    case full(limit: Int)
    case closed
}
