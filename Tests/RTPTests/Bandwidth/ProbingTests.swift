import RTP
import TestKit
import Testing
import Wire

/// Padding that finds out what media alone cannot show (RTP-98).
@Suite struct ProbingTests {
    private static func start(_ bitsPerSecond: Double, probing: Bool = true) -> PacedViewer {
        var viewer = PacedViewer(EmulatedLink(bitsPerSecond: bitsPerSecond), probing: probing)
        // A small layer that the link carries easily.
        viewer.run(seconds: 3) { _, _, _ in 150_000 / 8 / 30 }
        return viewer
    }

    private func small(_ viewer: inout PacedViewer, seconds: Double) {
        viewer.run(seconds: seconds) { _, _, _ in 150_000 / 8 / 30 }
    }

    @Test func whatIsWantedIsFoundOutWhileASmallLayerIsSent() {
        var viewer = Self.start(5_000_000)
        let began = viewer.now
        viewer.sink.wantsVideo(bitsPerSecond: 3_000_000)
        small(&viewer, seconds: 10)
        #expect(viewer.secondsUntil(3_000_000, after: began) < 5)
        #expect(viewer.sink.link.longestAudioGap < 60)
    }

    @Test func nothingIsProbedThatNobodyWants() {
        var viewer = Self.start(5_000_000)
        small(&viewer, seconds: 10)
        #expect(viewer.sink.sent[.padding] == nil)
        viewer.sink.wantsVideo(bitsPerSecond: 3_000_000)
        small(&viewer, seconds: 10)
        let padding = viewer.sink.sent[.padding] ?? 0
        #expect(padding > 0)
        // What was wanted is known, so no more is sent.
        viewer.sink.wantsVideo(bitsPerSecond: nil)
        small(&viewer, seconds: 10)
        #expect(viewer.sink.sent[.padding] == padding)
    }

    @Test func aFullLinkIsProbedSeldomAndTheEstimateStaysWhatItCarries() {
        var viewer = Self.start(400_000)
        viewer.sink.wantsVideo(bitsPerSecond: 3_000_000)
        small(&viewer, seconds: 30)
        #expect((250_000...460_000).contains(viewer.meanEstimate(from: 15, to: 33)))
        #expect(viewer.sink.controller.snapshot.probes.begun < 15)
        #expect(viewer.sink.link.longestAudioGap < 100)
        #expect(viewer.sink.link.dropped.isEmpty)
    }

    @Test func aCapThatIsRemovedIsNoticed() {
        var viewer = Self.start(300_000)
        viewer.sink.wantsVideo(bitsPerSecond: 3_000_000)
        small(&viewer, seconds: 20)
        viewer.sink.link.bitsPerSecond = 4_000_000
        let removed = viewer.now
        small(&viewer, seconds: 12)
        #expect(viewer.secondsUntil(3_000_000, after: removed) < 8)
    }

    @Test func paddingAndRetransmissionsShareOneSequenceWithoutGaps() {
        var viewer = Self.start(5_000_000)
        viewer.sink.wantsVideo(bitsPerSecond: 3_000_000)
        for number in 0..<40 {
            small(&viewer, seconds: 0.1)
            _ = viewer.sink.enqueue(.retransmission, maximumSize: 40) { output in
                RTPHeader.append(
                    payloadType: 97, marker: false, sequenceNumber: UInt16(100 + number), timestamp: 0, ssrc: 3,
                    hasExtension: false, to: &output)
                for _ in 12..<40 { output.append(0) }
                return PacketSlots()
            }
        }
        small(&viewer, seconds: 1)
        let numbers = viewer.sink.link.delivered.compactMap { delivery -> UInt16? in
            delivery.head.withBytes { bytes in
                guard bytes.integer(at: 8, as: UInt32.self) == 3 else { return nil }
                return bytes.integer(at: 2, as: UInt16.self)
            }
        }
        #expect(numbers == (0..<UInt16(numbers.count)).map { 100 + $0 })
        #expect(viewer.sink.sent[.padding] ?? 0 > 0 && viewer.sink.sent[.retransmission] == 40)
    }
}
