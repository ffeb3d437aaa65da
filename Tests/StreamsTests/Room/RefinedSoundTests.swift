import Codecs
import RTP
import Streams
import TestKit
import Testing
import Wire

/// PAY-41: sound that proves to be of another format than its publisher announced.
@Suite struct RefinedSoundTests {
    private static func aac(_ configuration: String?) -> TrackFormat {
        TrackFormat(
            codec: .otherAudio, channels: 2,
            parameters: configuration.map { [.init(name: "config", value: $0)] } ?? [],
            encodingName: "MPEG4-GENERIC", clockRate: 44_100)
    }

    private let harness = RoomHarness()

    private func refine(_ format: TrackFormat, generation: UInt32) {
        let room = harness.room
        harness.loop.run { room.onLoop { $0.refine(format, generation: generation) } }
    }

    @Test func whoGetsTheSoundIsEndedAndThePictureGoesOn() throws {
        try harness.publish(FakePublisher(1), [RoomHarness.vp8, Self.aac(nil)])
        let generation = try #require(harness.publication).generation
        let (watching, listening) = (FakeViewer(2), FakeViewer(3))
        let picture = try harness.join(watching)
        let sound = try harness.join(listening, [Self.aac(nil)])
        var video = VideoSource(ssrc: 7, timestamp: 90_000)
        _ = harness.deliver(video.frame(key: true, elapsedMilliseconds: 40))
        let before = picture.packets.count
        #expect(before > 0)

        refine(Self.aac("1210"), generation: generation &+ 1)
        #expect(harness.snapshot.formats == [RoomHarness.vp8, Self.aac(nil)], "of another publication")
        refine(Self.aac("1210"), generation: generation)
        #expect(harness.snapshot.formats == [RoomHarness.vp8, Self.aac("1210")])
        #expect(listening.ends == [.codecChanged] && watching.ends.isEmpty)
        // No keyframe is needed for the picture to go on.
        _ = harness.deliver(video.frame(key: false, elapsedMilliseconds: 40))
        #expect(picture.packets.count > before)

        // Who comes now gets it under its new description, and what says the same once more changes nothing.
        let later = FakeViewer(4)
        let heard = try harness.join(later, [Self.aac("1210")])
        refine(Self.aac("1210"), generation: generation)
        var audio = VideoSource(ssrc: 8, timestamp: 44_100)
        _ = harness.deliver([audio.packet([1, 2, 3], marker: true)], .audio)
        #expect(heard.packets.count == 1 && sound.packets.isEmpty && later.ends.isEmpty)
    }

    @Test func aPublisherThatWaitsIsKnownForWhatItIs() throws {
        try harness.publish(FakePublisher(1), [RoomHarness.vp8, Self.aac("1210")])
        try harness.publish(FakePublisher(2), [RoomHarness.vp8, Self.aac(nil)], isBackup: true)
        let waiting = try #require(harness.publication).generation
        refine(Self.aac("1190"), generation: waiting)
        #expect(harness.snapshot.formats == [RoomHarness.vp8, Self.aac("1210")])
        let room = harness.room
        harness.loop.run { room.onLoop { $0.unpublish(PeerID(1), reason: .stoppedByPublisher) } }
        for _ in 0..<40 { harness.advance(100) }
        #expect(harness.snapshot.formats == [RoomHarness.vp8, Self.aac("1190")])
    }
}
