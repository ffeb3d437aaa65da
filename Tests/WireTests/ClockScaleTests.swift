import Testing
import Wire

/// PAY-63: a day of media from one clock to another.
@Suite struct ClockScaleTests {
    struct Pair: Sendable, CustomTestStringConvertible {
        var from: UInt32
        var to: UInt32
        var testDescription: String { "\(from) to \(to)" }
    }

    private static let rates: [UInt32] = [90_000, 48_000, 44_100, 1_000, ClockScale.nanoseconds]
    static let pairs = rates.flatMap { from in rates.map { Pair(from: from, to: $0) } }
    private static let daySeconds: Int64 = 24 * 60 * 60

    /// By how many ticks of the second clock `converted` is away from `ticks` of the first, as a fraction of `from`.
    private static func error(_ converted: Int64, _ ticks: Int64, _ pair: Pair) -> Int128 {
        Int128(converted) * Int128(pair.from) - Int128(ticks) * Int128(pair.to)
    }

    /// Frames of 1,024 samples, of 20 ms and of a thirtieth of a second, each converted by itself.
    @Test(arguments: pairs) func nothingAddsUpInADay(_ pair: Pair) {
        let scale = ClockScale(from: pair.from, to: pair.to)
        for step in [1_024, Int64(pair.from) / 50, Int64(pair.from) / 30, 1_001] {
            let (count, stride) = Self.frames(step, pair)
            var previous: Int64 = -1
            var (worst, worstBack) = (Int128(0), Int64(0))
            for index in 0...count {
                let ticks = index * stride
                let converted = scale.scaled(ticks)
                if converted < previous { Issue.record("time goes back at \(ticks)") }
                previous = converted
                worst = max(worst, abs(Self.error(converted, ticks, pair)))
                worstBack = max(worstBack, abs(scale.inverse.scaled(converted) - ticks))
            }
            #expect(worst < Int128(pair.from), "less than a tick")
            // A tick of the slower clock is as exact as the way back can be.
            #expect(worstBack <= Int64(pair.from / pair.to) + 1)
        }
    }

    /// Frames in a day, and what lies between two that are looked at: each, or as many as can be looked at.
    private static func frames(_ step: Int64, _ pair: Pair) -> (count: Int64, stride: Int64) {
        let all = daySeconds * Int64(pair.from) / step
        let every = max(1, all / 20_000)
        return (all / every, step * every)
    }

    @Test(arguments: pairs) func theNearestTickIsHalfATickAwayAtMost(_ pair: Pair) {
        let scale = ClockScale(from: pair.from, to: pair.to)
        for index in -10_000...10_000 as ClosedRange<Int64> {
            let ticks = index * Int64(pair.from) * Self.daySeconds / 10_000 + index % 7
            let error = abs(Self.error(scale.nearest(ticks), ticks, pair))
            if error * 2 > Int128(pair.from) { Issue.record("\(ticks)") }
            if abs(Self.error(scale.scaled(ticks), ticks, pair)) >= Int128(pair.from) { Issue.record("\(ticks)") }
        }
    }

    /// What the test above would find: a frame of 1,024 samples at 44.1 kHz lasts 2,089.8 ticks of 90 kHz.
    @Test func stepsThatAreConvertedOneByOneDrift() {
        let scale = ClockScale(from: 44_100, to: 90_000)
        let count = Self.daySeconds * 44_100 / 1_024
        let cumulative = count * scale.scaled(1_024)
        #expect(scale.scaled(count * 1_024) - cumulative > 30 * 90_000, "more than half a minute a day")
    }

    @Test func ratesFromOutsideDoNotTrap() {
        let rates: [UInt32] = [0, 1, 2, 1 << 31, .max]
        for from in rates {
            for to in rates {
                let scale = ClockScale(from: from, to: to)
                for ticks in [.min, .min + 1, -1, 0, 1, .max] as [Int64] {
                    _ = scale.scaled(ticks)
                    _ = scale.nearest(ticks)
                }
                #expect(scale.scaled(0) == 0 && scale.nearest(0) == 0)
            }
        }
        #expect(ClockScale(from: 0, to: 0).scaled(7) == 7)
        #expect(ClockScale(from: 90_000, to: 48_000).inverse == ClockScale(from: 48_000, to: 90_000))
    }
}
