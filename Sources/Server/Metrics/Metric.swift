internal import Synchronization

/// A number that only grows. Any thread may add to it.
public final class Counter: Sendable {
    private let total = Atomic<UInt64>(0)
    private let shards = Mutex<[CounterShard]>([])

    init() {}

    public func increment(by amount: UInt64 = 1) { total.wrappingAdd(amount, ordering: .relaxed) }

    /// A part of this counter for one loop. Counting there costs a load and a store, with no traffic between cores.
    public func makeShard() -> CounterShard {
        let shard = CounterShard()
        shards.withLock { $0.append(shard) }
        return shard
    }

    public var value: UInt64 {
        shards.withLock { shards in
            shards.reduce(total.load(ordering: .relaxed)) { $0 &+ $1.value }
        }
    }
}

/// The part of a counter that one thread alone adds to; others may read it.
public final class CounterShard: Sendable {
    private let count = Atomic<UInt64>(0)

    init() {}

    public func increment(by amount: UInt64 = 1) {
        // One writer: no other store can come between the load and the store.
        count.store(count.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    public var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A number that goes up and down. Any thread may change it.
public final class Gauge: Sendable {
    private let current = Atomic<Int>(0)

    init() {}

    public func set(_ value: Int) { current.store(value, ordering: .relaxed) }
    public func add(_ difference: Int) { current.wrappingAdd(difference, ordering: .relaxed) }
    public var value: Int { current.load(ordering: .relaxed) }
}

/// How often a value fell below each of a few bounds.
public final class Histogram: Sendable {
    /// Ascending, in the metric's base unit.
    let bounds: [Double]
    private let state: Mutex<(buckets: [UInt64], sum: Double)>

    init(bounds: [Double]) {
        self.bounds = bounds.sorted()
        state = Mutex(([UInt64](repeating: 0, count: bounds.count + 1), 0))
    }

    /// Takes a lock: for what happens per session, not per packet.
    public func observe(_ value: Double) {
        guard value.isFinite else { return }
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.buckets[index] += 1
            state.sum += value
        }
    }

    var snapshot: (buckets: [UInt64], sum: Double) { state.withLock { $0 } }
}
