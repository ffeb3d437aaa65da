import RTP
import TestKit
import Testing
import Wire

@Suite struct NackGeneratorTests {
    private func asked(_ generator: inout NackGenerator, at milliseconds: UInt64) -> [UInt16] {
        var numbers: [UInt16] = []
        generator.deadlineReached(at: .milliseconds(milliseconds), into: &numbers)
        return numbers
    }

    private func receive(_ generator: inout NackGenerator, _ numbers: [UInt16], at milliseconds: UInt64) {
        for number in numbers { _ = generator.received(number, at: .milliseconds(milliseconds)) }
    }

    @Test func nothingIsAskedForFromBeforeTheFirstPacket() {
        var generator = NackGenerator()
        receive(&generator, [1000, 998, 1001], at: 0)
        #expect(generator.nextDeadline == nil)
        #expect(asked(&generator, at: 1000).isEmpty)
    }

    @Test func reorderedPacketsAreNotAskedFor() {
        var generator = NackGenerator()
        receive(&generator, [10, 13, 11, 12], at: 0)
        #expect(generator.nextDeadline == nil)
        #expect(asked(&generator, at: 50).isEmpty)
        #expect(generator.statistics == NackGenerator.Statistics())
    }

    @Test func missingPacketsAreAskedForAfterTheReorderTolerance() {
        var generator = NackGenerator()
        receive(&generator, [65534, 1], at: 100)
        #expect(generator.nextDeadline == .milliseconds(110))
        #expect(asked(&generator, at: 109).isEmpty)
        #expect(asked(&generator, at: 110) == [65535, 0])
    }

    /// N9: a link that turns packets round is asked for little, and one that loses them is asked as soon as ever.
    @Test func theToleranceFollowsHowLatePacketsComeByThemselves() {
        var generator = NackGenerator()
        for step in 0..<20 as Range<UInt16> {
            let (number, time) = (step * 2, UInt64(step) * 200)
            _ = generator.received(number, isOriginal: true, at: .milliseconds(time))
            _ = generator.received(number + 2, isOriginal: true, at: .milliseconds(time + 1))
            _ = asked(&generator, at: time + 40)
            _ = generator.received(number + 1, isOriginal: true, at: .milliseconds(time + 41))
        }
        #expect(generator.statistics.requested == 1)
        #expect(generator.statistics.late == 1)
        #expect(generator.statistics.repaired == 0)
        #expect(generator.roundTripNanoseconds == 100_000_000, "lateness is no round trip")
        // Losses alone bring it down again.
        for step in 0..<2_000 as Range<UInt16> {
            let time = 10_000 + UInt64(step) * 200
            _ = generator.received(100 + step * 2, isOriginal: true, at: .milliseconds(time))
            _ = asked(&generator, at: time + 50)
            _ = generator.received(99 + step * 2, at: .milliseconds(time + 60))
        }
        let end: UInt64 = 1_000_000
        receive(&generator, [4_100], at: end)
        #expect(asked(&generator, at: end + 12) == [4_099])
    }

    @Test func packetsAreAskedForAgainAfterARoundTrip() {
        var generator = NackGenerator()
        receive(&generator, [1, 3], at: 0)
        #expect(asked(&generator, at: 10) == [2])
        #expect(generator.nextDeadline == .milliseconds(110))
        receive(&generator, [2], at: 70)
        #expect(generator.roundTripNanoseconds == 60_000_000)
        #expect(generator.nextDeadline == nil)
        #expect(generator.statistics.repaired == 1)
        receive(&generator, [5], at: 100)
        #expect(asked(&generator, at: 110) == [4])
        #expect(generator.nextDeadline == .milliseconds(170))
    }

    @Test func shortRoundTripsDoNotMakeRequestsFrequent() {
        var generator = NackGenerator()
        receive(&generator, [1, 3], at: 0)
        #expect(asked(&generator, at: 10) == [2])
        receive(&generator, [2, 5], at: 11)
        #expect(asked(&generator, at: 21) == [4])
        #expect(generator.nextDeadline == .milliseconds(61))
    }

