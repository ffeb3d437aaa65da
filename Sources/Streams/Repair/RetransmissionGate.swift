import RTP
import Wire

/// Decides which of the packets a viewer asks for are sent again, and remembers what was sent to it.
///
/// However often a viewer asks, what it gets is bounded: a packet goes out again at most ``maximumTries`` times, not
/// within most of a round trip of the last time (RTP-44), not when a keyframe that the viewer asked for has replaced it
/// (RTP-45), and all of them together take at most a share of the stream's rate (RTP-47).
struct RetransmissionGate {
    /// As often as browsers ask. With three, a burst loss of 20 % leaves holes that only keyframes close: 15 % of the
    /// time frozen in the place of 4 %. What a storm of requests costs is bounded by the pause and the budget.
    static let maximumTries: UInt8 = 10
    /// Repairs of a packet are at least this far apart, and three quarters of longer round trips. Clients that do not
    /// know their round trip ask again after 100 ms; the network may bring two of their requests closer together than that.
    static let minimumPauseMilliseconds: UInt32 = 80
    /// Repairs take at most one byte for this many of the stream.
    static let streamBytesPerRepairByte = 2
    /// What has been missing for longer and is over the budget is not repaired in time; a keyframe costs less.
    static let overdueMilliseconds: UInt32 = 300
    /// A viewer that has missed a packet for longer stands still, and will soon ask for it no more.
    static let stuckMilliseconds: UInt32 = 800
    /// A request for what the viewer is known to have got is one that was on its way meanwhile, or the second of one that was
    /// lost. So long after a round trip it is one of a viewer that dropped what it got.
    static let arrivalMilliseconds: UInt32 = 500
    /// What a stream that has been whole for a while may spend at once.
    static let maximumBudget = 256 << 10
    /// What it may spend at the start, when a whole keyframe can be lost.
    static let initialBudget = 64 << 10

    /// A packet that is to be sent again, with its number.
    struct Answer: Sendable {
        var packet: PacketRecord
        var number: Int64
    }

    private var sentPackets = SentPacketMap()
    private var budget = initialBudget
    /// Packets before this number are not sent again.
    private var floor = Int64.min
    /// The viewer asked for a keyframe that it has not been sent yet.
    private var owesKeyframe = false
    private var firstNumber: Int64?
    /// Where the newest keyframe begins; nothing before it is needed to go on.
    private var newestKeyframe = Int64.min
    private var isBeyondRepair = false
    private var knownLosses = KnownLosses()
    private var isStuck = false

    private(set) var statistics = RepairStatistics()

    /// The viewer was sent a packet of `byteCount` bytes, or it waits for its turn.
    mutating func sent(
        _ packet: PacketRecord, extendedSequenceNumber number: Int64, byteCount: Int, startsKeyframe: Bool,
        waits: Bool = false, at now: Instant
    ) {
        sentPackets.sent(packet, extendedSequenceNumber: number, waits: waits, at: now)
        if firstNumber == nil { firstNumber = number }
        budget = min(Self.maximumBudget, budget + byteCount / Self.streamBytesPerRepairByte)
        guard startsKeyframe else { return }
        newestKeyframe = max(newestKeyframe, number)
        if owesKeyframe {
            owesKeyframe = false
            floor = max(floor, number)
        }
    }

    /// The viewer cannot go on without a keyframe.
    mutating func pictureLost() { owesKeyframe = true }

    /// Nothing of what was sent so far is needed any more.
    mutating func withdraw() {
        if let newest = sentPackets.newest { floor = max(floor, newest + 1) }
        knownLosses.removeAll()
    }

