import Wire

/// Whole frames or none (RTP-97): asks a viewer's transport once for each frame whether it can be sent in time, and
/// decides every packet as the frame it belongs to, also one that comes late.
struct FrameAdmission {
    /// What is further behind the newest frame is no late packet, but of a source whose clock has jumped: 5 s at 90 kHz.
    private static let lateLimit: Int32 = 450_000

    /// The timestamp of the newest frame.
    private var newest: UInt32?
    private var newestWasKeyframe = false
    /// Of the newest frame, the last packet that was held back.
    private var lastHeld: UInt16?
    /// The frames held back last: from the first of them on, up to the one that was sent again.
    private var firstHeld: UInt32?
    private var firstAdmitted: UInt32?

    /// Whether frames are held back until a keyframe.
    private(set) var isHolding = false

    /// Whether a packet of the frame at `timestamp` is to be sent.
    mutating func admits(
        _ timestamp: UInt32, sequenceNumber: UInt16, isKeyframeStart: Bool, to sink: any PacketSink, at now: Instant
    ) -> Bool {
        let isAdmitted = decide(timestamp, sequenceNumber, isKeyframeStart, sink, now)
        if !isAdmitted, timestamp == newest, lastHeld.map({ $0.isBefore(sequenceNumber) }) ?? true {
            lastHeld = sequenceNumber
        }
        return isAdmitted
    }

    private mutating func decide(
        _ timestamp: UInt32, _ sequenceNumber: UInt16, _ isKeyframeStart: Bool, _ sink: any PacketSink, _ now: Instant
    ) -> Bool {
        if let newest {
            let step = Int32(bitPattern: timestamp &- newest)
            if step < 0, step >= -Self.lateLimit { return !wasHeld(timestamp) }
            // Of a keyframe the first packets may not say yet that it is one. What follows them must not be gone already.
            let isBroken = lastHeld.map { sequenceNumber.isBefore($0) } ?? false
            if step == 0, !isHolding || newestWasKeyframe || !isKeyframeStart || isBroken { return !isHolding }
        }
        if timestamp != newest { lastHeld = nil }
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
