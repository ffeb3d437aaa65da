public import Wire

/// A viewer's transport that keeps what it is given. For one thread, like the loop it stands on.
public final class FakeSink: PacketSink, @unchecked Sendable {
    public private(set) var packets: [[UInt8]] = []
    public private(set) var control: [[UInt8]] = []
    /// Packets and control packets in the order they came.
    public private(set) var order: [String] = []
    /// Whether it takes packets, as a transport with keys and an address does.
    public var isOpen = true
    public private(set) var refused = 0

    public init() {}

    public func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        guard isOpen else {
            refused += 1
            return false
        }
        packets.append(.written(capacity: maximumSize) { _ = write(&$0) })
        order.append("packet")
        return true
    }

    /// What the link is said to carry for video.
    public var videoBitsPerSecond: UInt64?
    /// Whether packets can leave, as far as those who ask beforehand are told.
    public var canSend = true
    /// Whether frames are admitted.
    public var admitsFrames = true
    public var admitsKeyframesOnly = false

    /// Whether a keyframe is asked for when frames are held back.
    public var requestsKeyframes = false

    /// What it was last told that more video would take.
    public private(set) var wantedVideoBitsPerSecond: UInt64?

    public func wantsVideo(bitsPerSecond: UInt64?) { wantedVideoBitsPerSecond = bitsPerSecond }
    public func videoBitsPerSecond(at now: Instant) -> UInt64? { videoBitsPerSecond }
    public func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool {
        admitsFrames && (isKeyframe || !admitsKeyframesOnly)
    }

    public func takesKeyframeRequest(at now: Instant) -> Bool { requestsKeyframes }

    public func enqueueControl(_ packet: RawSpan) -> Bool {
        guard isOpen else { return false }
        control.append(packet.array)
        order.append("control")
        return true
    }

    public func forget() {
        packets = []
        control = []
        order = []
    }
}
