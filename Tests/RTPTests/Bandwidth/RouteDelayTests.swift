import Testing

@testable import RTP

/// What is taken for a way that has become longer, and not for a queue.
@Suite struct RouteDelayTests {
    /// Packets every 10 ms from one millisecond to another.
    ///
    /// - Returns: the delays of the way that were found, in milliseconds.
    private func found(
        _ route: inout RouteDelay, from start: Int64, to end: Int64, _ delay: (_ milliseconds: Int64) -> Int64
    ) -> [Int64] {
        stride(from: start, to: end, by: 10).compactMap {
            route.received(delay: delay($0) * 1_000_000, arrival: $0 * 1_000_000).map { $0 / 1_000_000 }
        }
    }

    @Test func aDelayThatJumpedAndStaysIsTheWay() {
        var route = RouteDelay()
        #expect(found(&route, from: 0, to: 5_000) { $0 % 10 + 20 } == [])
        #expect(found(&route, from: 5_000, to: 8_000) { $0 % 10 + 120 } == [120])
        #expect(found(&route, from: 8_000, to: 20_000) { $0 % 10 + 120 } == [])
    }

    @Test func whatGrowsLittleByLittleIsAQueue() {
        var route = RouteDelay()
        #expect(found(&route, from: 0, to: 20_000) { 20 + $0 / 100 } == [])
        route.lost()
        #expect(found(&route, from: 20_000, to: 40_000) { _ in 220 } == [])
    }

    @Test func whatLosesPacketsIsAQueueUnlessLessDoesNotHelp() {
        var route = RouteDelay()
        _ = found(&route, from: 0, to: 5_000) { _ in 20 }
        for time in stride(from: 5_000, to: 8_000, by: 200) as StrideTo<Int64> {
            route.lost()
            #expect(found(&route, from: time, to: time + 200) { _ in 220 } == [])
        }
        var delays: [Int64] = []
        for time in stride(from: 8_000, to: 11_000, by: 200) as StrideTo<Int64> {
            route.lost()
            route.rateWasLowered()
            delays += found(&route, from: time, to: time + 200) { _ in 220 }
        }
        #expect(delays == [220])
    }

    @Test func aJumpThatNeverSettlesIsForgotten() {
        var route = RouteDelay()
        _ = found(&route, from: 0, to: 2_000) { _ in 20 }
        #expect(found(&route, from: 2_000, to: 22_000) { 100 + $0 / 500 * 20 } == [])
        #expect(found(&route, from: 22_000, to: 40_000) { _ in 980 } == [])
    }
}
