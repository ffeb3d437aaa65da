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
    /// What was held back lately, the latest first: a late packet may be of frames before the last of them.
    private var holds = InlineArray<4, Hold>(repeating: Hold())
    private var holdCount = 0

    /// Frames held back one after the other: from the first packet and its frame on, up to the frame that was sent again.
    private struct Hold {
        var timestamp: UInt32 = 0
        var number: UInt16 = 0
        var isOver = false
        var admittedTimestamp: UInt32 = 0
        var admittedNumber: UInt16 = 0
    }

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
            if isHolding {
                holds[0].isOver = true
                holds[0].admittedTimestamp = timestamp
                holds[0].admittedNumber = sequenceNumber
            }
            isHolding = false
        } else if !isHolding {
            isHolding = true
            for index in stride(from: holds.count - 1, to: 0, by: -1) { holds[index] = holds[index - 1] }
            holds[0] = Hold(timestamp: timestamp, number: sequenceNumber)
            holdCount = min(holdCount + 1, holds.count)
        }
        return !isHolding
    }

    /// Notes a packet that is sent without asking, so that its frame goes on when the next ones have to ask.
    mutating func passed(_ timestamp: UInt32, sequenceNumber: UInt16, isKeyframeStart: Bool) {
        guard !isLate(sequenceNumber) else { return }
        newestNumber = sequenceNumber
        guard timestamp != newest else { return }
        newest = timestamp
        newestWasKeyframe = isKeyframeStart
        lastHeld = nil
    }

    /// Whether the packet comes after later ones. One that does not, of a time before theirs, is of a source whose clock jumped.
    private func isLate(_ sequenceNumber: UInt16) -> Bool {
        newestNumber.map { $0 &- sequenceNumber < UInt16(StreamRewriter.lateLimit) } ?? false
    }

    private func wasHeld(_ timestamp: UInt32, _ sequenceNumber: UInt16) -> Bool {
        for index in 0..<holdCount {
            let hold = holds[index]
            if hold.isOver {
                // Of the frame that was sent again something may come last that stands first, like parameter sets.
                guard timestamp != hold.admittedTimestamp, sequenceNumber.isBefore(hold.admittedNumber) else {
                    return false
                }
            }
            if timestamp == hold.timestamp || !sequenceNumber.isBefore(hold.number) { return true }
        }
        return false
    }
}
