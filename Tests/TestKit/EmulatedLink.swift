import RTP
public import Wire

/// A link of some capacity and delay with a drop-tail queue on virtual time, and behind it a viewer that gives
/// transport-wide feedback.
public struct EmulatedLink {
    public struct Delivery: Sendable {
        /// The transport-wide number; nil when the packet carries none.
        public var number: UInt16?
        public var packetClass: PacketClass
        public var sent: Instant
        public var arrived: Instant
        /// The start of the packet: its header, and what tells keyframes.
        public var head: [UInt8]
    }

    /// May be changed at any time; what is in the queue already leaves as it was.
    public var bitsPerSecond: Double
    public var randomLoss = 0.0
    /// Mean length of a run of lost packets (Gilbert's model); 1 loses them independently of each other.
    public var burstLength = 1.0
    private var isLosing = false
    private let delayNanoseconds: UInt64
    private let queueNanoseconds: Double
    private var random: SplitMix64
    /// When the link has sent what is in its queue.
    private var free = Instant(nanoseconds: 0)
    private var underway: [Delivery] = []
    private var feedback = TransportWideFeedback(intervalMilliseconds: 50)
    private var returning: [(at: Instant, bytes: [UInt8])] = []

    public private(set) var delivered: [Delivery] = []
    public private(set) var queueDelays: [(at: Instant, milliseconds: Double)] = []
    public private(set) var dropped: [(packetClass: PacketClass, at: Instant)] = []

    public init(
        bitsPerSecond: Double, delayMilliseconds: UInt64 = 25, queueMilliseconds: Double = 200, seed: UInt64 = 1
    ) {
        self.bitsPerSecond = bitsPerSecond
        delayNanoseconds = delayMilliseconds * 1_000_000
        queueNanoseconds = queueMilliseconds * 1e6
        random = SplitMix64(seed: seed)
    }

    public mutating func send(
        _ packetClass: PacketClass, number: UInt16?, byteCount: Int, head: [UInt8] = [], at now: Instant
    ) {
        let waiting = max(free.nanoseconds(since: now), 0)
        guard Double(waiting) <= queueNanoseconds, !isLost() else {
            dropped.append((packetClass, now))
            return
        }
        queueDelays.append((now, Double(waiting) / 1e6))
        free = max(free, now).advanced(byNanoseconds: UInt64(Double(byteCount) * 8e9 / bitsPerSecond))
        underway.append(
            Delivery(
                number: number, packetClass: packetClass, sent: now,
                arrived: free.advanced(byNanoseconds: delayNanoseconds), head: head))
    }

    private mutating func isLost() -> Bool {
        let dice = Double.random(in: 0..<1, using: &random)
        guard burstLength > 1, randomLoss > 0 else { return dice < randomLoss }
        // The chances to enter and to leave a run that give the share and the mean length asked for.
        let leave = 1 / burstLength
        isLosing = dice < (isLosing ? 1 - leave : leave * randomLoss / (1 - randomLoss))
        return isLosing
    }

    /// Moves on to `now`: what arrived is acknowledged, and feedback that is back goes to `body`, as RTCP.
    public mutating func advance(to now: Instant, _ body: ([UInt8]) -> Void) {
        var count = 0
        while count < underway.count, underway[count].arrived <= now {
            if let number = underway[count].number { feedback.received(number, at: underway[count].arrived) }
            delivered.append(underway[count])
            count += 1
        }
        underway.removeFirst(count)
        if let deadline = feedback.nextDeadline, deadline <= now {
            var bytes: [UInt8] = []
            feedback.append(sender: 1, media: 2, to: &bytes)
            returning.append((now.advanced(byNanoseconds: delayNanoseconds), bytes))
        }
        while let first = returning.first, first.at <= now {
            returning.removeFirst()
            body(first.bytes)
        }
    }

    /// The delay in the queue that a share of the packets sent after `start` stayed below, in milliseconds.
    public func queueDelay(percentile: Double, after start: Instant) -> Double {
        let sorted = queueDelays.filter { $0.at >= start }.map(\.milliseconds).sorted()
        guard !sorted.isEmpty else { return 0 }
        return sorted[min(Int(Double(sorted.count) * percentile), sorted.count - 1)]
    }

    /// The longest time between two audio packets arriving, in milliseconds.
    public var longestAudioGap: Double {
        let arrivals = delivered.filter { $0.packetClass == .audio }.map(\.arrived)
        return zip(arrivals, arrivals.dropFirst()).map { Double($1.nanoseconds(since: $0)) / 1e6 }.max() ?? .infinity
    }
}
