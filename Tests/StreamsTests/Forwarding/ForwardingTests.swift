import Codecs
import RTP
import Streams
import TestKit
import Testing
import Wire

@Suite struct ForwardingTests {
    @Test func aViewerGetsNothingBeforeAKeyframe() throws {
        let harness = RoomHarness()
        let publisher = FakePublisher(1)
        try harness.publish(publisher)
        let sink = try harness.join(FakeViewer(2))
        #expect(publisher.requests == [.init(kind: .video, layer: 0)])
        var source = VideoSource(ssrc: 7)
        for _ in 0..<5 {
            harness.deliver(source.frame())
            harness.advance(33)
        }
        #expect(sink.packets.isEmpty)
        #expect(publisher.requests.count == 6)
        #expect(harness.deliver(source.frame(key: true)) == [true, false])
        harness.deliver(source.frame())
        let sent = sink.sent
        #expect(sent.count == 4)
        #expect(sent.first?.isKeyframeStart == true)
        #expect(sent.allSatisfy { $0.header.ssrc == 42 && $0.header.payloadType == 100 })
        // Only the low 15 bits of the random start are used, so that SRTP counts its roll-overs from 0.
        #expect(sent.first?.header.sequenceNumber == 200)
        #expect(sent.first?.header.timestamp == 4_294_900_000)
        #expect(sent.map(\.header.marker) == [false, true, false, true])
        #expect(harness.statistics.packetsHeldBack == 10)
        #expect(publisher.requests.count == 6, "who has a keyframe asks for none")
    }

    @Test func joiningLateStartsAtTheNextKeyframe() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let first = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 7)
        harness.deliver(source.frame(key: true))
        let second = try harness.join(FakeViewer(3))
        harness.deliver(source.frame())
        harness.deliver(source.frame(key: true))
        #expect(first.packets.count == 6)
        #expect(second.packets.count == 2)
        #expect(second.sent.first?.isKeyframeStart == true)
    }

    @Test func paddingIsDroppedWithoutAGap() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 7)
        harness.deliver([source.padding()])
        harness.deliver(source.frame(key: true))
        for _ in 0..<20 {
            harness.deliver([source.padding(), source.padding()] + source.frame() + [source.padding()])
            harness.advance(33)
        }
        #expect(sink.packets.count == 42)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
    }

    @Test func lossAndReorderingArriveAsTheyWere() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 7, sequenceNumber: 65_530)
        var packets = source.frame(key: true, packets: 10)
        packets.remove(at: 7)
        packets.swapAt(4, 5)
        harness.deliver(packets + [packets[3]])
        #expect(sink.sent.map { $0.header.sequenceNumber } == [200, 201, 202, 203, 205, 204, 206, 208, 209])
        #expect(harness.statistics.packetsHeldBack == 1)
    }

    /// RTP-10: what one viewer gets is a copy; nobody's change reaches the source or another viewer.
    @Test func aHundredViewersGetTheSamePayloadUnchanged() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1), [RoomHarness.opus])
        let sinks = try (0..<100).map { try harness.join(FakeViewer(UInt64(10 + $0)), [RoomHarness.opus]) }
        var random = SplitMix64(seed: 3)
        var source = VideoSource(ssrc: 9)
        let packets = (0..<50).map { _ in
            source.packet([0xFC] + random.bytes(80), marker: false, payloadType: 111)
        }
        let before = packets
        harness.deliver(packets, .audio)
        #expect(packets == before)
        for sink in sinks {
            #expect(sink.sent.map(\.payload) == packets.map { Array($0[12...]) })
            #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        }
        #expect(harness.snapshot.packetsSent == 5_000)
    }

    @Test func aClosedTransportCountsAsRefused() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        let other = try harness.join(FakeViewer(3))
        sink.isOpen = false
        var source = VideoSource(ssrc: 7)
        harness.deliver(source.frame(key: true))
        #expect(harness.statistics.packetsRefused == 2)
        #expect(harness.statistics.packetsSent == 2)
        #expect(other.packets.count == 2)
        sink.isOpen = true
        harness.deliver(source.frame())
        #expect(sink.packets.count == 2)
    }

    @Test func packetsOfAnEarlierPublicationAreIgnored() throws {
        let harness = RoomHarness()
        let old = try harness.publish(FakePublisher(1))
        try harness.publish(FakePublisher(2))
        let sink = try harness.join(FakeViewer(3))
        var source = VideoSource(ssrc: 7)
        #expect(harness.deliver(source.frame(key: true), of: old) == [false, false])
        harness.deliver(source.frame(key: true), layer: 5)
        #expect(sink.packets.isEmpty)
        #expect(harness.statistics.packetsReceived == 0)
    }

    @Test func anOversizedRunIsForwardedInParts() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 7)
        source.size = 1_100
        harness.deliver(source.frame(key: true, packets: 1_500))
        #expect(sink.packets.count == 1_500)
        #expect(harness.statistics.packetsOverflowed == 0)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
    }

    @Test func hostilePayloadsNeverTrap() throws {
        var random = SplitMix64(seed: 11)
        for codec in [Codec.vp8, .vp9, .h264, .h265, .av1] {
            let format = TrackFormat(codec: codec)
            let harness = RoomHarness()
            try harness.publish(FakePublisher(1), [format], layers: 3)
            let sink = try harness.join(FakeViewer(2), [format])
            var source = VideoSource(ssrc: 7)
            for round in 0..<3_000 {
                source.timestamp &+= 3_000
                let payload = random.bytes(Int.random(in: 0...24, using: &random))
                if round % 50 == 0 { source.sequenceNumber &+= UInt16.random(in: 0...40_000, using: &random) }
                harness.deliver([source.packet(payload, marker: round % 3 == 0)], layer: round % 3)
                if round % 10 == 0 { harness.advance(10) }
            }
            #expect(sink.packets.count <= 3_000)
        }
    }
}
