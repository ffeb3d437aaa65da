/// What a packet is, as far as the order of sending is concerned.
@frozen public enum PacketClass: UInt8, Hashable, Sendable { case audio, video, retransmission, padding }

/// Where a track's rewritten packets go: one viewer's transport.
///
/// Implementations are actors on the viewer's loop; these are their synchronous doors, to be called
/// on that loop's thread only. Numbering, encryption and pacing happen behind the door.
public protocol PacketSink: AnyObject, Sendable {
    /// Hands over one complete RTP packet of at most `maximumSize` bytes, written by `write`.
    ///
    /// - Returns: `false` when the packet was dropped (no selected address yet, keys missing, queue full);
    ///   the sink has counted it.
    func enqueue(_ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> Void) -> Bool

    /// Bits per second that the viewer's link is thought to carry for video, after its audio and what is sent again;
    /// nil when nothing is known about the link, and then nothing is to be held back. Cheap; any time.
    func videoBitsPerSecond(at now: Instant) -> UInt64?

    /// Whether the video frame that begins now can be sent in time. To be asked once for every frame, before any of
    /// its packets is numbered; after a refusal only a keyframe is admitted again.
    func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool

    /// What the link would have to carry for video so that the viewer gets more of it; nil when it gets all there is.
    /// Told several times a second, for the transport to probe the link with.
    func wantsVideo(bitsPerSecond: UInt64?)

    /// Hands over one plaintext compound RTCP packet; the sink encrypts a copy. `false` when it was dropped.
    func enqueueControl(_ packet: RawSpan) -> Bool
}

extension PacketSink {
    /// A link that is not probed has no use for it.
    public func wantsVideo(bitsPerSecond: UInt64?) {}
}
