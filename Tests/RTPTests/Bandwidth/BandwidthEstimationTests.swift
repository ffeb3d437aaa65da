import RTP
import TestKit
import Testing
import Wire

@Suite struct BandwidthEstimationTests {
    @Test(arguments: [500_000.0, 1_000_000, 2_000_000, 5_000_000])
    func findsWhatTheLinkCarries(bitsPerSecond: Double) {
        var viewer = PacedViewer(EmulatedLink(bitsPerSecond: bitsPerSecond))
        // An encoder that follows the estimate, less what audio takes.
        viewer.run(seconds: 20) { _, _, estimate in max(Int((estimate - 48_000) / 8 / 30), 200) }
        let mean = viewer.meanEstimate(from: 9.5, to: 20)
        let late = viewer.sink.link.queueDelay(percentile: 0.95, after: .milliseconds(1000))
        #expect(abs(mean / bitsPerSecond - 1) < 0.15)
        #expect(late < 150)
    }

    @Test(arguments: [500_000.0, 1_000_000, 2_000_000, 5_000_000])
    func holdsBackASourceThatIsTooLarge(bitsPerSecond: Double) {
        var viewer = PacedViewer(EmulatedLink(bitsPerSecond: bitsPerSecond))
        viewer.run(seconds: 20) { _, isKeyframe, _ in Int(bitsPerSecond * 2.5 / 8 / 30) * (isKeyframe ? 5 : 1) }
        let mean = viewer.meanEstimate(from: 9.5, to: 20)
        let late = viewer.sink.link.queueDelay(percentile: 0.95, after: .milliseconds(1000))
        let lost = Double(viewer.sink.link.dropped.count { $0.packetClass == .audio }) / Double(viewer.audioSent)
        #expect((0.6...1.15).contains(mean / bitsPerSecond))
        #expect(late < 150)
        #expect(lost < 0.01)
    }

    @Test func aLargeKeyframeDoesNotHoldUpAudio() {
        var viewer = PacedViewer(EmulatedLink(bitsPerSecond: 2_000_000))
        viewer.run(seconds: 10) { _, isKeyframe, _ in isKeyframe ? 10_000 : 4000 }
        viewer.run(seconds: 5) { frame, _, _ in frame == 310 ? 300_000 : 4000 }
        #expect(viewer.sink.link.longestAudioGap < 100)
    }

    @Test func aSourceFarBelowTheLinkIsNeverHeldBack() {
        var viewer = PacedViewer(EmulatedLink(bitsPerSecond: 50_000_000))
        viewer.run(seconds: 20) { _, isKeyframe, _ in isKeyframe ? 60_000 : 10_000 }
        #expect(viewer.framesRefused == 0)
    }

    @Test func randomLossAloneDoesNotStarveTheViewer() {
        var link = EmulatedLink(bitsPerSecond: 20_000_000)
        link.randomLoss = 0.1
        var viewer = PacedViewer(link)
        viewer.run(seconds: 20) { _, isKeyframe, _ in isKeyframe ? 60_000 : 10_000 }
        #expect(viewer.framesRefused == 0)
    }

    /// A fifth of the packets lost in bursts, as radio links lose them, is no sign of a link that is too small.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func lossInBurstsAloneDoesNotStarveTheViewer(seed: UInt64) {
        var link = EmulatedLink(bitsPerSecond: 20_000_000, seed: seed)
        link.randomLoss = 0.2
        link.burstLength = 6
        var viewer = PacedViewer(link)
        viewer.run(seconds: 60) { _, isKeyframe, _ in isKeyframe ? 25_000 : 5_000 }
        #expect(viewer.framesRefused == 0)
    }

    /// A link that drops what is too much without letting it wait shows no delay at all.
    @Test func aLinkThatDropsWhatIsTooMuchIsNotFilledTwice() {
        var viewer = PacedViewer(EmulatedLink(bitsPerSecond: 1_000_000, queueMilliseconds: 12))
        viewer.run(seconds: 30) { _, isKeyframe, _ in isKeyframe ? 30_000 : 10_000 }
        let mean = viewer.meanEstimate(from: 10, to: 30)
        #expect((0.5...1.6).contains(mean / 1_000_000))
    }
}
