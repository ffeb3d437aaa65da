import RTP
import TestKit
import Testing
import WebRTC
import Wire

@testable import Streams

/// The quality budgets of links that are too small (protocols.md 12.10, N6 to N8), over all of the transports.
@Suite struct NetworkCongestionTests {
    static let seconds: UInt64 = NetworkBudgetTests.isLong ? 120 : 25

    static let narrowSeeds: [UInt64] = NetworkBudgetTests.isLong ? Array(1...8) : [1, 2, 3]

    private static func link(bitsPerSecond: UInt64?) -> NetworkConditions {
        var conditions = NetworkConditions()
        conditions.latencyMilliseconds = 25
        conditions.bitsPerSecond = bitsPerSecond
        return conditions
    }

    private func say(_ name: String, _ path: QualityPath) {
        let player = path.viewer.player
        print(
            "\(name): \(player.shown) pictures, longest pause", player.longestInterval / 1_000_000, "ms, freezes",
            player.freezes, "ratio", player.freezeRatio(at: path.now), "keyframes", path.cameras.map(\.keyframes),
            "layer", player.generation ?? 0, "estimate", path.sink.congestion?.snapshot.estimatedBitsPerSecond ?? 0)
    }

    /// One layer that is larger than its link, and what may be frozen of it: a keyframe is five times as large as another
    /// picture, so it takes a good part of the two to three seconds that keyframes are apart.
    struct Narrow: CustomTestStringConvertible, Sendable {
        var source: Int
        var link: UInt64
        var freezeRatio: Double
        var longestMilliseconds: Int64

        var testDescription: String { "\(source / 1_000) over \(link / 1_000) kbit/s" }

        static let cases = [
            Narrow(source: 2_500_000, link: 1_000_000, freezeRatio: 0.3, longestMilliseconds: 900),
            Narrow(source: 1_200_000, link: 400_000, freezeRatio: 0.35, longestMilliseconds: 1_200),
            Narrow(source: 800_000, link: 600_000, freezeRatio: 0.2, longestMilliseconds: 600),
        ]
    }

    /// N6: sound without gaps, whole pictures, and a link that does not stand idle between keyframes.
    @Test(arguments: Narrow.cases, narrowSeeds)
    func n6ASmallLinkKeepsItsSoundAndIsFilledWithWholePictures(_ example: Narrow, _ seed: UInt64) throws {
        let camera = Camera(ssrc: QualityPath.publisherSSRC, bitsPerSecond: example.source)
        let path = try QualityPath(seed: seed, cameras: [camera], repairDelayMilliseconds: 500, looksAfterLink: true)
        var conditions = Self.link(bitsPerSecond: example.link)
        conditions.jitterMilliseconds = 4
        conditions.jitterKeepsOrder = true
        path.downlink.setBoth(conditions)
        path.roundTripNanoseconds = 50_000_000
        path.run(milliseconds: 5_000)
        path.viewer.forget()
        let heard = path.viewer.soundReceived.count
        let spoken = path.microphone.packets
        let (sent, keyframes) = (path.sink.bytes, path.camera.keyframes)
        path.run(milliseconds: Self.seconds * 1_000)
        path.viewer.finish(at: path.now)
        say("N6 \(example)", path)
        let share = Double(path.viewer.soundReceived.count - heard) / Double(path.microphone.packets - spoken)
        #expect(share > 0.99, "audio loss below 1 %")
        let player = path.viewer.player
        #expect(player.freezeRatio(at: path.now) < example.freezeRatio)
        #expect(player.longestInterval < example.longestMilliseconds * 1_000_000)
        let used = Double(path.sink.bytes - sent) * 8 / Double(Self.seconds) / Double(example.link)
        #expect(used > 0.9, "the link is filled")
        #expect(player.asked == 0, "nobody waits for what only waits for its turn")
        #expect(player.askedAtMost == 0, "pictures are shown as they come")
        #expect(path.camera.keyframes - keyframes <= Int(Self.seconds) / 2 + 1)
        #expect(path.viewer.malformed == 0)
    }

