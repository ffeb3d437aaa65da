import RTP
import Testing
import Wire

@Suite struct StreamRewriterTests {
    /// A video rewriter that starts at 100 and timestamp 1000, and a source that starts at 65,534.
    private func started(framesEndWithMarker: Bool = true) -> StreamRewriter {
        var rewriter = StreamRewriter(
            firstSequenceNumber: 100, firstTimestamp: 1000, clockRate: 90_000, framesEndWithMarker: framesEndWithMarker)
        rewriter.switchSource(to: .init(sequenceNumber: 65_534, timestamp: 5000, captured: .seconds(10)))
        return rewriter
    }

    /// Packet `index` of the source: one packet a frame, 30 frames a second.
    private func pass(_ rewriter: inout StreamRewriter, _ index: Int, marker: Bool = true) -> UInt16? {
        rewriter.rewrite(
            sequenceNumber: UInt16(truncatingIfNeeded: 65_534 + index),
            timestamp: 5000 &+ UInt32(truncatingIfNeeded: 3000 * index),
            marker: marker, captured: captured(index))?.sequenceNumber
    }

    private func drop(_ rewriter: inout StreamRewriter, _ index: Int) {
        rewriter.drop(
            sequenceNumber: UInt16(truncatingIfNeeded: 65_534 + index),
            timestamp: 5000 &+ UInt32(truncatingIfNeeded: 3000 * index),
            captured: captured(index))
    }

    private func captured(_ index: Int) -> Instant { .milliseconds(UInt64(10_000 + index * 100 / 3)) }

    @Test func nothingPassesBeforeTheFirstSource() {
        var rewriter = StreamRewriter(
            firstSequenceNumber: 1, firstTimestamp: 1, clockRate: 90_000, framesEndWithMarker: true)
        #expect(rewriter.rewrite(sequenceNumber: 1, timestamp: 1, marker: true, captured: .seconds(1)) == nil)
        #expect(rewriter.newest == nil)
        #expect(rewriter.outputTimestamp(for: 1) == nil)
    }

    @Test func startsWhereItWasToldInTheLowerHalf() {
        var rewriter = StreamRewriter(
            firstSequenceNumber: 0x8005, firstTimestamp: 77, clockRate: 90_000, framesEndWithMarker: true)
        rewriter.switchSource(to: .init(sequenceNumber: 9, timestamp: 5, captured: .seconds(1)))
        let first = rewriter.rewrite(sequenceNumber: 9, timestamp: 5, marker: false, captured: .seconds(1))
        #expect(first?.sequenceNumber == 5)
        #expect(first?.timestamp == 77)
        #expect(rewriter.outputTimestamp(for: 3005) == 3077)
    }

    @Test func lossLeavesItsGapAndLatePacketsFillIt() {
        var rewriter = started()
        #expect([0, 1, 4, 3, 2].map { pass(&rewriter, $0) } == [100, 101, 104, 103, 102])
    }

    @Test func droppedPacketsLeaveNoGap() {
        var rewriter = started()
        #expect(pass(&rewriter, 0) == 100)
        drop(&rewriter, 1)
        drop(&rewriter, 2)
        #expect(pass(&rewriter, 3) == 101)
        // 4 is late, 5 was left out, 6 has passed.
        drop(&rewriter, 5)
        #expect(pass(&rewriter, 6) == 103)
        #expect(pass(&rewriter, 4) == 102)
        #expect(pass(&rewriter, 7) == 104)
    }

    /// What is left out late leaves no gap either, as long as nothing after it was sent.
    @Test func packetsDroppedOutOfOrderLeaveNoGap() {
        var rewriter = started()
        #expect(pass(&rewriter, 0) == 100)
        for index in [3, 1, 4, 2] { drop(&rewriter, index) }
        #expect(pass(&rewriter, 5) == 101)
        // 7 was sent before 6 came, and jumped over it.
        #expect(pass(&rewriter, 7) == 103)
        drop(&rewriter, 6)
        #expect(pass(&rewriter, 8) == 104)
    }