    /// The packet to be sent again for a viewer that misses `sequenceNumber`, with its number; nil when there is none
    /// or it is not to be sent. What was really sent is to be told to ``sentAgain(_:byteCount:at:)``.
    mutating func requested(
        _ sequenceNumber: UInt16, roundTripNanoseconds: UInt64, at now: Instant
    ) -> Answer? {
        statistics.requested &+= 1
        guard let number = sentPackets.extend(sequenceNumber), let packet = sentPackets[number] else {
            statistics.unanswerable &+= 1
            if let number = sentPackets.extend(sequenceNumber), sentPackets.isTooOld(number) { cannotRepair(number) }
            return nil
        }
        let roundTrip = UInt32(clamping: roundTripNanoseconds / 1_000_000)
        let sinceSent = packet.millisecondsSinceSent(at: now)
        let isRecent = packet.tries > 0 && sinceSent < max(Self.minimumPauseMilliseconds, roundTrip / 4 &* 3)
        let isThere = packet.hasArrived && sinceSent < Self.arrivalMilliseconds &+ min(roundTrip, 2_000)
        guard number >= floor, packet.tries < Self.maximumTries, !isRecent, !isThere else {
            statistics.suppressed &+= 1
            if packet.tries >= Self.maximumTries, !isRecent, !isThere { cannotRepair(number) }
            return nil
        }
        guard budget > 0 else {
            statistics.overBudget &+= 1
            if packet.millisecondsSinceSent(at: now) > Self.overdueMilliseconds { cannotRepair(number) }
            return nil
        }
        noteStuck(packet, number, at: now)
        knownLosses.forget(number)
        return Answer(packet: packet, number: number)
    }

    /// The viewer's feedback told of a packet.
    mutating func heard(_ news: VideoNews, at now: Instant) {
        guard let number = sentPackets.extend(news.sequenceNumber), number >= floor else { return }
        if news.hasArrived {
            sentPackets.arrived(number)
            knownLosses.forget(number)
        } else if sentPackets[number]?.hasArrived == false {
            knownLosses.lost(number, wasRepair: news.wasRepair)
        }
    }

    /// The next packet that the viewer is known to miss and should have asked for, from `index` on.
    mutating func unasked(from index: inout Int, roundTripNanoseconds: UInt64, at now: Instant) -> Answer? {
        guard !knownLosses.isEmpty, budget > 0 else { return nil }
        let number = knownLosses.next(from: &index, roundTripNanoseconds: roundTripNanoseconds, at: now) {
            guard $0 >= floor, let record = sentPackets[$0], record.tries < Self.maximumTries else { return nil }
            return record
        }
        guard let number, let packet = sentPackets[number] else { return nil }
        statistics.unasked &+= 1
        noteStuck(packet, number, at: now)
        return Answer(packet: packet, number: number)
    }

    /// Whether repairs take so little of the budget that sending each twice costs next to nothing: a repair that is lost too
    /// comes a tenth of a second later, which is seen.
    var hasPlenty: Bool { budget > Self.maximumBudget / 2 }

    /// A packet that ``requested(_:roundTripNanoseconds:at:)`` returned was sent in `byteCount` bytes.
    mutating func sentAgain(_ number: Int64, byteCount: Int, at now: Instant) {
        sentPackets.sentAgain(number, at: now)
        budget -= byteCount
        statistics.answered &+= 1
        statistics.bytesSent &+= UInt64(byteCount)
    }

    /// A packet that ``requested(_:roundTripNanoseconds:at:)`` returned is no longer in the history.
    mutating func isGone(_ number: Int64) {
        statistics.unanswerable &+= 1
        cannotRepair(number)
    }

    /// The transport did not take a packet that ``requested(_:roundTripNanoseconds:at:)`` returned.
    mutating func couldNotSend() { statistics.unanswerable &+= 1 }

    /// Whether the viewer has asked, since the last call, for a packet that it will never get: it cannot go on before
    /// the next keyframe, and browsers wait for seconds before they say so.
    mutating func takeBeyondRepair() -> Bool {
        defer { isBeyondRepair = false }
        return isBeyondRepair
    }

    /// Whether the viewer misses something, since the last call, for so long that it stands still.
    mutating func takeStuck() -> Bool {
        defer { isStuck = false }
        return isStuck
    }

    private mutating func noteStuck(_ packet: PacketRecord, _ number: Int64, at now: Instant) {
        guard !owesKeyframe, number > newestKeyframe, packet.lateness(at: now) > Self.stuckMilliseconds else { return }
        isStuck = true
    }

    private mutating func cannotRepair(_ number: Int64) {
        if let firstNumber, number >= max(firstNumber, newestKeyframe) { isBeyondRepair = true }
    }
}
