import RTP
import Streams
import TestKit
import Testing
import Wire

/// RTP-110, RTP-111, RTP-112, RTP-116, RTP-118: which encoding of a simulcast each viewer gets.
@Suite struct LayerChoiceTests {
    @Test func everyViewerGetsItsOwnEncoding() throws {
        let simulcast = try LiveSimulcast()
        let links: [UInt64?] = [nil, 600_000, 200_000, 50_000]
        let viewers = try links.map { try simulcast.join(budget: $0) }
        simulcast.run(milliseconds: 8_000)
        #expect(viewers.map { $0.order.last } == [0, 1, 2, 2])
        for viewer in viewers {
            #expect(isDecodable(viewer.sink))
            #expect(viewer.longestGap < 200)
        }
    }

    /// The demonstration of RTP-110: no freeze over a second, and the best encoding at the end.
    @Test func aThrottledLinkLosesLayersAndGetsThemBack() throws {
        let simulcast = try LiveSimulcast()
        let viewer = try simulcast.join(budget: 3_000_000)
        let other = try simulcast.join(budget: 3_000_000)
        simulcast.run(milliseconds: 10_000)
        #expect(viewer.order.last == 0)
        viewer.sink.videoBitsPerSecond = 300_000
        let throttled = simulcast.harness.loop.now
        simulcast.run(milliseconds: 15_000)
        #expect(viewer.order.last == 2)
        #expect((viewer.encodings.last?.at).map { $0.milliseconds(since: throttled) < 1_000 } == true)
        viewer.sink.videoBitsPerSecond = 3_000_000
        let freed = simulcast.harness.loop.now
        simulcast.run(milliseconds: 15_000)
        #expect(viewer.order.last == 0)
        #expect((viewer.encodings.last?.at).map { $0.milliseconds(since: freed) < 10_000 } == true)
        #expect(viewer.longestGap < 1_000, "\(viewer.longestGap) ms")
        #expect(isDecodable(viewer.sink))
        #expect(!other.order.dropFirst(3).contains(2), "one viewer's link is nobody else's affair (WHEP-12)")
        #expect(other.order.last == 0)
    }

    /// A link that has just become smaller carries less for a moment than it will, while its queue drains. Whether the way
    /// down is one step then or two says nothing.
    @Test(arguments: [[300_000], [1_000_000, 300_000]] as [[UInt64]])
    func anEncodingThatWasOnlySkippedOnTheWayDownIsTriedSoon(_ steps: [UInt64]) throws {
        let simulcast = try LiveSimulcast()
        let viewer = try simulcast.join(budget: 3_000_000)
        simulcast.run(milliseconds: 10_000)
        #expect(viewer.order.last == 0)
        for step in steps {
            viewer.sink.videoBitsPerSecond = step
            simulcast.run(milliseconds: 1_000)
        }
        #expect(viewer.order.last == 2)
        viewer.sink.videoBitsPerSecond = 3_000_000
        simulcast.run(milliseconds: 2_500)
        #expect(viewer.order.last == 1)
        simulcast.run(milliseconds: 5_000)
        #expect(viewer.order.last == 1, "what the link forced the viewer from is not tried before ten seconds")
        simulcast.run(milliseconds: 5_000)
        #expect(viewer.order.last == 0)
    }

    @Test(arguments: [1_000, 4_000, 11_000] as [UInt64])
    func aSwingingLinkDoesNotSwingThePicture(_ halfPeriod: UInt64) throws {
        let simulcast = try LiveSimulcast()
        let viewer = try simulcast.join(budget: 3_000_000)
        simulcast.run(milliseconds: 6_000)
        let before = viewer.encodings.count
        let start = simulcast.harness.loop.now
        while simulcast.harness.loop.now.milliseconds(since: start) < 100_000 {
            viewer.sink.videoBitsPerSecond = 300_000
            simulcast.run(milliseconds: halfPeriod)
            viewer.sink.videoBitsPerSecond = 3_000_000
            simulcast.run(milliseconds: halfPeriod)
        }
        let seconds = Int(simulcast.harness.loop.now.milliseconds(since: start) / 1_000)
        let switches = viewer.encodings.count - before
        #expect(switches > 0)
        #expect(switches <= seconds / 8, "\(switches) switches in \(seconds) s")
        #expect(viewer.longestGap < 1_000, "\(viewer.longestGap) ms")
    }

    @Test func anEncodingThatStopsIsLeftBeforeAnybodyNotices() throws {
        let simulcast = try LiveSimulcast()
        let viewer = try simulcast.join()
        simulcast.run(milliseconds: 6_000)
        #expect(viewer.order.last == 0)
        simulcast.isLive[0] = false
        simulcast.run(milliseconds: 2_000)
        #expect(viewer.order.last == 1)
        #expect(viewer.longestGap < 600, "\(viewer.longestGap) ms")
        simulcast.isLive[1] = false
        simulcast.run(milliseconds: 2_000)
        #expect(viewer.order.last == 2)
        #expect(viewer.longestGap < 600, "\(viewer.longestGap) ms")
        simulcast.isLive = [true, true, true]
        simulcast.run(milliseconds: 1_500)
        #expect(viewer.order.last == 2, "two seconds have not passed")
        simulcast.run(milliseconds: 2_500)
        #expect(viewer.order.last == 0)
        #expect(isDecodable(viewer.sink))
    }

