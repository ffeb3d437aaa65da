import Codecs
import RTP
import Streams
import TestKit
import Testing
import Wire

@Suite struct SwitchingTests {
    // MARK: publications

    @Test func numbersGoOnOverAPublishersRestart() throws {
        let harness = RoomHarness()
        let first = FakePublisher(1)
        try harness.publish(first)
        let viewer = FakeViewer(2)
        let sink = try harness.join(viewer)
        var source = VideoSource(ssrc: 7)
        harness.deliver(source.frame(key: true))
        harness.deliver(source.frame())
        harness.unpublish(first)
        #expect(sink.goodbyes == 1)
        harness.advance(2_000)
        let second = FakePublisher(3)
        try harness.publish(second)
        #expect(second.requests == [.init(kind: .video, layer: 0)])
        var other = VideoSource(ssrc: 8, sequenceNumber: 40_000, timestamp: 1_000_000_000, pictureID: 9_000)
        harness.deliver(other.frame())
        #expect(sink.packets.count == 4, "deltas of the new publication have no keyframe yet")
        harness.deliver(other.frame(key: true))
        harness.deliver(other.frame())
        #expect(sink.packets.count == 8)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(sink.sent[4].isKeyframeStart)
        #expect(Set(sink.sent.map(\.header.ssrc)) == [42])
        // Two seconds passed meanwhile.
        let step = sink.timestampSteps[3]
        #expect((175_000...190_000).contains(step), "\(step)")
        #expect(continuousPictures(sink))
        #expect(viewer.ends.isEmpty)
    }

