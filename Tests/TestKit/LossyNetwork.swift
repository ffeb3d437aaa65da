public import Wire

/// What a network does to datagrams. Probabilities are from 0 to 1.
public struct NetworkConditions: Sendable {
    public var loss = 0.0
    /// Mean length of a run of lost datagrams (Gilbert's model); 1 loses them independently of each other.
    public var burstLength = 1.0
    public var duplication = 0.0
    /// Share of datagrams that are held back by ``reorderMilliseconds`` and so overtaken.
    public var reordering = 0.0
    public var reorderMilliseconds: UInt64 = 30
    public var latencyMilliseconds: UInt64 = 10
    /// Added to the latency at random.
    public var jitterMilliseconds: UInt64 = 0
    /// Whether jitter leaves datagrams in their order, as a queue does.
    public var jitterKeepsOrder = false
    /// What the link carries; datagrams that would wait longer than ``queueMilliseconds`` for it are lost.
    public var bitsPerSecond: UInt64?
    public var queueMilliseconds: UInt64 = 200
    /// The largest datagram that passes.
    public var maximumSize: Int?
    /// Nothing passes.
    public var isBlackHole = false

    public init(loss: Double = 0) { self.loss = loss }

    public static let perfect = NetworkConditions()

    /// Everything that can happen to a datagram, at once.
    public static func bad(loss: Double) -> NetworkConditions {
        var conditions = NetworkConditions(loss: loss)
        conditions.duplication = 0.05
        conditions.reordering = 0.1
        conditions.jitterMilliseconds = 20
        return conditions
    }
}

/// Datagrams under way on virtual time; what happens to them follows from the seed.
public struct LossyNetwork<Destination> {
    private struct Passing {
        var arrives: Instant
        var order: UInt64
        var destination: Destination
        var datagram: [UInt8]

        func isBefore(_ other: Passing) -> Bool { (arrives, order) < (other.arrives, other.order) }
    }

    /// May be changed at any time; what is under way arrives as it would have.
    public var conditions: NetworkConditions
    public private(set) var sent = 0
    public private(set) var lost = 0
    /// Of the lost ones, those that the queue had no room for.
    public private(set) var overflowed = 0
    /// Of the lost ones, those larger than ``NetworkConditions/maximumSize``.
    public private(set) var tooLarge = 0
    private var random: SplitMix64
    /// A binary heap by time of arrival.
    private var passing: [Passing] = []
    private var order: UInt64 = 0
    private var isLosing = false
    private var linkIsFree = Instant(nanoseconds: 0)
    private var lastArrival = Instant(nanoseconds: 0)

    public init(_ conditions: NetworkConditions = .perfect, seed: UInt64 = 1) {
        self.conditions = conditions
        random = SplitMix64(seed: seed)
    }

    public mutating func send(_ datagram: [UInt8], to destination: Destination, at now: Instant) {
        sent += 1
        if let maximum = conditions.maximumSize, datagram.count > maximum {
            tooLarge += 1
            lost += 1
            return
        }
        guard !conditions.isBlackHole, !isLost(), let departure = departure(of: datagram.count, at: now) else {
            lost += 1
            return
        }
        for _ in 0..<(happens(conditions.duplication) ? 2 : 1) {
            var delay = conditions.latencyMilliseconds
            if conditions.jitterMilliseconds > 0 {
                delay += UInt64.random(in: 0...conditions.jitterMilliseconds, using: &random)
            }
            var arrives = departure.advanced(byMilliseconds: delay)
            if conditions.jitterKeepsOrder { arrives = max(arrives, lastArrival) }
            lastArrival = arrives
            if happens(conditions.reordering) {
                arrives = arrives.advanced(byMilliseconds: conditions.reorderMilliseconds)
            }
            order += 1
            insert(Passing(arrives: arrives, order: order, destination: destination, datagram: datagram))
        }
    }

    /// When the next datagram arrives; nil when none is under way.
    public var nextArrival: Instant? { passing.first?.arrives }

    /// The next datagram that has arrived by `now`, in order of arrival.
    public mutating func receive(at now: Instant) -> (destination: Destination, datagram: [UInt8])? {
        guard let first = passing.first, first.arrives <= now else { return nil }
        removeFirst()
        return (first.destination, first.datagram)
    }

    private mutating func isLost() -> Bool {
        guard conditions.loss > 0, conditions.burstLength > 1 else { return happens(conditions.loss) }
        // The chances to leave and to enter a run that give the share and the mean length asked for.
        let leave = 1 / conditions.burstLength
        let enter = leave * conditions.loss / (1 - conditions.loss)
        isLosing = happens(isLosing ? 1 - leave : enter)
        return isLosing
    }

    /// When the link has carried a datagram; nil when the queue before it is full.
    private mutating func departure(of size: Int, at now: Instant) -> Instant? {
        guard let rate = conditions.bitsPerSecond, rate > 0 else { return now }
        // 28 bytes of IPv4 and UDP headers.
        let done = max(now, linkIsFree).advanced(byNanoseconds: UInt64(size + 28) * 8_000_000_000 / rate)
        guard done.milliseconds(since: now) <= Int64(conditions.queueMilliseconds) else {
            overflowed += 1
            return nil
        }
        linkIsFree = done
        return done
    }

    private mutating func happens(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &random) < probability
    }

    private mutating func insert(_ item: Passing) {
        passing.append(item)
        var index = passing.count - 1
        while index > 0, passing[index].isBefore(passing[(index - 1) / 2]) {
            passing.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private mutating func removeFirst() {
        passing.swapAt(0, passing.count - 1)
        passing.removeLast()
        var index = 0
        while true {
            var smallest = index
            for child in [2 * index + 1, 2 * index + 2] where child < passing.count {
                if passing[child].isBefore(passing[smallest]) { smallest = child }
            }
            guard smallest != index else { return }
            passing.swapAt(index, smallest)
            index = smallest
        }
    }
}
