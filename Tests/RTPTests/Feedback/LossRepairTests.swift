import RTP
import TestKit
import Testing
import Wire

@Suite struct LossRepairTests {
    private func due(_ repair: inout LossRepair, at milliseconds: UInt64) -> [UInt16] {
        var numbers: [UInt16] = []
        repair.collectDue(at: .milliseconds(milliseconds), into: &numbers)
        return numbers
    }

    private func repair(after numbers: [UInt16], at milliseconds: UInt64 = 0) -> LossRepair {
        var repair = LossRepair()
        for number in numbers { repair.received(number, at: .milliseconds(milliseconds)) }
        return repair
    }

    @Test func aGapIsAskedForAfterTheReorderTolerance() {
        var repair = repair(after: [10, 13])
        #expect(repair.nextDeadline == .milliseconds(10))
        #expect(due(&repair, at: 9).isEmpty)
        #expect(due(&repair, at: 10) == [11, 12])
    }

    @Test func overtakenPacketsAreNotAskedFor() {
        var repair = repair(after: [10, 12, 11])
        #expect(repair.nextDeadline == nil)
        #expect(due(&repair, at: 10).isEmpty)
        #expect(repair.repaired == 0)
    }

    @Test func whatCameBeforeTheFirstPacketIsNotMissed() {
        var repair = repair(after: [10, 8, 9, 7, 11])
        #expect(repair.nextDeadline == nil)
        #expect(due(&repair, at: 100).isEmpty)
    }

    @Test func numbersWrap() {
        var repair = repair(after: [65_534, 1])
        #expect(due(&repair, at: 10) == [65_535, 0])
        repair.received(0, at: .milliseconds(20))
        repair.received(65_535, at: .milliseconds(20))
        #expect(repair.repaired == 2)
        #expect(repair.nextDeadline == nil)
    }

    @Test func silenceIsAskedAgainTenTimesAtMost() throws {
        var repair = repair(after: [1, 3])
        var asked = 0
        for _ in 0..<100 {
            guard let deadline = repair.nextDeadline else { break }
            var numbers: [UInt16] = []
            repair.collectDue(at: deadline, into: &numbers)
            asked += numbers.count
        }
        #expect((2...Int(LossRepair.maximumTries)).contains(asked))
        #expect(repair.nextDeadline == nil)
        #expect(repair.givenUp == 1)
    }

    @Test func retriesFollowTheRoundTrip() throws {
        var repair = repair(after: [0])
        var now: UInt64 = 0
        for number in stride(from: UInt16(2), to: 60, by: 2) {
            repair.received(number, at: .milliseconds(now))
            #expect(due(&repair, at: now + 10) == [number - 1])
            // Answers come after 8 ms.
            repair.received(number - 1, at: .milliseconds(now + 18))
            now += 100
        }
        repair.received(62, at: .milliseconds(now))
        _ = due(&repair, at: now + 10)
        let deadline = try #require(repair.nextDeadline)
        #expect(deadline.nanoseconds(since: .milliseconds(now + 10)) <= 30_000_000)
        #expect(deadline.nanoseconds(since: .milliseconds(now + 10)) >= 20_000_000)
    }

    @Test func requestsAreBoundedAndTheRestFollows() {
        var repair = repair(after: [0, 200])
        #expect(due(&repair, at: 10) == Array(1...64))
        #expect(repair.nextDeadline == .milliseconds(10))
        #expect(due(&repair, at: 10) == Array(65...128))
    }

    @Test func tooManyLossesAreGivenUpForAKeyframe() {
        var repair = repair(after: [0, 900])
        var calls = [repair.takeOverwhelmed()]
        repair.received(1_200, at: .milliseconds(1))
        calls += [repair.takeOverwhelmed(), repair.takeOverwhelmed()]
        #expect(calls == [false, true, false])
        #expect(repair.nextDeadline == nil)
        repair.received(1_202, at: .milliseconds(2))
        #expect(due(&repair, at: 12) == [1_201])
    }

    @Test func aSourceThatRestartsIsNotAskedForItsPast() {
        var repair = repair(after: [100, 105])
        repair.restarted(at: 40_000)
        #expect(repair.nextDeadline == nil)
        repair.received(40_002, at: .milliseconds(5))
        #expect(due(&repair, at: 15) == [40_001])
    }

    /// Whatever comes in whatever order: bounded, ascending, and nothing asked for that has arrived.
    @Test(arguments: 1...20)
    func anyTrafficKeepsItsPromises(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        var repair = LossRepair()
        var arrived: Set<UInt16> = []
        var next: UInt16 = UInt16.random(in: 0...UInt16.max, using: &random)
        var broken: [String] = []
        for step in UInt64(0)..<4_000 {
            if UInt8.random(in: 0..<10, using: &random) > 1 {
                repair.received(next, at: .milliseconds(step))
                arrived.insert(next)
            } else if UInt8.random(in: 0..<4, using: &random) == 0 {
                let late = next &- UInt16.random(in: 1..<50, using: &random)
                repair.received(late, at: .milliseconds(step))
                arrived.insert(late)
            }
            next &+= UInt16.random(in: 1...2, using: &random)
            arrived.remove(next &+ 32_768)
            let numbers = due(&repair, at: step)
            if numbers.count > LossRepair.maximumPerRequest { broken.append("\(numbers.count) at once") }
            for number in numbers where arrived.contains(number) { broken.append("\(number) had come") }
            for (one, other) in zip(numbers, numbers.dropFirst()) where !(1..<32_768).contains(other &- one) {
                broken.append("\(other) after \(one)")
            }
        }
        #expect(broken.isEmpty)
        #expect(repair.repaired > 0)
    }
}
