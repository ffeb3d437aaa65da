import RTP
import Wire

/// Whole frames or none (RTP-97): asks a viewer's transport once for each frame whether it can be sent in time, and
/// decides every packet as the frame it belongs to, also one that comes late.
struct FrameAdmission {
    /// The timestamp of the newest frame.
    private var newest: UInt32?
    private var newestWasKeyframe = false
    private var newestNumber: UInt16?
    /// Of the newest frame, the last packet that was held back.
    private var lastHeld: UInt16?
    /// What was held back last: from the first packet and its frame on, up to the one that was sent again.
    private var firstHeld: (timestamp: UInt32, number: UInt16)?
    private var firstAdmitted: UInt16?

    /// Whether frames are held back until a keyframe.
    private(set) var isHolding = false

    /// Whether a packet of the frame at `timestamp` is to be sent.
    mutating func admits(
        _ timestamp: UInt32, sequenceNumber: UInt16, isKeyframeStart: Bool, to sink: any PacketSink, at now: Instant
    ) -> Bool {
        let isAdmitted = decide(timestamp, sequenceNumber, isKeyframeStart, sink, now)
        if !isLate(sequenceNumber) { newestNumber = sequenceNumber }
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
            if step != 0, isLate(sequenceNumber) { return !wasHeld(timestamp, sequenceNumber) }
            // Of a keyframe the first packets may not say yet that it is one. What follows them must not be gone already.
            let isBroken = lastHeld.map { sequenceNumber.isBefore($0) } ?? false
            if step == 0, !isHolding || newestWasKeyframe || !isKeyframeStart || isBroken { return !isHolding }
        }
        if timestamp != newest { lastHeld = nil }
        newest = timestamp
        newestWasKeyframe = isKeyframeStart
        if sink.admitsFrame(isKeyframe: isKeyframeStart, at: now) {
            if isHolding { firstAdmitted = sequenceNumber }
            isHolding = false
        } else if !isHolding {
            isHolding = true
            firstHeld = (timestamp, sequenceNumber)
        }
        return !isHolding
    }

    /// Whether the packet comes after later ones. One that does not, of a time before theirs, is of a source whose clock jumped.
    private func isLate(_ sequenceNumber: UInt16) -> Bool {
        newestNumber.map { $0 &- sequenceNumber < UInt16(StreamRewriter.lateLimit) } ?? false
    }

    private func wasHeld(_ timestamp: UInt32, _ sequenceNumber: UInt16) -> Bool {
        guard let firstHeld, timestamp == firstHeld.timestamp || !sequenceNumber.isBefore(firstHeld.number) else {
            return false
        }
        guard !isHolding, let firstAdmitted else { return true }
        return sequenceNumber.isBefore(firstAdmitted)
    }
}
