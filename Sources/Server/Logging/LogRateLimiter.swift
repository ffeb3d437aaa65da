/// Bounds how often one message may appear, whoever causes it: the first ones of each second pass, the rest are
/// counted and the count goes out with the next that passes.
///
/// Kinds are the messages themselves, which are constants of the program, so the table cannot grow without bound.
struct LogRateLimiter {
    struct Limits: Sendable {
        /// Messages of one kind per second at info and above.
        var perSecond: Int
        /// The same for debug and trace, which the operator asked for.
        var perSecondWhenVerbose: Int

        init(perSecond: Int = 10, perSecondWhenVerbose: Int = 1_000) {
            self.perSecond = perSecond
            self.perSecondWhenVerbose = perSecondWhenVerbose
        }
    }

    enum Decision: Equatable {
        case suppress
        /// Write it, and say that `suppressed` of its kind were not written before it.
        case write(suppressed: Int)
    }

    private struct Kind {
        var second: Int64
        var written: Int
        var suppressed = 0
        var level: LogLevel
    }

    let limits: Limits
    private var kinds: [String: Kind] = [:]
    private var lastSweep = Int64.min

    init(limits: Limits = Limits()) { self.limits = limits }

    mutating func decide(_ message: String, level: LogLevel, atMilliseconds now: Int64) -> Decision {
        let second = now / 1_000
        var kind = kinds[message] ?? Kind(second: second, written: 0, level: level)
        if kind.second != second {
            kind.second = second
            kind.written = 0
        }
        defer { kinds[message] = kind }
        guard kind.written < (level <= .info ? limits.perSecond : limits.perSecondWhenVerbose) else {
            kind.suppressed += 1
            return .suppress
        }
        kind.written += 1
        defer { kind.suppressed = 0 }
        return .write(suppressed: kind.suppressed)
    }

    /// Counts that no later message of their kind has reported: those of past seconds, at most once per second, or
    /// all of them when `everything` is set.
    mutating func takeOverdue(
        atMilliseconds now: Int64, everything: Bool = false
    ) -> [(message: String, level: LogLevel, suppressed: Int)] {
        let second = now / 1_000
        guard second != lastSweep || everything else { return [] }
        lastSweep = second
        var overdue: [(message: String, level: LogLevel, suppressed: Int)] = []
        for (message, kind) in kinds where kind.suppressed > 0 && (kind.second != second || everything) {
            overdue.append((message, kind.level, kind.suppressed))
            kinds[message]?.suppressed = 0
        }
        return overdue.sorted { $0.message < $1.message }
    }
}