    /// A publisher whose link was down stops with all encodings: that is no reason to leave one of them.
    @Test func aSilentPublisherChangesNoLayer() throws {
        let simulcast = try LiveSimulcast()
        let viewer = try simulcast.join()
        simulcast.run(milliseconds: 6_000)
        let before = viewer.encodings.count
        simulcast.harness.advance(1_200)
        simulcast.run(milliseconds: 5_000)
        #expect(viewer.encodings.count == before)
    }

    @Test func aViewerChoosesByHand() throws {
        let simulcast = try LiveSimulcast()
        let viewer = try simulcast.join(budget: 3_000_000)
        let other = try simulcast.join(budget: 3_000_000)
        simulcast.run(milliseconds: 6_000)
        #expect(viewer.order.last == 0)
        for wanted in [2, 1, 2, 0, 1] {
            #expect(simulcast.choose(viewer) { $0.encoding = wanted })
            simulcast.run(milliseconds: 2_000)
            #expect(viewer.order.last == wanted)
        }
        #expect(simulcast.choose(viewer) { $0.maximumHeight = 200 })
        simulcast.run(milliseconds: 1_000)
        #expect(viewer.order.last == 2)
        #expect(simulcast.choose(viewer) { $0.maximumBitsPerSecond = 700_000 })
        simulcast.run(milliseconds: 3_000)
        #expect(viewer.order.last == 1)
        #expect(simulcast.choose(viewer) { _ in })
        simulcast.run(milliseconds: 12_000)
        #expect(viewer.order.last == 0)
        #expect(other.order.last == 0)
        #expect(!simulcast.choose(viewer) { $0.encoding = 3 })
        #expect(isDecodable(viewer.sink))
        #expect(viewer.longestGap < 500)
        let id = viewer.handle.peerID.value
        #expect(simulcast.harness.log.events.contains("viewer \(id) gets 2"))
    }

    @Test func anEncodingChosenByHandKeepsItsNameWhenThePublisherBeginsAnew() throws {
        let simulcast = try LiveSimulcast(names: ["f", "h", "q"])
        let viewer = try simulcast.join(budget: 3_000_000)
        simulcast.run(milliseconds: 3_000)
        #expect(simulcast.choose(viewer) { $0.encoding = 2 })
        simulcast.run(milliseconds: 2_000)
        #expect(viewer.order.last == 2)
        // The same name stands for another place, and for another picture here.
        try simulcast.restart(names: ["h", "q", "f"])
        simulcast.run(milliseconds: 6_000)
        #expect(viewer.order.last == 1)
        // Without it everything may be sent, until it is there again.
        try simulcast.restart(names: ["a", "b", "c"])
        simulcast.run(milliseconds: 15_000)
        #expect(viewer.order.last == 0)
        try simulcast.restart(names: ["f", "h", "q"])
        simulcast.run(milliseconds: 6_000)
        #expect(viewer.order.last == 2)
    }

    @Test func whatThereIsToChooseFromIsToldWithItsBitrates() throws {
        let simulcast = try LiveSimulcast()
        _ = try simulcast.join()
        simulcast.run(milliseconds: 5_000)
        let layers = simulcast.descriptions
        #expect(layers.map(\.width) == [1_280, 640, 320])
        #expect(layers.map(\.isActive) == [true, true, true])
        for (layer, expected) in zip(layers, [1_250_000, 420_000, 140_000] as [UInt64]) {
            #expect(layer.bitsPerSecond > expected * 8 / 10 && layer.bitsPerSecond < expected * 12 / 10, "\(layer)")
        }
        simulcast.isLive[0] = false
        simulcast.run(milliseconds: 1_000)
        #expect(simulcast.descriptions.map(\.isActive) == [false, true, true])
        #expect(simulcast.harness.log.events.last { $0.hasPrefix("layers") } == "layers 1+2")
        let stable = simulcast.harness.loop.run { simulcast.track.onLoop { $0.highestStableLayer } }
        #expect(stable?.encoding == 1)
    }

    @Test func theSinkIsToldWhatTheNextLayerWouldTake() throws {
        let simulcast = try LiveSimulcast()
        let viewer = try simulcast.join(budget: 200_000)
        simulcast.run(milliseconds: 5_000)
        let wanted = try #require(viewer.sink.wantedVideoBitsPerSecond)
        #expect(wanted > 430_000 && wanted < 560_000, "\(wanted)")
        viewer.sink.videoBitsPerSecond = 3_000_000
        simulcast.run(milliseconds: 5_000)
        #expect(viewer.order.last == 0)
        #expect(viewer.sink.wantedVideoBitsPerSecond == nil)
    }

    /// PROP-6, PROP-7 over many switches with loss, by chance.
    @Test func manySwitchesLeaveNoTrace() throws {
        let simulcast = try LiveSimulcast()
        let viewer = try simulcast.join()
        var random = SplitMix64(seed: 7)
        var switches = 0
        simulcast.run(milliseconds: 5_000)
        for _ in 0..<200 {
            _ = simulcast.choose(viewer) { $0.encoding = Int.random(in: 0..<3, using: &random) }
            simulcast.run(milliseconds: UInt64.random(in: 33..<900, using: &random))
            switches = viewer.encodings.count
        }
        #expect(switches > 80, "\(switches)")
        #expect(isDecodable(viewer.sink))
        #expect(viewer.longestGap < 200, "\(viewer.longestGap) ms")
    }
}
