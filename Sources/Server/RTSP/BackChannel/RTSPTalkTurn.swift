import Streams
import Wire

/// Who may speak through a back channel now: whoever begins while nobody does, until silent for a while. Two voices in one
/// stream would be noise.
struct RTSPTalkTurn {
    private let silenceMilliseconds: UInt64
    private(set) var talker: PeerID?
    private var lastHeard = Instant(nanoseconds: 0)

    init(silenceMilliseconds: UInt64) { self.silenceMilliseconds = silenceMilliseconds }

    enum Outcome: Hashable { case goesOn, begins, waits }

    /// A packet of a client's came.
    mutating func heard(_ peer: PeerID, at now: Instant) -> Outcome {
        let isFree = talker == nil || now.nanoseconds(since: lastHeard) >= silenceMilliseconds * 1_000_000
        if talker == peer {
            lastHeard = now
            return .goesOn
        }
        guard isFree else { return .waits }
        talker = peer
        lastHeard = now
        return .begins
    }

    /// A client is gone, so that others need not wait.
    mutating func left(_ peer: PeerID) { if talker == peer { talker = nil } }
}

/// Makes one stream of what one talker after another sends: one source, numbers without gaps between them, and times that
/// go on by as much as has passed.
struct RTSPTalkRewriter {
    private static let headerSize = 12

    let ssrc: UInt32
    let payloadType: UInt8
    let clockRate: UInt32
    private var nextNumber: UInt16
    private var numberOffset: UInt16 = 0
    private var timestampOffset: UInt32 = 0
    private var last: (timestamp: UInt32, at: Instant)?

    init(ssrc: UInt32, payloadType: UInt8, clockRate: UInt32, firstNumber: UInt16) {
        self.ssrc = ssrc
        self.payloadType = payloadType
        self.clockRate = clockRate
        nextNumber = firstNumber
    }

    /// Whether a packet is RTP with something in it.
    static func isSpeech(_ packet: RawSpan) -> Bool {
        packet.byteCount > headerSize && packet[0] >> 6 == 2
    }

    /// The packet as the camera gets it; nil when it is no RTP.
    ///
    /// - Parameter begins: whether it is the first of another talker.
    mutating func rewrite(_ packet: RawSpan, begins: Bool, at now: Instant) -> [UInt8]? {
        guard Self.isSpeech(packet), let number: UInt16 = packet.integer(at: 2),
            let timestamp: UInt32 = packet.integer(at: 4)
        else { return nil }
        if begins {
            numberOffset = nextNumber &- number
            if let last {
                let passed = max(0, now.nanoseconds(since: last.at))
                let ticks = ClockScale(from: ClockScale.nanoseconds, to: clockRate).scaled(passed)
                timestampOffset = last.timestamp &+ UInt32(truncatingIfNeeded: max(1, ticks)) &- timestamp
            }
        }
        let own = number &+ numberOffset
        // What comes late does not move the end back.
        if own &- nextNumber < 0x8000 { nextNumber = own &+ 1 }
        let time = timestamp &+ timestampOffset
        last = (time, now)
        var bytes = packet.array
        bytes[1] = bytes[1] & 0x80 | payloadType
        bytes.set(bigEndian: own, at: 2)
        bytes.set(bigEndian: time, at: 4)
        bytes.set(bigEndian: ssrc, at: 8)
        return bytes
    }
}
