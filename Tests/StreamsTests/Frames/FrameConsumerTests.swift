import Codecs
import RTP
import Streams
import Synchronization
import TestKit
import Testing
import Wire

/// Frames are put together for those who take them, and as long as there are any.
@Suite struct FrameConsumerTests {
    private final class Recorder: FrameConsumer {
        private let state = Mutex((frames: [FrameAssembler.Frame](), formats: [Codec]()))

        func formatChanged(_ format: TrackFormat, of track: TrackID) {
            state.withLock { $0.formats.append(format.codec) }
        }

        func received(_ frame: FrameAssembler.Frame, of track: TrackID) { state.withLock { $0.frames.append(frame) } }

        var frames: [FrameAssembler.Frame] { state.withLock { $0.frames } }
        var formats: [Codec] { state.withLock { $0.formats } }
    }

    @Test func aConsumerGetsFramesFromTheNextOnAndNoneAfterItHasGone() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        var source = VideoSource(ssrc: 7)
        let track = harness.room.track(.video)
        func statistics() -> FrameAssembler.Statistics? { harness.loop.run { track.onLoop { $0.frameStatistics } } }
        harness.deliver(source.frame(key: true))
        #expect(statistics() == nil)

        let recorder = Recorder()
        harness.loop.run { track.onLoop { $0.addFrameConsumer(recorder, PeerID(9)) } }
        for index in 0..<10 {
            var packets = source.frame(key: index == 5, packets: 3)
            // PAY-4: of a frame that is not whole nothing comes.
            if index == 3 { packets.remove(at: 1) }
            harness.deliver(packets)
            harness.advance(300)
        }
        #expect(recorder.formats == [.vp8])
        #expect(recorder.frames.count == 9)
        #expect(recorder.frames.firstIndex { $0.unit.isKeyframe } == 4)
        let steps = zip(recorder.frames, recorder.frames.dropFirst()).map { $1.presentationTime - $0.presentationTime }
        #expect(steps.allSatisfy { $0 == 33 * 90 || $0 == 66 * 90 })
        #expect(statistics()?.lost == 1)
        #expect(recorder.frames.allSatisfy { $0.decodingTime == $0.presentationTime })

        // A restart is another publication with times of its own.
        try harness.publish(FakePublisher(2))
        var other = VideoSource(ssrc: 8, sequenceNumber: 5)
        harness.deliver(other.frame(key: true))
        #expect(recorder.formats == [.vp8, .vp8])
        #expect(recorder.frames.count == 10)

        harness.loop.run { track.onLoop { $0.removeFrameConsumer(PeerID(9)) } }
        #expect(statistics() == nil)
        harness.deliver(other.frame())
        #expect(recorder.frames.count == 10)
    }
}
