import RTP
import TestKit
import Wire

/// A link of fixed capacity and delay with a drop-tail queue, and the viewer behind it, on virtual time.
struct EmulatedLink {
    struct Delivery {
        var number: UInt16
        var packetClass: PacketClass
        var sent: Instant
        var arrived: Instant
        var tag: Int
    }

    let bitsPerSecond: Double
    let delayNanoseconds: UInt64
    let queueNanoseconds: Double
    var randomLoss = 0.0
    private var random: SplitMix64
    /// When the link has sent what is in its queue.
    private var free = Instant(nanoseconds: 0)
    private var underway: [Delivery] = []
    private var feedback = TransportWideFeedback(intervalMilliseconds: 50)
    private var returning: [(at: Instant, bytes: [UInt8])] = []

    private(set) var delivered: [Delivery] = []
    private(set) var queueDelays: [(at: Instant, milliseconds: Double)] = []
    private(set) var dropped: [(packetClass: PacketClass, at: Instant)] = []

    init(bitsPerSecond: Double, delayMilliseconds: UInt64 = 25, queueMilliseconds: Double = 200, seed: UInt64 = 1) {
        self.bitsPerSecond = bitsPerSecond
        delayNanoseconds = delayMilliseconds * 1_000_000
        queueNanoseconds = queueMilliseconds * 1e6
        random = SplitMix64(seed: seed)
    }

    mutating func send(_ packetClass: PacketClass, number: UInt16, byteCount: Int, tag: Int = 0, at now: Instant) {
        let waiting = max(free.nanoseconds(since: now), 0)
        guard Double(waiting) <= queueNanoseconds, Double.random(in: 0..<1, using: &random) >= randomLoss else {
            dropped.append((packetClass, now))
            return
        }
        queueDelays.append((now, Double(waiting) / 1e6))
        free = max(free, now).advanced(byNanoseconds: UInt64(Double(byteCount) * 8e9 / bitsPerSecond))
        underway.append(
            Delivery(
                number: number, packetClass: packetClass, sent: now,
                arrived: free.advanced(byNanoseconds: delayNanoseconds), tag: tag))
    }

    /// Moves on to `now`: what arrived is acknowledged, and feedback that is back goes to `estimator`.
    mutating func advance(to now: Instant, _ estimator: inout BandwidthEstimator) {
        var count = 0
        while count < underway.count, underway[count].arrived <= now {
            feedback.received(underway[count].number, at: underway[count].arrived)
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
            for packet in parseRTCP(first.bytes).packets {
                guard case .transportFeedback(let feedback) = packet else { continue }
                first.bytes.withBytes { estimator.received(feedback, in: $0, at: now) }
            }
        }
    }

    /// The delay in the queue that a share of the packets sent after `start` stayed below, in milliseconds.
    func queueDelay(percentile: Double, after start: Instant) -> Double {
        let sorted = queueDelays.filter { $0.at >= start }.map(\.milliseconds).sorted()
        guard !sorted.isEmpty else { return 0 }
        return sorted[min(Int(Double(sorted.count) * percentile), sorted.count - 1)]
    }
}
