import RTP
import TestKit
import Testing
import Wire

/// PROP-8: sender reports with errors of up to a second do not move the sync of sound and picture by more than 40 ms.
@Suite struct WrongReportTests {
    /// In which way reports are wrong, once the good ones before have placed the lanes; `FromTheStart` means that there
    /// were none.
    enum Pattern: String, CaseIterable {
        case everyOne, everyOneFromTheStart, half, halfFromTheStart, someAgree
        case step, stepOfBoth, steps, drift, slowDrift

        var isFromTheStart: Bool { rawValue.hasSuffix("FromTheStart") }
    }

    /// A publisher whose picture takes longer to encode than its sound, as the clock sees it.
    private struct Publisher {
        let pattern: Pattern
        let encodingDelay: Double
        var random: SplitMix64
        var clock = PublisherClock()
        let starts: [UInt32]
        let rates: [UInt32] = [48_000, 90_000]
        var milliseconds = 5_000.0
        var packets = 0
        private var stepped = [0.0, 0.0]
        private let drift: Double
        private let driftingLane: Int

        init(_ pattern: Pattern, seed: UInt64) {
            self.pattern = pattern
            var random = SplitMix64(seed: seed)
            encodingDelay = Double.random(in: -150...150, using: &random)
            starts = (0...1).map { _ in UInt32.random(in: 0...UInt32.max, using: &random) }
            // Milliseconds in a second.
            drift = Double.random(in: pattern == .slowDrift ? 0.1...0.5 : 0.5...5, using: &random)
            driftingLane = Int(random.next() % 2)
            self.random = random
            for rate in rates { _ = clock.addLane(clockRate: rate) }
        }

        private func timestamp(_ lane: Int) -> UInt32 {
            let ticks = Int64((milliseconds * Double(rates[lane]) / 1_000).rounded())
            return starts[lane] &+ UInt32(truncatingIfNeeded: ticks)
        }

        private func arrival(_ delay: Double) -> Instant {
            Instant(nanoseconds: UInt64((milliseconds + delay) * 1_000_000))
        }

        /// A second of media, ten packets on each lane.
        mutating func second() {
            for _ in 0..<10 {
                milliseconds += 100
                for lane in 0...1 {
                    let late = Double.random(in: 0...15, using: &random) + 200 + (lane == 1 ? encodingDelay : 0)
                    _ = clock.received(timestamp: timestamp(lane), lane: lane, at: arrival(late))
                    packets += 1
                }
            }
        }

        private mutating func wrong() -> Double { Double.random(in: -1_000...1_000, using: &random) }

        private mutating func error(_ lane: Int, second: Int) -> Double {
            switch pattern {
            case .everyOne, .everyOneFromTheStart: return wrong()
            case .half, .halfFromTheStart: return random.next() % 2 == 0 ? wrong() : 0
            // Three of four of one lane are wrong in the same way, as often as not.
            case .someAgree: return lane == driftingLane && random.next() % 4 > 0 ? 300 : 0
            case .step:
                if second == 20, lane == driftingLane { stepped[lane] = wrong() }
                return stepped[lane]
            case .stepOfBoth:
                if second == 20 {
                    stepped[lane] = wrong()
                    stepped[1 - lane] = stepped[lane]
                }
                return stepped[lane]
            case .steps:
                if random.next() % 40 == 0 { stepped[lane] = wrong() }
                return stepped[lane]
            case .drift, .slowDrift:
                guard lane == driftingLane else { return 0 }
                // There and back again.
                let way = (drift * Double(second)).truncatingRemainder(dividingBy: 2_000)
                return way > 1_000 ? 2_000 - way : way
            }
        }

        mutating func report(_ lane: Int, second: Int?) {
            let wrong = second.map { error(lane, second: $0) } ?? 0
            let seconds = 3_900_000_000 + (milliseconds + wrong) / 1_000 + Double.random(in: 0...0.002, using: &random)
            let report = SenderReport(
                ssrc: 1, ntp: UInt64(seconds) << 32 | UInt64((seconds - seconds.rounded(.down)) * 4_294_967_295),
                timestamp: timestamp(lane), packetCount: 0, octetCount: 0)
            _ = clock.senderReportReceived(report, lane: lane, at: arrival(210))
        }

        /// Milliseconds that the picture is shown later than the sound it belongs to.
        func skew() -> Double {
            guard let sound = clock.mapping(lane: 0), let picture = clock.mapping(lane: 1) else { return .infinity }
            let difference = picture.instant(of: timestamp(1)).nanoseconds(since: sound.instant(of: timestamp(0)))
            return Double(difference) / 1_000_000
        }
    }

    static let seeds = propertyPackets > 100_000 ? 100 : 20

    @Test(arguments: Pattern.allCases)
    func doNotMoveTheSync(_ pattern: Pattern) {
        var packets = 0
        var worst = 0.0
        for seed in 1...UInt64(Self.seeds) {
            var publisher = Publisher(pattern, seed: seed)
            for _ in 0..<10 {
                publisher.second()
                guard !pattern.isFromTheStart else { continue }
                for lane in 0...1 { publisher.report(lane, second: nil) }
            }
            if !pattern.isFromTheStart { #expect(abs(publisher.skew()) < 10, "seed \(seed)") }
            // Where nothing good was heard yet, arrivals are what there is; once enough agree, the truth is.
            let before = publisher.skew()
            for second in 0..<600 {
                publisher.second()
                publisher.report(1, second: second)
                if second % 3 == 0 { publisher.report(0, second: second) }
                let moved = min(abs(publisher.skew() - before), abs(publisher.skew()))
                worst = max(worst, moved)
                if moved > 40 {
                    Issue.record("\(pattern), seed \(seed): \(publisher.skew()) ms, second \(second), before \(before)")
                    return
                }
            }
            packets += publisher.packets
        }
        print("PROP-8 \(pattern): seeds 1 to \(Self.seeds), \(packets) packets, worst \(worst) ms")
    }

    /// A lane that was placed by wrong reports before good ones came is not what the above forbids: a publisher that is
    /// consistent is believed.
    @Test func consistentReportsAreBelieved() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var publisher = Publisher(.everyOne, seed: seed)
            for _ in 0..<4 {
                publisher.second()
                for lane in 0...1 { publisher.report(lane, second: nil) }
            }
            #expect(abs(publisher.skew()) < 8, "seed \(seed)")
        }
    }
}
