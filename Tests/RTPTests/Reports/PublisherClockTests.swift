import RTP
import TestKit
import Testing
import Wire

/// A camera whose lanes have clocks of their own, seen through a network with jitter.
private struct Camera {
    var clock = PublisherClock()
    var random: SplitMix64
    let lanes: [Int]
    let rates: [UInt32]
    let starts: [UInt32]
    /// What the publisher's NTP clock shows at server time 0, in seconds.
    var ntpSeconds = 3_900_000_000.0
    /// How much later than it was captured each lane's media leaves, in milliseconds.
    let encodingDelays: [Double]
    var milliseconds = 1000.0

    init(seed: UInt64, rates: [UInt32], encodingDelays: [Double]) {
        random = SplitMix64(seed: seed)
        self.rates = rates
        self.encodingDelays = encodingDelays
        starts = rates.map { _ in 0xFFFF_0000 }
        lanes = rates.map { _ in 0 }
        for rate in rates { _ = clock.addLane(clockRate: rate) }
    }

    func timestamp(_ lane: Int) -> UInt32 {
        starts[lane] &+ UInt32(truncatingIfNeeded: Int64((milliseconds * Double(rates[lane]) / 1000).rounded()))
    }

    func arrival(_ delay: Double) -> Instant { Instant(nanoseconds: UInt64((milliseconds + delay) * 1_000_000)) }

    /// Sends 20 ms of media on every lane; answers when each was captured, as the clock sees it.
    mutating func step() -> [Instant] {
        milliseconds += 20
        return lanes.indices.map { lane in
            let jitter = Double(random.next() % 20)
            return clock.received(
                timestamp: timestamp(lane), lane: lane, at: arrival(30 + encodingDelays[lane] + jitter))
        }
    }

    /// Good reports of all lanes until they count.
    mutating func placeLanes() {
        for _ in 0..<3 {
            for _ in 0..<50 { _ = step() }
            for lane in lanes.indices { _ = report(lane) }
        }
    }

    mutating func report(_ lane: Int, errorSeconds: Double = 0) -> PublisherClock.ReportVerdict {
        let seconds = ntpSeconds + milliseconds / 1000 + errorSeconds
        let report = SenderReport(
            ssrc: 1, ntp: UInt64(seconds) << 32 | UInt64((seconds - seconds.rounded(.down)) * 4_294_967_295),
            timestamp: timestamp(lane), packetCount: 0, octetCount: 0)
        return clock.senderReportReceived(report, lane: lane, at: arrival(40))
    }

    /// Milliseconds that lane 1 is shown later than lane 0 by the mappings.
    func skew() -> Double {
        guard let first = clock.mapping(lane: 0), let second = clock.mapping(lane: 1) else { return .infinity }
        let difference = second.instant(of: timestamp(1)).nanoseconds(since: first.instant(of: timestamp(0)))
        return Double(difference) / 1_000_000
    }
}

@Suite struct PublisherClockTests {
    @Test func mappingGoesBothWaysOverTheWrap() {
        let mapping = TimestampMapping(timestamp: 0xFFFF_FFF0, instant: .seconds(10), clockRate: 90_000)
        #expect(mapping.instant(of: 0xFFFF_FFF0 &+ 90_000) == .seconds(11))
        #expect(mapping.instant(of: 0xFFFF_FFF0 &- 45_000) == .milliseconds(9_500))
        #expect(mapping.timestamp(at: .seconds(11)) == 0xFFFF_FFF0 &+ 90_000)
        #expect(mapping.timestamp(at: .milliseconds(9_500)) == 0xFFFF_FFF0 &- 45_000)
    }

