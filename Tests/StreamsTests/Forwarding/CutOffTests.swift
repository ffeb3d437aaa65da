import ICE
import RTP
import TestKit
import Testing
import WebRTC
import Wire

@testable import Streams

/// SRTP-3, PROP-4: what a viewer cannot be sent uses up no sequence numbers.
@Suite struct CutOffTests {
    @Test func nothingIsNumberedWhileNothingCanBeSent() throws {
        let harness = RoomHarness()
        let publisher = FakePublisher(1)
        try harness.publish(publisher, [RoomHarness.vp8, RoomHarness.opus])
        let sink = try harness.join(FakeViewer(2), [RoomHarness.vp8, RoomHarness.opus])
        var video = VideoSource(ssrc: 1)
        var audio = VideoSource(ssrc: 2)
        func play(key: Bool = false) {
            harness.deliver(video.frame(key: key))
            audio.timestamp &+= 1_600
            harness.deliver([audio.packet([0xFC, 1], marker: false, payloadType: 111)], .audio)
            harness.advance(33)
        }
        play(key: true)
        play()
        sink.canSend = false
        sink.admitsFrames = false
        let before = sink.sent.count
        for _ in 0..<100 { play() }
        #expect(sink.sent.count == before)
        // It is back: sound at once, picture with the keyframe that is asked for.
        publisher.forgetRequests()
        sink.canSend = true
        sink.requestsKeyframes = true
        play()
        #expect(!publisher.requests.isEmpty)
        sink.admitsFrames = true
        sink.requestsKeyframes = false
        play(key: true)
        for ssrc in [42, 43] as [UInt32] {
            let numbers = sink.sent.filter { $0.header.ssrc == ssrc }.map(\.header.sequenceNumber)
            #expect(numbers.count > 3)
            #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $1 &- $0 == 1 })
        }
        #expect(sink.sent.last { $0.header.ssrc == 42 }?.header.marker == true)
    }

    /// A black hole of 40 s at 2,000 packets a second, over the transports: what goes into the hole before consent is lost
    /// is all that the viewer misses, and its SRTP goes on.
    @Test(arguments: [15, 60] as [UInt64])
    func aLongBlackHoleLeavesAJumpThatSRTPFollows(_ consentSeconds: UInt64) throws {
        var limits = ICELimits(consentSeconds: consentSeconds)
        limits.graceSeconds = 60
        var camera = Camera(ssrc: QualityPath.publisherSSRC, bitsPerSecond: 1_600_000)
        camera.largestPayload = 100
        let path = try QualityPath(cameras: [camera], limits: limits)
        path.run(milliseconds: 2_000)
        var conditions = NetworkConditions()
        conditions.isBlackHole = true
        path.downlink.setBoth(conditions)
        let before = path.sink.videoNumbered
        path.run(milliseconds: 40_000)
        let jump = path.sink.videoNumbered - before
        print("SRTP-3: consent of \(consentSeconds) s, a jump of \(jump)")
        #expect(jump > 25_000 && jump < 32_768)
        #expect(path.downlink.engine.isConnected && !path.downlink.engine.canSend)
        path.downlink.setBoth(NetworkConditions())
        path.viewer.forget()
        path.run(milliseconds: 3_000)
        #expect(path.downlink.engine.canSend)
        #expect(path.viewer.player.shown > 60, "\(path.viewer.player.shown) pictures")
    }
}