    @Test func latePacketsGetTheOffsetOfTheirNeighbours() {
        var rewriter = started()
        for index in 0..<10 { #expect(pass(&rewriter, index) == 100 + UInt16(index)) }
        for index in 11..<20 where index % 2 == 0 { drop(&rewriter, index) }
        // 10 and the odd ones up to 19 are missing; 20 comes with four left out before it.
        #expect(pass(&rewriter, 20) == 116)
        #expect(pass(&rewriter, 10) == 110)
        #expect(pass(&rewriter, 11) == 111)
        #expect(pass(&rewriter, 19) == 115)
        #expect(pass(&rewriter, 13) == 112)
    }

    @Test func duplicatesAreRefused() {
        var rewriter = started()
        #expect(pass(&rewriter, 0) == 100)
        #expect(pass(&rewriter, 0) == nil)
        drop(&rewriter, 1)
        #expect(pass(&rewriter, 1) == nil)
        drop(&rewriter, 1)
        #expect(pass(&rewriter, 2) == 101)
        #expect(rewriter.statistics.duplicates == 3)
    }

    @Test func packetsFromBeforeTheSwitchAreRefused() {
        var rewriter = started()
        #expect(pass(&rewriter, -1) == nil)
        #expect(pass(&rewriter, 0) == 100)
        #expect(pass(&rewriter, -1) == nil)
        #expect(rewriter.statistics.late == 2)
    }

    @Test func switchGoesOnByRealTime() {
        var rewriter = started()
        for index in 0..<30 { _ = pass(&rewriter, index) }
        rewriter.switchSource(
            to: .init(sequenceNumber: 7, timestamp: 0xFFFF_FFF0, captured: captured(29).advanced(byMilliseconds: 50)))
        let next = rewriter.rewrite(
            sequenceNumber: 7, timestamp: 0xFFFF_FFF0, marker: false,
            captured: captured(29).advanced(byMilliseconds: 50))
        #expect(next?.sequenceNumber == 130)
        #expect(next?.timestamp == UInt32(1000 + 29 * 3000 + 4500))
        let wrapped = rewriter.rewrite(
            sequenceNumber: 8, timestamp: 0xFFFF_FFF0 &+ 3000, marker: true,
            captured: captured(29).advanced(byMilliseconds: 83))
        #expect(wrapped?.timestamp == UInt32(1000 + 29 * 3000 + 7500))
    }

    @Test func switchIsAtLeastOneFrameAndTheLeadIsPaidBack() {
        var rewriter = started()
        for index in 0...9 { _ = pass(&rewriter, index) }
        // The same picture again, from another layer.
        rewriter.switchSource(to: .init(sequenceNumber: 7, timestamp: 0, captured: captured(9)))
        let same = rewriter.rewrite(sequenceNumber: 7, timestamp: 0, marker: true, captured: captured(9))
        #expect(same?.timestamp == UInt32(1000 + 10 * 3000))
        rewriter.switchSource(to: .init(sequenceNumber: 900, timestamp: 0, captured: captured(15)))
        let later = rewriter.rewrite(sequenceNumber: 900, timestamp: 0, marker: true, captured: captured(15))
        #expect(later?.timestamp == UInt32(1000 + 15 * 3000))
    }

    @Test func capturedEarlierIsStillOneFrameOn() {
        var rewriter = started()
        for index in 0...9 { _ = pass(&rewriter, index) }
        rewriter.switchSource(to: .init(sequenceNumber: 7, timestamp: 0, captured: captured(3)))
        let next = rewriter.rewrite(sequenceNumber: 7, timestamp: 0, marker: true, captured: captured(3))
        #expect(next?.timestamp == UInt32(1000 + 10 * 3000))
    }

    /// Not all pictures are shown in the order in which they are sent: one that comes late may be the last that is shown.
    @Test func aChangeGoesBehindWhatIsShownLast() {
        var rewriter = started()
        _ = pass(&rewriter, 0)
        for (index, shown) in [(2, 1), (3, 2), (1, 3)] {
            _ = rewriter.rewrite(
                sequenceNumber: UInt16(truncatingIfNeeded: 65_534 + index), timestamp: UInt32(5000 + 3000 * shown),
                marker: true, captured: captured(shown))
        }
        rewriter.switchSource(to: .init(sequenceNumber: 7, timestamp: 0, captured: captured(3)))
        let next = rewriter.rewrite(sequenceNumber: 7, timestamp: 0, marker: true, captured: captured(3))
        #expect(next == RewrittenPosition(extendedSequenceNumber: 104, extendedTimestamp: 1000 + 4 * 3000))
    }

    @Test func aFrameCutBySwitchingIsFollowedByOneMissingNumber() {
        var rewriter = started()
        #expect(pass(&rewriter, 0, marker: false) == 100)
        rewriter.switchSource(to: .init(sequenceNumber: 7, timestamp: 0, captured: captured(1)))
        #expect(
            rewriter.rewrite(sequenceNumber: 7, timestamp: 0, marker: true, captured: captured(1))?.sequenceNumber
                == 102)
        var audio = started(framesEndWithMarker: false)
        #expect(pass(&audio, 0, marker: false) == 100)
        audio.switchSource(to: .init(sequenceNumber: 7, timestamp: 0, captured: captured(1)))
        #expect(
            audio.rewrite(sequenceNumber: 7, timestamp: 0, marker: false, captured: captured(1))?.sequenceNumber == 101)
    }

    @Test func timeGoesOnDuringAPause() {
        var rewriter = started()
        _ = pass(&rewriter, 0)
        rewriter.pause()
        #expect(!rewriter.isForwarding)
        #expect(pass(&rewriter, 1) == nil)
        rewriter.switchSource(
            to: .init(sequenceNumber: 4000, timestamp: 99, captured: captured(0).advanced(bySeconds: 60)))
        let next = rewriter.rewrite(
            sequenceNumber: 4000, timestamp: 99, marker: true, captured: captured(0).advanced(bySeconds: 60))
        #expect(next?.sequenceNumber == 101)
        #expect(next?.timestamp == UInt32(1000 + 60 * 90_000))
    }

    @Test func restartOfTheSourceNeedsTwoPackets() {
        var rewriter = started()
        for index in 0...9 { _ = pass(&rewriter, index) }
        #expect(pass(&rewriter, 20_000) == nil)
        #expect(pass(&rewriter, 10) == 110)
        #expect(pass(&rewriter, 20_000) == nil)
        // The one before was lost for the viewer, which leaves a gap.
        #expect(pass(&rewriter, 20_001) == 112)
        #expect(pass(&rewriter, 20_002) == 113)
        #expect(rewriter.statistics.restarts == 1)
    }

    @Test func jumpOfTheSourceClockBecomesRealTime() {
        var rewriter = started()
        for index in 0...9 { _ = pass(&rewriter, index) }
        let next = rewriter.rewrite(
            sequenceNumber: 8, timestamp: 0x9000_0000, marker: true, captured: captured(10))
        #expect(next?.sequenceNumber == 110)
        #expect(abs(Int64(next?.timestamp ?? 0) - (1000 + 10 * 3000)) <= 90)
    }

    @Test func manyDroppedPacketsBetweenLossesNeverMakeALargeJump() {
        var rewriter = started()
        _ = pass(&rewriter, 0)
        var index = 0
        for _ in 0..<20 {
            index += 2900
            drop(&rewriter, index)
        }
        #expect(pass(&rewriter, index + 1) == 102)
    }

    @Test func tenMinutesOfSwitchingDoNotDrift() {
        var rewriter = started()
        var last: Int64 = 0
        var frame = 0
        for second in 0..<600 {
            // Two layers of one camera, with the same pictures and clocks of their own.
            let base: UInt32 = second % 2 == 0 ? 5000 : 0xF000_0000
            for index in 0..<30 {
                let number = UInt16(truncatingIfNeeded: frame)
                let timestamp = base &+ UInt32(3000 * frame)
                let now = Instant(nanoseconds: 10_000_000_000 + UInt64(frame) * 1_000_000_000 / 30)
                if index == 0 {
                    rewriter.switchSource(to: .init(sequenceNumber: number, timestamp: timestamp, captured: now))
                }
                guard
                    let position = rewriter.rewrite(
                        sequenceNumber: number, timestamp: timestamp, marker: true, captured: now)
                else {
                    Issue.record("frame \(frame) was refused")
                    return
                }
                #expect(position.extendedTimestamp > last)
                last = position.extendedTimestamp
                #expect(abs(last - 1000 - Int64(frame) * 3000) < 900)
                frame += 1
            }
        }
    }
}
