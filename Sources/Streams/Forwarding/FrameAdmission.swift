import Wire

/// Whole frames or none (RTP-97): asks a viewer's transport once for each frame whether it can be sent in time, and
/// decides every packet as the frame it belongs to, also one that comes late.
struct FrameAdmission {
    /// The timestamp of the newest frame.
    private var newest: UInt32?
    private var newestWasKeyframe = false
    /// The frames held back last: from the first of them on, up to the one that was sent again.
    private var firstHeld: UInt32?
    private var firstAdmitted: UInt32?

    /// Whether frames are held back until a keyframe.
    private(set) var isHolding = false

    /// Whether a packet of the frame at `timestamp` is to be sent.
    mutating func admits(
        _ timestamp: UInt32, isKeyframeStart: Bool, to sink: any PacketSink, at now: Instant
    ) -> Bool {
        if let newest {
            let step = Int32(bitPattern: timestamp &- newest)
            if step < 0 { return !wasHeld(timestamp) }
            // Of a keyframe the first packets may not say yet that it is one.
            if step == 0, !isHolding || newestWasKeyframe || !isKeyframeStart { return !isHolding }
        }
        newest = timestamp
        newestWasKeyframe = isKeyframeStart
        if sink.admitsFrame(isKeyframe: isKeyframeStart, at: now) {
            if isHolding { firstAdmitted = timestamp }
            isHolding = false
        } else if !isHolding {
            isHolding = true
            firstHeld = timestamp
        }
        return !isHolding
    }

    private func wasHeld(_ timestamp: UInt32) -> Bool {
        guard let firstHeld, Int32(bitPattern: timestamp &- firstHeld) >= 0 else { return false }
        guard !isHolding, let firstAdmitted else { return true }
        return Int32(bitPattern: timestamp &- firstAdmitted) < 0
    }
}
