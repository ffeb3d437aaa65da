public import Wire

/// What a network does to datagrams. Probabilities are from 0 to 1.
public struct NetworkConditions: Sendable {
    public var loss = 0.0
    public var duplication = 0.0
    /// Share of datagrams that are held back by ``reorderMilliseconds`` and so overtaken.
    public var reordering = 0.0
    public var reorderMilliseconds: UInt64 = 30
    public var latencyMilliseconds: UInt64 = 10
    public var jitterMilliseconds: UInt64 = 0

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
    }

    public var conditions: NetworkConditions
    public private(set) var sent = 0
    public private(set) var lost = 0
    private var random: SplitMix64
    private var passing: [Passing] = []
    private var order: UInt64 = 0

    public init(_ conditions: NetworkConditions = .perfect, seed: UInt64 = 1) {
        self.conditions = conditions
        random = SplitMix64(seed: seed)
    }

    public mutating func send(_ datagram: [UInt8], to destination: Destination, at now: Instant) {
        sent += 1
        guard !happens(conditions.loss) else {
            lost += 1
            return
        }
        for _ in 0..<(happens(conditions.duplication) ? 2 : 1) {
            var delay = conditions.latencyMilliseconds
            if conditions.jitterMilliseconds > 0 {
                delay += UInt64.random(in: 0...conditions.jitterMilliseconds, using: &random)
            }
            if happens(conditions.reordering) { delay += conditions.reorderMilliseconds }
            order += 1
            passing.append(
                Passing(
                    arrives: now.advanced(byMilliseconds: delay), order: order, destination: destination,
                    datagram: datagram))
        }
    }

    /// When the next datagram arrives; nil when none is under way.
    public var nextArrival: Instant? { passing.map(\.arrives).min() }

    /// The next datagram that has arrived by `now`, in order of arrival.
    public mutating func receive(at now: Instant) -> (destination: Destination, datagram: [UInt8])? {
        let due = passing.indices.filter { passing[$0].arrives <= now }
        guard
            let next = due.min(by: {
                (passing[$0].arrives, passing[$0].order) < (passing[$1].arrives, passing[$1].order)
            })
        else { return nil }
        let found = passing.remove(at: next)
        return (found.destination, found.datagram)
    }

    private mutating func happens(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &random) < probability
    }
}
