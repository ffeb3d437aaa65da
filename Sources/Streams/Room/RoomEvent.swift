public import Codecs
public import Wire

/// A change in a room's life, told to the room's observer in order, on the room's loop.
public enum RoomEvent: Sendable {
    case publisherStarted(PeerID, [TrackFormat])
    case publisherReplaced(old: PeerID, new: PeerID)
    case publisherStopped(PeerID, PublicationEnd)
    /// A publisher waits behind the active one.
    case standbyJoined(PeerID, [TrackFormat])
    /// A publisher that was waiting left.
    case standbyLeft(PeerID, PublicationEnd)
    /// Viewers see another publisher from now on; the one from before, when there is one still, waits.
    case publisherSwitched(from: PeerID?, to: PeerID, SwitchReason)
    /// The track has media for the first time.
    case trackAdded(TrackID, TrackFormat)
    case trackCodecChanged(TrackID, from: Codec, to: Codec)
    case viewerJoined(PeerID, viewerCount: Int)
    case viewerLeft(PeerID, viewerCount: Int)
    /// What viewers can choose from has changed: an encoding came, stopped or has another size. Bitrates alone tell nothing.
    case layersChanged([LayerDescription])
    /// A viewer gets other video layers than before (RTP-116).
    case viewerLayersChanged(PeerID, ViewerLayers)
    /// No publisher, no viewer and nothing to wait for: the room may be forgotten.
    case emptied
}

/// Why the room went over to a publisher that was waiting.
public enum SwitchReason: String, Hashable, Sendable {
    case publisherEnded = "ended"
    case publisherSilent = "silent"
    /// The primary publisher is back.
    case primaryReturned = "returned"
}

/// What a room looks like from outside, copied out.
public struct RoomSnapshot: Sendable {
    public var name: String
    public var publisher: PeerID?
    /// Publishers that wait, the primary one first.
    public var standbys: [PeerID] = []
    /// Where the publisher's media comes from; nil without one.
    public var origin: String?
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
    /// As many backup publishers wait as the room lets wait.
    case tooManyBackups(limit: Int)
    case closed
}