    /// PAY-63: frames of 1,024 ticks, a minute of them at a time, for a day.
    @Test(arguments: [90_000, 48_000, 44_100, 1_000] as [UInt32])
    func aDayIsPlacedWithinATick(_ rate: UInt32) throws {
        var clock = PublisherClock()
        let lane = clock.addLane(clockRate: rate)
        let first: UInt32 = 4_294_960_000
        let begin = Instant.seconds(500)
        let tick = 1_000_000_000 / Int64(rate) + 1
        let step = Int64(rate) * 60 / 1_024 * 1_024
        for index in 0...(24 * 60 + 30) as ClosedRange<Int64> {
            let ticks = index * step
            let arrival = begin.advanced(byNanoseconds: UInt64(Int128(ticks) * 1_000_000_000 / Int128(rate)))
            let timestamp = first &+ UInt32(truncatingIfNeeded: ticks)
            let captured = clock.received(timestamp: timestamp, lane: lane, at: arrival)
            #expect(abs(captured.nanoseconds(since: arrival)) <= tick)
            let mapping = try #require(clock.mapping(lane: lane))
            #expect(abs(mapping.instant(of: timestamp).nanoseconds(since: arrival)) <= tick)
            let back = Int32(bitPattern: mapping.timestamp(at: arrival) &- timestamp)
            #expect((-1...1).contains(back))
        }
    }

    @Test func arrivalsAloneKeepLanesTogether() {
        var camera = Camera(seed: 1, rates: [48_000, 90_000], encodingDelays: [0, 0])
        for _ in 0..<3000 { _ = camera.step() }
        #expect(abs(camera.skew()) < 5)
        #expect(!camera.clock.followsReports(lane: 0))
    }

    @Test func reportsRestoreTheOriginalRelation() {
        var camera = Camera(seed: 2, rates: [48_000, 90_000], encodingDelays: [0, 120])
        for _ in 0..<50 { _ = camera.step() }
        #expect(camera.skew() > 100)
        // Two that agree may both be wrong.
        for expected in [.inconsistent, .inconsistent, .accepted] as [PublisherClock.ReportVerdict] {
            #expect(camera.skew() > 100)
            for lane in 0...1 {
                for _ in 0..<25 { _ = camera.step() }
                #expect(camera.report(lane) == expected)
            }
        }
        #expect(abs(camera.skew()) < 1)
    }

    @Test func captureTimesDoNotJitter() {
        var camera = Camera(seed: 3, rates: [48_000], encodingDelays: [0])
        for _ in 0..<100 { _ = camera.step() }
        var previous = camera.step()[0]
        for _ in 0..<1000 {
            let next = camera.step()[0]
            #expect(abs(next.nanoseconds(since: previous) - 20_000_000) < 5_000_000)
            previous = next
        }
    }

    @Test func badReportsAreRefused() {
        var camera = Camera(seed: 5, rates: [48_000, 90_000], encodingDelays: [0, 0])
        #expect(camera.report(0) == .foreignTimestamp)
        for _ in 0..<50 { _ = camera.step() }
        let none = SenderReport(ssrc: 1, ntp: 0, timestamp: camera.timestamp(0), packetCount: 0, octetCount: 0)
        let foreign = SenderReport(ssrc: 1, ntp: 1 << 32, timestamp: 0x4000_0000, packetCount: 0, octetCount: 0)
        #expect(camera.clock.senderReportReceived(none, lane: 0, at: camera.arrival(0)) == .withoutWallClock)
        #expect(camera.clock.senderReportReceived(foreign, lane: 0, at: camera.arrival(0)) == .foreignTimestamp)
        #expect(camera.clock.senderReportReceived(foreign, lane: 9, at: camera.arrival(0)) == .foreignTimestamp)
        for _ in 0..<3 {
            for _ in 0..<50 { _ = camera.step() }
            _ = camera.report(0)
        }
        #expect(camera.clock.followsReports(lane: 0))
        // A second lane whose reports are three seconds off never moves.
        for _ in 0..<10 {
            for _ in 0..<50 { _ = camera.step() }
            #expect(camera.report(1, errorSeconds: 3) != .accepted)
        }
        #expect(abs(camera.skew()) < 5)
        #expect(!camera.clock.followsReports(lane: 1))
    }

    @Test func reportsAtTheWrongRateFallBackToArrivals() {
        var camera = Camera(seed: 6, rates: [48_000, 90_000], encodingDelays: [0, 0])
        camera.placeLanes()
        for second in 1...20 {
            for _ in 0..<50 { _ = camera.step() }
            _ = camera.report(0)
            _ = camera.report(1, errorSeconds: Double(second) * 0.11)
            #expect(abs(camera.skew()) < 40)
        }
        #expect(camera.clock.followsReports(lane: 0))
        #expect(!camera.clock.followsReports(lane: 1))
    }

