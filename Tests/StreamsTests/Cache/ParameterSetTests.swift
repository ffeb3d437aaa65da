import Codecs
import RTP
import TestKit
import Testing
import Wire

@testable import Streams

/// RTP-65, PAY-8: parameter sets of the description or of an earlier keyframe go before a keyframe without.
@Suite struct ParameterSetTests {
    // 320x240 baseline.
    static let sps: [UInt8] = [
        0x67, 0x42, 0xC0, 0x1F, 0xDA, 0x05, 0x07, 0xE8, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0C, 0x23,
    ]
    static let pps: [UInt8] = [0x68, 0xCE, 0x3C, 0x80]
    static let slice: [UInt8] = [0x41, 0x9A, 1, 2, 3]
    static let keySlice: [UInt8] = [0x65, 0x88, 1, 2, 3]
    static let aggregate: [UInt8] = {
        var payload: [UInt8] = [0x78]
        for unit in [sps, pps] {
            payload.append(bigEndian: UInt16(unit.count))
            payload += unit
        }
        return payload
    }()

    final class Scene {
        let harness = RoomHarness()
        var source = VideoSource(ssrc: 7)

        init(_ announced: [[UInt8]] = []) throws {
            try harness.publish(
                FakePublisher(1), [RoomHarness.h264], parameterSets: announced, answersKeyframeRequests: false)
        }

        func frame(_ payloads: [UInt8]...) {
            source.timestamp &+= 3_000
            harness.deliver(
                payloads.indices.map { source.packet(payloads[$0], marker: $0 == payloads.count - 1) })
            harness.advance(33)
        }
    }

    @Test func setsOfTheDescriptionGoBeforeTheFirstKeyframe() throws {
        let scene = try Scene([Self.pps, Self.sps])
        let viewer = FakeViewer(2)
        let sink = try scene.harness.join(viewer, [RoomHarness.h264], repair: .sameStream)
        scene.frame(Self.slice)
        #expect(sink.packets.isEmpty)
        scene.frame(Self.keySlice, Self.slice)
        scene.frame(Self.slice)
        #expect(sink.sent.map(\.payload) == [Self.aggregate, Self.keySlice, Self.slice, Self.slice])
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(sink.timestampSteps == [0, 0, 3_000])
        #expect(sink.sent.map(\.header.marker) == [false, false, true, true])

        // It can be asked for again like any other packet.
        let first = sink.packets[0]
        scene.harness.sendAgain([sink.sent[0].header.sequenceNumber], to: viewer)
        #expect(sink.packets.last == first)

        // Whoever has them is not given them again.
        let count = sink.packets.count
        scene.frame(Self.keySlice)
        #expect(sink.packets.count == count + 1)
        #expect(scene.harness.statistics.packetsHeldBack == 1)
    }

    @Test func setsOfTheStreamAreKept() throws {
        let scene = try Scene()
        scene.frame(Self.sps, Self.pps, Self.keySlice)
        scene.frame(Self.slice)
        scene.frame(Self.keySlice)
        scene.frame(Self.slice)
        scene.harness.advance(400)
        let sink = try scene.harness.join(FakeViewer(2), [RoomHarness.h264])
        scene.harness.advance(300)
        #expect(sink.sent.map(\.payload) == [Self.aggregate, Self.keySlice, Self.slice])
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
    }

    @Test(arguments: [true, false])
    func keyframesWithSetsAreLeftAlone(_ aggregated: Bool) throws {
        let scene = try Scene([Self.sps, Self.pps])
        let sink = try scene.harness.join(FakeViewer(2), [RoomHarness.h264])
        if aggregated {
            scene.frame(Self.aggregate, Self.keySlice)
        } else {
            scene.frame(Self.sps, Self.pps, Self.keySlice)
        }
        #expect(sink.packets.count == (aggregated ? 2 : 3))
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
    }

    /// The packet with the sets was lost on the way to the server and comes after the keyframe it belongs to.
    @Test func setsThatComeLateDoNotComeTwice() throws {
        let scene = try Scene([Self.sps, Self.pps])
        let sink = try scene.harness.join(FakeViewer(2), [RoomHarness.h264])
        let late = scene.source.packet(Self.aggregate, marker: false)
        let keyframe = scene.source.packet(Self.keySlice, marker: true)
        scene.harness.deliver([keyframe])
        scene.harness.deliver([late])
        #expect(sink.sent.map(\.payload) == [Self.aggregate, Self.keySlice])
        #expect(sink.sequenceSteps == [1])
    }

    @Test func everyLayerHasSetsOfItsOwn() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1), [RoomHarness.h264], layers: 2, parameterSets: [Self.sps, Self.pps])
        let sink = try harness.join(FakeViewer(2), [RoomHarness.h264])
        var source = VideoSource(ssrc: 7)
        harness.deliver([source.packet(Self.keySlice, marker: true)])
        #expect(sink.sent.map(\.payload) == [Self.keySlice], "announced sets may be another layer's")
    }
}