    @Test func aTakeOverGoesOnAtItsKeyframe() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 7)
        harness.deliver(source.frame(key: true))
        try harness.publish(FakePublisher(3))
        // The same SSRC and numbers near the old ones: still another source.
        var other = VideoSource(ssrc: 7, sequenceNumber: 990, timestamp: 5)
        harness.advance(40)
        harness.deliver(other.frame(key: true))
        #expect(sink.packets.count == 4)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(sink.timestampSteps.allSatisfy { $0 >= 0 })
    }

    /// RTP-25: the decoder must not take the beginning of a frame for all of it.
    @Test func aFrameCutOffByTheNextPublicationIsFollowedByAGap() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 7)
        harness.deliver(source.frame(key: true))
        harness.deliver(Array(source.frame(packets: 3).prefix(2)))
        try harness.publish(FakePublisher(3))
        var other = VideoSource(ssrc: 8)
        harness.deliver(other.frame(key: true))
        #expect(sink.sequenceSteps == [1, 1, 1, 2, 1])
    }

    /// RTP-8: an encoder that restarts within a publication changes its SSRC and all its numbers.
    @Test(arguments: [1_500, 500, 40_000] as [UInt16])
    func aNewSSRCOfTheSameLayerIsANewSource(_ start: UInt16) throws {
        let harness = RoomHarness()
        let publisher = FakePublisher(1)
        try harness.publish(publisher)
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 7)
        harness.deliver(source.frame(key: true))
        for _ in 0..<10 {
            harness.deliver(source.frame())
            harness.advance(33)
        }
        publisher.forgetRequests()
        var other = VideoSource(ssrc: 8, sequenceNumber: start, timestamp: 3_000_000, pictureID: 30_000)
        harness.deliver(other.frame())
        #expect(sink.packets.count == 22, "a delta of the new source has nothing to build on")
        #expect(!publisher.requests.isEmpty)
        harness.deliver(other.frame(key: true))
        for _ in 0..<10 {
            harness.advance(33)
            harness.deliver(other.frame())
        }
        #expect(sink.packets.count == 44)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(sink.timestampSteps.allSatisfy { $0 >= 0 && $0 < 9_000 })
        #expect(continuousPictures(sink))
    }

    @Test func aNewSSRCOfAudioGoesOnAtOnce() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1), [RoomHarness.opus])
        let sink = try harness.join(FakeViewer(2), [RoomHarness.opus])
        var source = VideoSource(ssrc: 7)
        var other = VideoSource(ssrc: 8, sequenceNumber: 900, timestamp: 77)
        for _ in 0..<5 {
            harness.deliver([source.packet([0xFC, 1, 2], marker: false)], .audio)
            source.timestamp &+= 960
            harness.advance(20)
        }
        for _ in 0..<5 {
            harness.deliver([other.packet([0xFC, 1, 2], marker: false)], .audio)
            other.timestamp &+= 960
            harness.advance(20)
        }
        #expect(sink.packets.count == 10)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(sink.timestampSteps.allSatisfy { $0 == 960 })
    }

    // MARK: layers

    /// Three layers of one picture, 30 frames a second; the highest first, as browsers name them.
    final class Simulcast {
        let harness = RoomHarness()
        let publisher = FakePublisher(1)
        let sink: FakeSink
        var layers: [VideoSource] = []
        var isLive = [true, true, true]

        init() throws {
            try harness.publish(publisher, layers: 3)
            sink = try harness.join(FakeViewer(2))
            for (index, width) in [1_280, 640, 320].enumerated() {
                var source = VideoSource(
                    ssrc: UInt32(100 + index), sequenceNumber: UInt16(10_000 * index),
                    timestamp: UInt32(1_000_000 * index), pictureID: UInt16(5_000 * index))
                source.width = UInt16(width)
                source.height = UInt16(width * 9 / 16)
                source.size = width
                layers.append(source)
            }
        }

        /// One frame of every live layer; keyframes in those listed.
        func frame(keys: Set<Int> = []) {
            for index in layers.indices {
                let packets = layers[index].frame(key: keys.contains(index))
                if isLive[index] { harness.deliver(packets, layer: index) }
            }
            harness.advance(33)
        }

        /// Sources of what the viewer got, in order, without repetition.
        var sources: [Int] {
            var found: [Int] = []
            for packet in sink.sent {
                let size =
                    packet.payload.count - 6
                    - (packet.isKeyframeStart ? 10 : packet.picture?.startsFrame == true ? 3 : 0)
                let index = size > 1_000 ? 0 : size > 500 ? 1 : 2
                if found.last != index { found.append(index) }
            }
            return found
        }
    }

    @Test func layersSwitchAtKeyframesOnlyAndNumbersGoOn() throws {
        let simulcast = try Simulcast()
        // The highest layer is late, as when the link is still being probed.
        simulcast.isLive = [false, true, true]
        simulcast.frame(keys: [1, 2])
        for _ in 0..<30 { simulcast.frame() }
        #expect(simulcast.sources == [1])

        simulcast.isLive[0] = true
        simulcast.publisher.forgetRequests()
        for _ in 0..<59 { simulcast.frame() }
        #expect(simulcast.publisher.requests.isEmpty, "a layer is gone up to when it has been there for two seconds")
        for _ in 0..<10 { simulcast.frame() }
        #expect(simulcast.sources == [1], "deltas of the higher layer are of no use")
        #expect(simulcast.publisher.requests.contains(.init(kind: .video, layer: 0)))
        simulcast.frame(keys: [0])
        for _ in 0..<30 { simulcast.frame() }
        #expect(simulcast.sources == [1, 0])

        simulcast.isLive[0] = false
        for _ in 0..<60 { simulcast.frame() }
        #expect(simulcast.sources == [1, 0], "the lower layer waits for its keyframe too")
        simulcast.frame(keys: [1])
        for _ in 0..<30 { simulcast.frame() }
        #expect(simulcast.sources == [1, 0, 1])

        let sink = simulcast.sink
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(sink.timestampSteps.allSatisfy { $0 >= 0 })
        #expect(continuousPictures(sink))
        let sent = sink.sent
        for (before, after) in zip(sent, sent.dropFirst())
        where before.header.timestamp != after.header.timestamp && after.isKeyframeStart {
            #expect(before.header.marker)
        }
    }

    @Test func aSwitchThatIsCalledOffAsksForNoMoreKeyframes() throws {
        let simulcast = try Simulcast()
        simulcast.isLive = [false, true, true]
        simulcast.frame(keys: [1, 2])
        for _ in 0..<30 { simulcast.frame() }
        simulcast.isLive[0] = true
        for _ in 0..<20 { simulcast.frame() }
        // The higher layer goes away before its keyframe came.
        simulcast.isLive[0] = false
        for _ in 0..<60 { simulcast.frame() }
        simulcast.publisher.forgetRequests()
        for _ in 0..<60 { simulcast.frame() }
        #expect(simulcast.sources == [1])
        #expect(simulcast.publisher.requests.isEmpty)
    }

    @Test func fortySwitchesLeaveNoTrace() throws {
        let simulcast = try Simulcast()
        simulcast.frame(keys: [0, 1, 2])
        for round in 0..<40 {
            simulcast.isLive[0] = round % 2 == 0
            for frame in 0..<90 { simulcast.frame(keys: frame % 15 == 0 ? [0, 1, 2] : []) }
        }
        let sink = simulcast.sink
        #expect(simulcast.sources.count > 35)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 || $0 == 2 })
        #expect(sink.timestampSteps.allSatisfy { $0 >= 0 })
        #expect(continuousPictures(sink))
        // 3600 frames of 33 ms: output time has not run away from real time.
        let stamps = sink.sent.map(\.header.timestamp)
        let elapsed = Int64((stamps.last ?? 0) &- (stamps.first ?? 0)) / 90
        #expect(abs(elapsed - 3_600 * 33) < 2_000, "\(elapsed)")
    }
}

/// Whether the pictures a viewer got are numbered one after the other (RTP-29).
func continuousPictures(_ sink: FakeSink) -> Bool {
    var last: UInt16?
    var lastTimestamp: UInt32?
    for packet in sink.sent {
        guard let number = packet.picture?.pictureID else { return false }
        if let last, let lastTimestamp {
            let step = (number &- last) & 0x7FFF
            guard step == (packet.header.timestamp == lastTimestamp ? 0 : 1) else { return false }
        }
        last = number
        lastTimestamp = packet.header.timestamp
    }
    return true
}
