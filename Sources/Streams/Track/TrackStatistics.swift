/// What passed through a track, copied out.
public struct TrackStatistics: Hashable, Sendable {
    public var packetsReceived: UInt64 = 0
    public var bytesReceived: UInt64 = 0
    /// Packets and bytes handed to viewers' transports and accepted by them, over all viewers.
    public var packetsSent: UInt64 = 0
    public var bytesSent: UInt64 = 0
    /// Packets a viewer did not get by decision: before its first keyframe, of another layer, padding, too late.
    public var packetsHeldBack: UInt64 = 0
    /// Packets a viewer's transport refused: no address yet, no keys, queue full.
    public var packetsRefused: UInt64 = 0
    /// Packets that did not fit into the turn's run.
    public var packetsOverflowed: UInt64 = 0
    /// Packets that were put behind the first of their keyframe once more.
    public var packetsRepeated: UInt64 = 0
    public var keyframes: UInt64 = 0
    public var keyframeRequests: UInt64 = 0
    /// Viewers that began, or began again, at a cached keyframe.
    public var fastStarts: UInt64 = 0
    /// What viewers asked for again, over all of them.
    public var repairs = RepairStatistics()

    public init() {}

    mutating func add(_ other: TrackStatistics) {
        packetsReceived &+= other.packetsReceived
        bytesReceived &+= other.bytesReceived
        packetsSent &+= other.packetsSent
        bytesSent &+= other.bytesSent
        packetsHeldBack &+= other.packetsHeldBack
        packetsRefused &+= other.packetsRefused
        packetsOverflowed &+= other.packetsOverflowed
        packetsRepeated &+= other.packetsRepeated
        keyframes &+= other.keyframes
        keyframeRequests &+= other.keyframeRequests
        fastStarts &+= other.fastStarts
    }
}
