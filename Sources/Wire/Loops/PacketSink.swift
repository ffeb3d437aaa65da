/// What a packet is, as far as the order of sending is concerned.
@frozen public enum PacketClass: UInt8, Hashable, Sendable { case audio, video, retransmission, padding }

/// Offsets, from the start of a packet, of values that are known only when it leaves.
@frozen public struct PacketSlots: Hashable, Sendable {
    /// Of the two bytes of the transport-wide sequence number; nil when the packet carries none.
    public var transportSequenceNumber: Int?
    /// Of the three bytes of the absolute send time; nil when the packet carries none.
    public var absSendTime: Int?

    @inlinable public init() {}
}

/// Where a track's rewritten packets go: one viewer's transport.
///
/// Implementations are actors on the viewer's loop; these are their synchronous doors, to be called
/// on that loop's thread only. Numbering, encryption and pacing happen behind the door.
public protocol PacketSink: AnyObject, Sendable {
    /// Hands over one complete RTP packet of at most `maximumSize` bytes, written by `write`, which says where the
    /// sink is to fill in what is known when the packet leaves.
    ///
    /// - Returns: `false` when the packet was dropped (no selected address yet, keys missing, queue full);
    ///   the sink has counted it.
    func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool

    /// Whether packets can leave at all. While they cannot, nothing is to be numbered: numbers that nobody ever sees add up
    /// to a jump that the viewer's SRTP takes for the past. Cheap; asked once for every turn's packets.
    var canSend: Bool { get }

    /// Bits per second that the viewer's link is thought to carry for video, after its audio and what is sent again;
    /// nil when nothing is known about the link, and then nothing is to be held back. Cheap; any time.
    func videoBitsPerSecond(at now: Instant) -> UInt64?

    /// Whether the video frame that begins now can be sent in time. To be asked once for every frame, before any of
    /// its packets is numbered; after a refusal only a keyframe is admitted again.
    func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool

    /// Whether a keyframe is to be asked for now, because video was refused and there is room again. Saying yes counts
    /// as a request: the next yes comes seconds later.
    func takesKeyframeRequest(at now: Instant) -> Bool

    /// What the link would have to carry for video so that the viewer gets more of it; nil when it gets all there is.
    /// Told several times a second, for the transport to probe the link with.
    func wantsVideo(bitsPerSecond: UInt64?)

    /// Video that still waits to be sent is of no use any more: the link became so small that the viewer goes on with a
    /// keyframe of something smaller.
    func withdrawVideo()

    /// Hands over one plaintext compound RTCP packet; the sink encrypts a copy. `false` when it was dropped.
    func enqueueControl(_ packet: RawSpan) -> Bool
}

extension PacketSink {
    public var canSend: Bool { true }
    /// A link that is not probed has no use for it.
    public func wantsVideo(bitsPerSecond: UInt64?) {}
    public func takesKeyframeRequest(at now: Instant) -> Bool { false }
    /// Where nothing waits, nothing is withdrawn.
    public func withdrawVideo() {}
}