    @Test func publisherSettingItsClockKeepsTheSync() {
        var camera = Camera(seed: 7, rates: [48_000, 90_000], encodingDelays: [0, 120])
        camera.placeLanes()
        camera.ntpSeconds += 3600
        for _ in 0..<10 {
            for _ in 0..<50 { _ = camera.step() }
            _ = camera.report(0)
            #expect(abs(camera.skew()) < 5)
            _ = camera.report(1)
            #expect(abs(camera.skew()) < 5)
        }
        #expect(camera.clock.followsReports(lane: 0))
        #expect(camera.clock.followsReports(lane: 1))
    }

    @Test func jumpOfTheTimestampsStartsTheLaneAfresh() throws {
        var clock = PublisherClock()
        let lane = clock.addLane(clockRate: 90_000)
        _ = clock.received(timestamp: 1000, lane: lane, at: .seconds(10))
        #expect(clock.received(timestamp: 0x8000_0000, lane: lane, at: .seconds(11)) == .seconds(11))
        #expect(clock.received(timestamp: 0x8000_0000 &+ 90_000, lane: lane, at: .milliseconds(12_010)) == .seconds(12))
        #expect(clock.received(timestamp: 5, lane: 7, at: .seconds(1)) == .seconds(1))
    }

    /// A source whose timestamps jump with every packet gets nowhere near the end of the numbers.
    @Test(arguments: [1, 8_000, 90_000] as [UInt32])
    func endlessJumpsAreHarmless(_ rate: UInt32) {
        var clock = PublisherClock()
        let lane = clock.addLane(clockRate: rate)
        var timestamp: UInt32 = 0
        var others = 0
        for index in 0..<500_000 {
            timestamp &+= 0x7FFF_FFFF
            let now = Instant(nanoseconds: UInt64(index) * 1_000)
            if clock.received(timestamp: timestamp, lane: lane, at: now) != now { others += 1 }
        }
        #expect(others == 0)
    }