    /// A link that carries everything becomes a small one at once and recovers.
    @Test(arguments: [1_000_000, 300_000], narrowSeeds)
    func n7AndN8LayersFollowTheLink(_ narrow: UInt64, _ seed: UInt64) throws {
        let rates = [2_500_000, 600_000, 150_000]
        let cameras = rates.indices.map { index in
            var camera = Camera(
                ssrc: QualityPath.publisherSSRC + UInt32(index) * 10, bitsPerSecond: rates[index],
                generation: UInt32(index + 1))
            camera.width = UInt16(1_280 >> index)
            camera.height = UInt16(720 >> index)
            return camera
        }
        let path = try QualityPath(seed: seed, cameras: cameras, looksAfterLink: true)
        var conditions = Self.link(bitsPerSecond: nil)
        conditions.jitterMilliseconds = 4
        conditions.jitterKeepsOrder = true
        path.downlink.setBoth(conditions)
        path.roundTripNanoseconds = 50_000_000
        path.run(milliseconds: 15_000)
        try #require(path.viewer.player.generation == 1, "everything is shown before")

        path.viewer.forget()
        path.downlink.down.conditions.bitsPerSecond = narrow
        let down = try #require(run(path, until: 2...3, within: 6_000))
        path.run(milliseconds: 8_000)
        path.viewer.finish(at: path.now)
        say("N7 \(narrow / 1_000) kbit/s after \(down) ms", path)
        #expect(down < 3_000, "a lower layer in less than 3 s")
        #expect(path.viewer.player.generation == (narrow < 600_000 ? 3 : 2), "as much as the link carries")
        #expect(path.viewer.player.longestInterval < 1_000_000_000)

        path.viewer.forget()
        path.downlink.down.conditions.bitsPerSecond = nil
        let up = try #require(run(path, until: 1...1, within: 20_000))
        path.run(milliseconds: 3_000)
        path.viewer.finish(at: path.now)
        say("N8 after \(up) ms", path)
        #expect(up < 10_000, "the top layer in less than 10 s")
        #expect(path.viewer.player.longestInterval < 1_000_000_000)
        #expect(path.viewer.player.generation == 1)
    }

    /// A route that becomes longer is no queue: less does not make it shorter again.
    @Test(arguments: [0.0, 0.05], narrowSeeds)
    func aLongerRouteCostsLittleBitRate(_ loss: Double, _ seed: UInt64) throws {
        let path = try QualityPath(seed: seed, looksAfterLink: true)
        var conditions = Self.link(bitsPerSecond: nil)
        conditions.loss = loss
        path.downlink.setBoth(conditions)
        path.roundTripNanoseconds = 50_000_000
        path.run(milliseconds: 10_000)
        path.downlink.down.conditions.latencyMilliseconds += 100
        path.roundTripNanoseconds = 150_000_000
        path.run(milliseconds: 5_000)
        let refused = path.sink.congestion?.snapshot.pacer.framesRefused ?? 0
        path.viewer.forget()
        for _ in 0..<20 {
            path.run(milliseconds: 1_000)
            let estimate = path.sink.congestion?.snapshot.estimatedBitsPerSecond ?? 0
            #expect(estimate > UInt64(path.camera.bitsPerSecond) * 5 / 4)
        }
        path.viewer.finish(at: path.now)
        say("longer route, loss \(loss)", path)
        #expect(path.sink.congestion?.snapshot.pacer.framesRefused == refused)
        #expect(path.viewer.player.freezeRatio(at: path.now) < 0.01)
    }

    /// How long it takes until one of the layers is shown; nil when none is within the time.
    private func run(
        _ path: QualityPath, until generations: ClosedRange<UInt32>, within milliseconds: UInt64
    ) -> UInt64? {
        for step in 0..<milliseconds / 20 {
            if let generation = path.viewer.player.generation, generations.contains(generation) { return step * 20 }
            path.run(milliseconds: 20)
        }
        return nil
    }
}
