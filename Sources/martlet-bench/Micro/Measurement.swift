import CAllocationCounter
import Loop
import Wire

/// What one piece of the packet path costs, by itself.
struct Measurement: Sendable {
    var name: String
    var nanosecondsPerCall: Double
    var allocationsPerCall: Double
    /// Allocations allowed for each call. Times have no limit: machines differ and are shared.
    var limit: Double

    /// Another thread of the process may allocate meanwhile: one allocation in ten thousand calls is not this code's.
    private static let tolerance = 0.0001

    var isWithinLimit: Bool { allocationsPerCall <= limit + Self.tolerance }
}

/// Runs the micro-benchmarks and keeps what they measured.
struct Bench {
    private static let rounds = 20
    private(set) var measurements: [Measurement] = []
    private let word: String?

    /// - Parameter word: must be part of a measurement's name; nil measures everything.
    init(only word: String? = nil) { self.word = word }

    /// Times `body`, which gets the number of the call and returns something that depends on its work.
    ///
    /// The best of several rounds counts for the time, all of them for allocations.
    mutating func measure(_ name: String, calls: Int = 5_000, limit: Double = 0, _ body: (Int) -> Int) {
        if let word, !name.contains(word) { return }
        var checksum = 0
        var next = 0
        func run(_ count: Int) {
            for _ in 0..<count {
                checksum &+= body(next)
                next += 1
            }
        }
        run(calls / 4)
        var best = Double.infinity
        let allocations = allocation_count()
        for _ in 0..<Self.rounds {
            let start = MonotonicClock.now
            run(calls)
            best = min(best, Double(MonotonicClock.now.nanoseconds(since: start)) / Double(calls))
        }
        let made = allocation_count() - allocations
        consume(checksum)
        measurements.append(
            Measurement(
                name: name, nanosecondsPerCall: best, allocationsPerCall: Double(made) / Double(Self.rounds * calls),
                limit: limit))
    }
}

/// Uses a value as far as the optimiser can tell.
@inline(never) @_optimize(none)
func consume(_ value: Int) {}