    @Test func reportsOfTwoRewrittenStreamsAgree() throws {
        var camera = Camera(seed: 8, rates: [48_000, 90_000], encodingDelays: [0, 90])
        var rewriters = [0, 1].map {
            StreamRewriter(
                firstSequenceNumber: 1, firstTimestamp: UInt32($0) * 0x7FFF_0000, clockRate: camera.rates[$0],
                framesEndWithMarker: $0 == 1)
        }
        var last: [UInt32] = [0, 0]
        for index in 0..<200 {
            if [60, 80, 100].contains(index) { _ = camera.report(0) }
            if [70, 90, 110].contains(index) { _ = camera.report(1) }
            let captured = camera.step()
            for lane in 0...1 {
                let number = UInt16(index)
                if index == 0 || (lane == 1 && index % 40 == 0) {
                    rewriters[lane].switchSource(
                        to: .init(sequenceNumber: number, timestamp: camera.timestamp(lane), captured: captured[lane]))
                }
                let position = rewriters[lane].rewrite(
                    sequenceNumber: number, timestamp: camera.timestamp(lane), marker: true, captured: captured[lane])
                last[lane] = try #require(position).timestamp
            }
        }
        // Both reports name the timestamp of the same moment, so what was captured together is shown together.
        let wall = WallClock(ntp: 5 << 32, instant: .seconds(1))
        let now = camera.arrival(50)
        var shown: [Double] = []
        for lane in 0...1 {
            let mapping = try #require(camera.clock.mapping(lane: lane))
            let report = try #require(
                SenderStatistics().makeReport(
                    ssrc: 1, rewriter: rewriters[lane], mapping: mapping, wallClock: wall, at: now))
            #expect(report.ntp == wall.ntp(at: now))
            shown.append(Double(Int32(bitPattern: last[lane] &- report.timestamp)) / Double(camera.rates[lane]))
        }
        #expect(abs(shown[0] - shown[1]) < 0.002)
    }

    /// FFmpeg fills packets with up to eleven frames of AAC at 16 kHz. Their packets come when the last frame is complete;
    /// sound and picture are together all the same, with reports and without.
    @Test(arguments: [false, true])
    func aPacketIsPlacedByItsEnd(_ hasReports: Bool) {
        var clock = PublisherClock()
        let sound = clock.addLane(clockRate: 16_000)
        let picture = clock.addLane(clockRate: 90_000)
        let span: UInt32 = 11 * 1_024
        var last: (sound: Int64, picture: Int64) = (0, 0)
        for tick in 0..<600 as Range<UInt64> {
            // A picture each 40 ms, and sound each 704 ms with what was captured since.
            let time = 10_000 + tick * 40
            let shown = clock.received(timestamp: UInt32(tick) * 3_600, lane: picture, at: .milliseconds(time))
            last.picture = shown.milliseconds(since: .milliseconds(time))
            if tick > 0, tick * 40 / 704 > (tick - 1) * 40 / 704 {
                let number = tick * 40 / 704
                let heard = clock.received(
                    timestamp: UInt32(number - 1) * span, span: span, lane: sound,
                    at: .milliseconds(10_000 + number * 704))
                last.sound = heard.milliseconds(since: .milliseconds(10_000 + (number - 1) * 704))
            }
            guard hasReports, tick % 125 == 50 else { continue }
            let ntp = (UInt64(3_900_000_000) << 32) + (tick * 40 << 32) / 1_000
            for (lane, rate) in [(sound, UInt64(16)), (picture, 90)] {
                let report = SenderReport(
                    ssrc: 1, ntp: ntp, timestamp: UInt32(tick * 40 * rate), packetCount: 1, octetCount: 1)
                _ = clock.senderReportReceived(report, lane: lane, at: .milliseconds(time))
            }
        }
        #expect(abs(last.sound) <= 1 && abs(last.picture) <= 1, "sound \(last.sound), picture \(last.picture)")
        if hasReports { #expect(clock.followsReports(lane: sound) && clock.followsReports(lane: picture)) }
    }

    /// Who plays a file sends a frame of sound when it begins, in several packets at once. From the first reports on it is
    /// together with the picture, unless they say what cannot be.
    @Test(arguments: [0, 300] as [UInt64])
    func theFirstReportsPlaceSoundWithinAFrame(_ errorMilliseconds: UInt64) {
        var clock = PublisherClock()
        let lanes = [clock.addLane(clockRate: 48_000), clock.addLane(clockRate: 90_000)]
        let (start, wrong) = (UInt64(10_000), errorMilliseconds)
        var apart: [Int64] = []
        for tick in 0..<200 as Range<UInt64> {
            let now = Instant.milliseconds(start + tick * 24)
            for part in 0..<3 as Range<UInt64> {
                let timestamp = UInt32(tick * 24 + part * 8) * 48
                _ = clock.received(timestamp: timestamp, span: 8 * 48, lane: lanes[0], at: now)
            }
            _ = clock.received(timestamp: UInt32(tick) * 24 * 90, lane: lanes[1], at: now)
            if tick == 50 {
                for (lane, rate) in zip(lanes, [48, 90] as [UInt64]) {
                    let time = tick * 24 + (lane == lanes[0] ? wrong : 0)
                    let report = SenderReport(
                        ssrc: 1, ntp: (UInt64(3_900_000_000) << 32) + (time << 32) / 1_000,
                        timestamp: UInt32(tick * 24 * rate), packetCount: 1, octetCount: 1)
                    #expect(clock.senderReportReceived(report, lane: lane, at: now) == .inconsistent)
                }
            }
            guard let sound = clock.mapping(lane: lanes[0]), let picture = clock.mapping(lane: lanes[1]) else {
                continue
            }
            let (heard, shown) = (UInt32(tick) * 24 * 48, UInt32(tick) * 24 * 90)
            apart.append(picture.instant(of: shown).nanoseconds(since: sound.instant(of: heard)) / 1_000_000)
        }
        #expect(apart.prefix(50).allSatisfy { $0 == 24 })
        #expect(apart.dropFirst(51).allSatisfy { $0 == (wrong == 0 ? 0 : 24) })
    }
}
