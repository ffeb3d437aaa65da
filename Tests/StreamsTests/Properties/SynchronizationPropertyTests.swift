import RTP
import TestKit
import Testing
import Wire

@testable import Streams

@Suite struct SynchronizationPropertyTests {
    /// PROP-8: when half of a publisher's sender reports turn wrong by up to a second, picture and sound do not move apart
    /// by more than 40 ms.
    @Test(arguments: 0..<4 as Range<UInt64>)
    func wrongReportsDoNotMoveTheSync(_ seed: UInt64) throws {
        var random = SplitMix64(seed: 800 + seed)
        let harness = RoomHarness()
        let publication = try harness.publish(FakePublisher(1), [RoomHarness.vp8, RoomHarness.opus])
        let viewer = FakeViewer(2)
        let sink = SyncSink()
        try harness.join(viewer, sink)
        var source = ClockedSource(startingAt: harness.loop.now, random: &random)
        source.videoDrift = 30
        source.audioDrift = -40
        var worst = 0.0
        var packets = 0
        var reports = 0
        var tick: UInt64 = 0
        let goodSeconds: UInt64 = 20
        while packets < ForwardingPropertyTests.packets / 4 {
            let now = harness.loop.now
            sink.captured = now
            if tick % 2 == 0 {
                harness.deliver([source.picture(key: tick % 200 == 0, at: now)], .video, of: publication)
                packets += 1
            }
            harness.deliver([source.sound(at: now)], .audio, of: publication)
            packets += 1
            if tick % 50 == 25 {
                for kind in [MediaKind.video, .audio] {
                    let isWrong = tick / 50 >= goodSeconds && random.next() % 2 == 0
                    let error = isWrong ? Double.random(in: -1...1, using: &random) : 0
                    let report = source.report(kind, at: now, errorSeconds: error)
                    harness.loop.run {
                        publication.onLoop { $0.receive(report, kind: kind, layer: 0, at: now) }
                    }
                }
            }
            harness.advance(UInt64.random(in: 15...25, using: &random))
            tick += 1
            if tick % 50 == 0, let skew = sink.skewMilliseconds {
                reports += 1
                worst = max(worst, abs(skew))
            }
        }
        print("seed \(seed): \(packets) packets, \(reports) looks at the reports, at worst \(worst) ms apart")
        #expect(reports > packets / 200)
        #expect(worst <= 40)
    }
}

extension RoomHarness {
    /// Lets a viewer in that gets video and audio into one sink and may ask for packets again.
    func join(_ viewer: FakeViewer, _ sink: SyncSink) throws {
        try loop.run { try room.onLoop { try $0.join(viewer) } }
        for format in [Self.vp8, Self.opus] {
            let isVideo = format.kind == .video
            var wanted = DownTrackFormat(
                track: format, payloadType: isVideo ? 100 : 109, ssrc: isVideo ? SyncSink.video : SyncSink.audio,
                extensions: HeaderExtensionMap(), mid: [], firstSequenceNumber: 200, firstTimestamp: 4_294_900_000,
                canonicalName: "viewer")
            if isVideo { wanted.repair = .ownStream(payloadType: 101, ssrc: 44, firstSequenceNumber: 1) }
            let added = loop.run { [room, wanted] in
                room.track(format.kind).onLoop {
                    $0.add(DownTrack(viewer: viewer.peerID, format: wanted, sink: sink))
                }
            }
            if !added { throw RoomError.closed }
        }
    }
}
