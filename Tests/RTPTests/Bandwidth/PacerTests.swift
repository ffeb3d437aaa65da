import RTP
import Testing
import Wire

@Suite struct PacerTests {
    private static let start = Instant.milliseconds(1000)

    private func enqueue(
        _ pacer: inout Pacer, _ packetClass: PacketClass = .video, _ byte: UInt8 = 0, byteCount: Int = 1000,
        at now: Instant = start
    ) -> Bool {
        pacer.enqueue(packetClass, maximumSize: byteCount, at: now) { output in
            for _ in 0..<byteCount { output.append(byte) }
            var slots = PacketSlots()
            slots.transportSequenceNumber = Int(byte)
            return slots
        }
    }

    /// `#expect` takes its arguments apart, which a pacer, being no copyable value, does not stand.
    private func check(_ condition: Bool, _ location: SourceLocation = #_sourceLocation) {
        #expect(condition, sourceLocation: location)
    }

    /// The first bytes of what leaves by `now`, tick by tick.
    private func sent(_ pacer: inout Pacer, until now: Instant) -> [UInt8] {
        var bytes: [UInt8] = []
        while let deadline = pacer.nextDeadline, deadline <= now {
            pacer.sendDue(at: deadline) { _, packet, slots in
                bytes.append(packet[0])
                check(slots.transportSequenceNumber == Int(packet[0]))
            }
        }
        return bytes
    }

    @Test func withoutARateEverythingPasses() {
        var pacer = Pacer()
        for _ in 0..<1000 { check(pacer.passes(.video, byteCount: 1200, at: Self.start)) }
        check(pacer.nextDeadline == nil)
        check(pacer.queueMilliseconds == 0)
    }

    @Test func leavesAtThePaceAndInOrder() {
        var pacer = Pacer()
        // 1000 bytes in 10 ms.
        pacer.setRate(bitsPerSecond: 800_000, factor: 1, at: Self.start)
        check(pacer.passes(.video, byteCount: 1000, at: Self.start))
        for index in 0..<100 {
            check(!pacer.passes(.video, byteCount: 1000, at: Self.start))
            check(enqueue(&pacer, .video, UInt8(index)))
        }
        check(pacer.queueMilliseconds == 1000)
        let first = sent(&pacer, until: Self.start.advanced(byMilliseconds: 500))
        check((48...52).contains(first.count))
        let rest = sent(&pacer, until: Self.start.advanced(byMilliseconds: 1100))
        check(first + rest == (0..<100).map { UInt8($0) })
        check(pacer.nextDeadline == nil && pacer.queuedBytes == 0)
    }

    @Test func audioNeverWaitsAndRepairGoesBeforeVideo() {
        var pacer = Pacer()
        pacer.setRate(bitsPerSecond: 800_000, factor: 1, at: Self.start)
        check(pacer.passes(.video, byteCount: 1000, at: Self.start))
        check(enqueue(&pacer, .video, 1))
        check(enqueue(&pacer, .retransmission, 2))
        for _ in 0..<20 { check(pacer.passes(.audio, byteCount: 100, at: Self.start)) }
        check(!pacer.passes(.retransmission, byteCount: 100, at: Self.start))
        check(sent(&pacer, until: Self.start.advanced(byMilliseconds: 200)) == [2, 1])
    }

    @Test func aLinkThatWasNotFullTakesAFrameAtOnce() {
        var pacer = Pacer()
        pacer.setRate(bitsPerSecond: 4_000_000, factor: 1.5, at: Self.start)
        for _ in 0..<20 { check(pacer.passes(.video, byteCount: 1200, at: Self.start)) }
    }

    @Test func framesThatCannotLeaveInTimeAreRefusedUpToAKeyframe() {
        var pacer = Pacer()
        var now = Self.start
        pacer.setRate(bitsPerSecond: 800_000, factor: 1, at: now)
        check(pacer.admitsFrame(isKeyframe: true, at: now))
        var admitted = 0
        while pacer.admitsFrame(isKeyframe: false, at: now), admitted < 1000 {
            check(enqueue(&pacer))
            admitted += 1
        }
        check((50...52).contains(admitted))
        check(pacer.isStopped && !pacer.takeKeyframeRequest(at: now))
        check(!pacer.admitsFrame(isKeyframe: true, at: now))
        now = now.advanced(byMilliseconds: 450)
        _ = sent(&pacer, until: now)
        check(!pacer.admitsFrame(isKeyframe: false, at: now))
        check(pacer.takeKeyframeRequest(at: now))
        check(!pacer.takeKeyframeRequest(at: now))
        check(pacer.admitsFrame(isKeyframe: true, at: now))
        check(pacer.admitsFrame(isKeyframe: false, at: now) && !pacer.isStopped)
        check(pacer.statistics.stops == 1)
    }

    @Test func whatFollowsALargeKeyframeIsStillAdmitted() {
        var pacer = Pacer()
        pacer.setRate(bitsPerSecond: 800_000, factor: 1, at: Self.start)
        check(pacer.admitsFrame(isKeyframe: true, at: Self.start))
        for _ in 0..<100 {
            if !pacer.passes(.video, byteCount: 1000, at: Self.start) { check(enqueue(&pacer)) }
        }
        check(pacer.queueMilliseconds > Pacer.queueLimitMilliseconds)
        check(pacer.admitsFrame(isKeyframe: false, at: Self.start))
    }

    @Test func nothingWaitsLongerThanTheHardLimit() {
        var pacer = Pacer()
        pacer.setRate(bitsPerSecond: 800_000, factor: 1, at: Self.start)
        check(pacer.admitsFrame(isKeyframe: true, at: Self.start))
        var accepted = 0
        while enqueue(&pacer), accepted < 10_000 { accepted += 1 }
        check(accepted == 300)
        check(pacer.isStopped)
        pacer.removeAll()
        check(pacer.nextDeadline == nil && pacer.queuedBytes == 0)
    }

    @Test func anUnlimitedRateLetsGoOfWhatWaits() {
        var pacer = Pacer()
        pacer.setRate(bitsPerSecond: 100_000, factor: 1, at: Self.start)
        for index in 0..<5 { check(enqueue(&pacer, .video, UInt8(index))) }
        pacer.setRate(bitsPerSecond: nil, factor: 1, at: Self.start)
        check(!pacer.passes(.video, byteCount: 10, at: Self.start))
        check(sent(&pacer, until: Self.start.advanced(byMilliseconds: 10)) == [0, 1, 2, 3, 4])
    }

    @Test func receiversEstimatesAndReportsBoundTheRate() {
        var estimator = BandwidthEstimator()
        var now = Self.start
        check(estimator.bitsPerSecond(at: now) == nil)
        estimator.received(receiverEstimate: 700_000, at: now)
        check(estimator.bitsPerSecond(at: now) == 700_000)
        estimator.received(receiverEstimate: UInt64.max, at: now)
        check(estimator.bitsPerSecond(at: now) == 200_000_000)
        now = now.advanced(bySeconds: 11)
        check(estimator.bitsPerSecond(at: now) == nil)
        for _ in 0..<1000 {
            now = now.advanced(byMilliseconds: 1)
            estimator.sent(byteCount: 250, at: now)
        }
        estimator.received(fractionLost: 2, at: now)
        check(estimator.bitsPerSecond(at: now) == nil)
        now = now.advanced(byMilliseconds: 300)
        estimator.received(fractionLost: 64, at: now)
        let bound = estimator.bitsPerSecond(at: now) ?? 0
        check((1_600_000...1_800_000).contains(bound))
    }
}
