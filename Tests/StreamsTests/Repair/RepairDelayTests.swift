import TestKit
import Testing
import Wire

@testable import Streams

/// How long video is to be held back so that repairs come in time (RTP-80).
@Suite struct RepairDelayTests {
    private static let limit = 500

    /// A link on which a packet is sent again `lateness` after its first sending, every so often, for ten seconds.
    private func run(
        _ delay: inout RepairDelay, lateness: Int, everyMilliseconds: UInt64, from start: UInt64 = 0,
        until end: UInt64 = 10_000
    ) {
        for time in stride(from: start, to: end, by: 10) {
            let now = Instant.milliseconds(time)
            if delay.isReviewDue(at: now) { delay.review(at: now) }
            if (time - start) % everyMilliseconds == 0 { delay.sentAgain(lateness: lateness, at: now) }
        }
    }

    @Test func repairsThatComeUnnoticedAreNoReasonToDelay() {
        var delay = RepairDelay(limitMilliseconds: Self.limit)
        run(&delay, lateness: 150, everyMilliseconds: 20)
        #expect(delay.milliseconds == 0)
    }

    /// What comes at the second try is not seen itself, but says that others will take a third one.
    @Test func secondTriesAreCoveredBeforeThirdOnesAreSeen() {
        var delay = RepairDelay(limitMilliseconds: Self.limit)
        for time in stride(from: 0, to: 10_000, by: 200) as StrideTo<UInt64> {
            delay.sentAgain(lateness: time % 4_000 == 2_000 ? 140 : 50, at: .milliseconds(time))
        }
        #expect(delay.milliseconds == 170)
    }

    @Test func lateRepairsAreCoveredWithRoomForDecoding() {
        var delay = RepairDelay(limitMilliseconds: Self.limit)
        run(&delay, lateness: 220, everyMilliseconds: 1_000)
        #expect(delay.milliseconds == 250)
    }

    @Test func theDelayIsBounded() {
        var delay = RepairDelay(limitMilliseconds: Self.limit)
        run(&delay, lateness: Self.limit + 100, everyMilliseconds: 500)
        #expect(delay.milliseconds == Self.limit)
    }

    @Test func whatNoDelayMakesUpForIsNoReasonToDelay() {
        var delay = RepairDelay(limitMilliseconds: Self.limit)
        run(&delay, lateness: Self.limit + 151, everyMilliseconds: 100)
        #expect(delay.milliseconds == 0)
    }

    /// Of requests that are lost one in fifty, which is one every quarter of a minute.
    @Test func onALinkThatLosesAllTheTimeOnePacketThatCameTooLateIsEnough() {
        var delay = RepairDelay(limitMilliseconds: Self.limit)
        var seen: [Int] = []
        for time in stride(from: 0, to: 180_000, by: 250) as StrideTo<UInt64> {
            let now = Instant.milliseconds(time)
            if delay.isReviewDue(at: now) { delay.review(at: now) }
            delay.sentAgain(lateness: time % 45_000 == 10_000 ? 160 : 50, at: now)
            if delay.milliseconds != seen.last { seen.append(delay.milliseconds) }
        }
        #expect(seen == [0, 190])
    }

    /// After a black hole everything is asked for at once, and no more afterwards.
    @Test func oneGapIsNoReasonToDelay() {
        var delay = RepairDelay(limitMilliseconds: Self.limit)
        run(&delay, lateness: 400, everyMilliseconds: 10, until: 250)
        #expect(delay.milliseconds == 0)
        // The next one comes when the first is forgotten.
        run(&delay, lateness: 400, everyMilliseconds: 100, from: 20_000, until: 20_200)
        #expect(delay.milliseconds == 0)
    }

    @Test func theDelayFallsStepByStepWhenTheLinkIsQuietAgain() {
        var delay = RepairDelay(limitMilliseconds: Self.limit)
        run(&delay, lateness: 400, everyMilliseconds: 500)
        #expect(delay.milliseconds == 430)
        var seen = [delay.milliseconds]
        for time in stride(from: 10_000 as UInt64, to: 180_000, by: 10) {
            let now = Instant.milliseconds(time)
            if delay.isReviewDue(at: now) { delay.review(at: now) }
            if delay.milliseconds != seen.last { seen.append(delay.milliseconds) }
        }
        #expect(seen == [430, 330, 230, 130, 30, 0])
    }

    @Test func theDelayFallsNoFurtherThanTheLinkAllows() {
        var delay = RepairDelay(limitMilliseconds: Self.limit)
        run(&delay, lateness: 400, everyMilliseconds: 500)
        run(&delay, lateness: 200, everyMilliseconds: 500, from: 10_000, until: 260_000)
        #expect(delay.milliseconds == 230)
    }
}