    @Test func aPacketThatNeverComesIsGivenUp() {
        var generator = NackGenerator()
        receive(&generator, [1, 3], at: 0)
        var requests = 0
        var now: UInt64 = 0
        while generator.nextDeadline != nil, now < 60_000 {
            now += 10
            requests += asked(&generator, at: now).count
        }
        #expect(requests == 10)
        #expect(generator.statistics.abandoned == 1)
        #expect(now < 2000)
    }

    @Test func tooManyMissingPacketsAreLeftToAKeyframe() {
        var generator = NackGenerator()
        #expect(generator.received(1, at: .milliseconds(0)) == false)
        #expect(generator.received(1002, at: .milliseconds(1)) == false)
        #expect(generator.missingCount == 1000)
        #expect(generator.received(1004, at: .milliseconds(2)) == true)
        #expect(generator.missingCount == 0)
        #expect(generator.nextDeadline == nil)
        #expect(generator.received(1006, at: .milliseconds(3)) == false)
        #expect(asked(&generator, at: 13) == [1005])
    }

    @Test func oldPacketsAreForgotten() {
        var limits = NackGenerator.Limits()
        limits.maximumAge = 100
        var generator = NackGenerator(limits: limits)
        receive(&generator, [1, 3], at: 0)
        receive(&generator, Array(4...110), at: 5)
        receive(&generator, [112], at: 6)
        #expect(asked(&generator, at: 30) == [111])
    }

    @Test func aKeyframeMakesWhatIsOlderNeedless() {
        var generator = NackGenerator()
        receive(&generator, [1, 5, 9], at: 0)
        generator.forget(before: 7)
        #expect(asked(&generator, at: 10) == [7, 8])
    }

    @Test func aRestartForgetsWhatWasMissing() {
        var generator = NackGenerator()
        receive(&generator, [1, 5], at: 0)
        generator.restart()
        receive(&generator, [40_000, 40_001], at: 5)
        #expect(asked(&generator, at: 1000).isEmpty)
    }

    @Test func oneRequestFitsADatagram() {
        var generator = NackGenerator()
        var number: UInt16 = 0
        for _ in 0..<200 {
            receive(&generator, [number], at: 0)
            number += number % 40 == 0 ? 38 : 2
        }
        let all = generator.missingCount
        var total: [UInt16] = []
        var now: UInt64 = 10
        while total.count < all, now < 100 {
            let numbers = asked(&generator, at: now)
            var bytes: [UInt8] = []
            RTCPWriter.appendNegativeAcknowledgement(sender: 1, media: 2, sequenceNumbers: numbers, to: &bytes)
            #expect(bytes.count <= 12 + 4 * 64)
            total += numbers
            now += 10
        }
        #expect(Set(total).count == all)
        #expect(total.count == all)
    }

    @Test func whatIsMissingIsAskedForAndNothingElse() {
        var random = SplitMix64(seed: 41)
        var generator = NackGenerator()
        var lost: Set<UInt16> = []
        var requested: Set<UInt16> = []
        var sequence: UInt16 = 65_000
        for step in 0..<5000 as Range<UInt64> {
            sequence &+= 1
            if step > 0, Int.random(in: 0..<10, using: &random) == 0 {
                lost.insert(sequence)
            } else {
                _ = generator.received(sequence, at: .milliseconds(step))
            }
            for number in asked(&generator, at: step) {
                #expect(lost.contains(number))
                requested.insert(number)
                if Bool.random(using: &random) {
                    lost.remove(number)
                    _ = generator.received(number, at: .milliseconds(step))
                }
            }
            if generator.nextDeadline != nil { #expect(generator.missingCount > 0) }
        }
        #expect(generator.missingCount <= 100)
        #expect(requested.count > 300)
    }
}
