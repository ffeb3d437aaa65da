import RTP
import Streams
import TestKit
import Testing
import Wire

/// One layer of video to viewers whose links do not carry it, on virtual time.
@Suite struct CongestionTests {
    private static let ownStream = DownTrackFormat.Repair.ownStream(
        payloadType: 101, ssrc: CongestedViewer.repairSSRC, firstSequenceNumber: 9)

    /// N6 (RTP-97): a source of 2.5 Mbit/s and a link of 1 Mbit/s.
    @Test func aSlowViewerKeepsItsAudioAndGetsWholeFramesWithPauses() throws {
        let room = try CongestedRoom()
        let viewer = try room.join(EmulatedLink(bitsPerSecond: 1_000_000), repair: Self.ownStream)
        room.run(seconds: 30)
        let start = Instant.seconds(1_005)
        #expect(Double(viewer.audioReceived) > 0.99 * Double(room.audioSent))
        #expect(viewer.sink.link.longestAudioGap < 300)
        #expect(viewer.shown.count > 80, "\(viewer.shown.count) frames shown")
        #expect(viewer.longestFreeze(after: start) < 6_000, "frozen for \(viewer.longestFreeze(after: start)) ms")
        #expect(viewer.sink.link.queueDelay(percentile: 0.95, after: start) < 150)
        // The publisher's other viewers pay for each.
        #expect(room.keyframes <= 20, "\(room.keyframes) keyframes")
    }

    /// WHEP-12, RTP-99: one viewer at 200 kbit/s and nine good ones.
    @Test func oneSlowViewerChangesNothingForTheOthers() throws {
        let room = try CongestedRoom()
        let slow = try room.join(EmulatedLink(bitsPerSecond: 200_000), repair: Self.ownStream)
        let others = try (0..<9).map { index in
            try room.join(
                EmulatedLink(bitsPerSecond: 20_000_000, seed: UInt64(index + 2)), repair: Self.ownStream)
        }
        room.run(seconds: 20)
        for viewer in others {
            #expect(viewer.shown.count >= room.framesSent - 3)
            #expect(viewer.longestFreeze(after: .seconds(1_001)) < 120)
            #expect(viewer.sink.controller.snapshot.pacer.framesRefused == 0)
        }
        // What comes at once before anything is known of so small a link is lost.
        #expect(Double(slow.audioReceived) > 0.9 * Double(room.audioSent))
        #expect(room.keyframes <= 14, "\(room.keyframes) keyframes")
    }

    /// RTP-97: refused frames cost no sequence numbers, and what follows begins with a keyframe.
    @Test func refusedFramesLeaveNoGap() throws {
        let harness = RoomHarness()
        let publisher = FakePublisher(1)
        try harness.publish(publisher)
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 1)
        harness.deliver(source.frame(key: true))
        harness.deliver(source.frame())
        sink.admitsFrames = false
        for _ in 0..<5 { harness.deliver(source.frame()) }
        // The decision is the frame's: its second packet does not pass because room has come.
        let split = source.frame()
        harness.deliver([split[0]])
        sink.admitsFrames = true
        harness.deliver([split[1]])
        #expect(sink.packets.count == 4)
        publisher.forgetRequests()
        // Its player's complaints make no keyframe while there is no room for one.
        harness.loop.run { harness.room.track(.video).onLoop { $0.pictureLost(by: PeerID(2)) } }
        #expect(publisher.requests.isEmpty)
        sink.requestsKeyframes = true
        harness.deliver(source.frame(key: true))
        harness.deliver(source.frame())
        #expect(sink.packets.count == 8)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        let pictures = sink.sent.compactMap(\.picture?.pictureID)
        #expect(zip(pictures, pictures.dropFirst()).allSatisfy { $1 &- $0 <= 1 })
    }

    /// RTP-97: a packet that comes late is decided as its frame was.
    @Test func latePacketsFollowTheirFrame() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 1)
        harness.deliver(source.frame(key: true))
        let admitted = source.frame()
        harness.deliver([admitted[0]])
        sink.admitsFrames = false
        let refused = source.frame()
        harness.deliver([refused[0], admitted[1]])
        #expect(sink.packets.count == 4)
        sink.admitsFrames = true
        harness.deliver(source.frame(key: true))
        harness.deliver([refused[1]])
        #expect(sink.packets.count == 6)
    }

    /// The same when its frame was held back before frames were sent again, and others are held back now.
    @Test func latePacketsFollowTheirFrameOverSeveralPauses() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 1)
        harness.deliver(source.frame(key: true))
        var late: [[UInt8]] = []
        for _ in 0..<3 {
            sink.admitsFrames = false
            let refused = source.frame(packets: 3)
            harness.deliver([refused[1]])
            late += [refused[0], refused[2]]
            sink.admitsFrames = true
            harness.deliver(source.frame(key: true))
        }
        sink.admitsFrames = false
        harness.deliver(source.frame())
        let sent = sink.packets.count
        harness.deliver(late)
        #expect(sink.packets.count == sent)
        let pictures = sink.sent.compactMap(\.picture?.pictureID)
        #expect(zip(pictures, pictures.dropFirst()).allSatisfy { $1 &- $0 <= 1 })
    }

    /// Parameter sets that come late belong to the keyframe with which frames are sent again.
    @Test func lateParameterSetsFollowTheirKeyframe() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1), [RoomHarness.h264])
        let sink = try harness.join(FakeViewer(2), [RoomHarness.h264])
        var source = VideoSource(ssrc: 1)
        func frame(_ payloads: [[UInt8]]) -> [[UInt8]] {
            source.timestamp &+= 3_000
            return payloads.indices.map { source.packet(payloads[$0], marker: $0 == payloads.count - 1) }
        }
        harness.deliver(frame([ParameterSetTests.aggregate, ParameterSetTests.keySlice]))
        sink.admitsFrames = false
        harness.deliver(frame([ParameterSetTests.slice]))
        sink.admitsFrames = true
        let key = frame([ParameterSetTests.aggregate, ParameterSetTests.keySlice])
        harness.deliver([key[1]])
        harness.deliver(frame([ParameterSetTests.slice]))
        harness.deliver([key[0]])
        #expect(
            sink.sent.map(\.payload).dropFirst(2)
                == [ParameterSetTests.keySlice, ParameterSetTests.slice, ParameterSetTests.aggregate])
        #expect(sink.sent.map(\.header.sequenceNumber).sorted() == Array(200...204))
    }

    /// PROP-1: of a keyframe whose end was held back before its start came, nothing is sent: it would look whole.
    @Test func aKeyframeWhoseEndIsGoneDoesNotPass() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 1)
        harness.deliver(source.frame(key: true))
        sink.admitsFrames = false
        harness.deliver(source.frame())
        let broken = source.frame(key: true, packets: 3)
        sink.admitsFrames = true
        // Only a keyframe is admitted again, as transports have it; the first that comes does not look like one.
        sink.admitsKeyframesOnly = true
        harness.deliver([broken[1]])
        harness.deliver([broken[0], broken[2]])
        #expect(sink.packets.count == 2)
        harness.deliver(source.frame(key: true))
        #expect(sink.packets.count == 4)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(sink.sent.last?.picture?.pictureID == sink.sent.first?.picture?.pictureID.map { $0 + 1 })
    }

    /// PROP-5, RTP-46: whatever is lost and asked for again, no packet is encrypted in two shapes.
    @Test(arguments: [true, false])
    func noNumberIsEverUsedForTwoPackets(_ hasOwnStream: Bool) throws {
        let room = try CongestedRoom()
        var link = EmulatedLink(bitsPerSecond: 1_500_000)
        link.randomLoss = 0.05
        let viewer = try room.join(
            link, repair: hasOwnStream ? Self.ownStream : .sameStream, numbersPackets: hasOwnStream)
        viewer.sink.checksReuse = true
        if hasOwnStream { viewer.sink.wantsVideo(bitsPerSecond: 5_000_000) }
        room.run(seconds: 10)
        #expect(viewer.sink.reuses == 0)
        #expect(viewer.sink.sent[.retransmission] ?? 0 > 100)
        #expect(!hasOwnStream || viewer.sink.controller.snapshot.repairsRefused < 2_000)
    }

    /// RTP-47: repairs of a bad link leave room for what is new.
    @Test func repairsTakeABoundedShareOfASmallLink() throws {
        let room = try CongestedRoom()
        var link = EmulatedLink(bitsPerSecond: 1_000_000)
        link.randomLoss = 0.3
        let viewer = try room.join(link, repair: Self.ownStream)
        room.run(seconds: 20)
        let repairs = Double(viewer.sink.sent[.retransmission] ?? 0)
        let video = Double(viewer.sink.sent[.video] ?? 0)
        #expect(repairs < 0.6 * (repairs + video))
        #expect(video > 200)
    }
}

/// A publisher of 2.5 Mbit/s of VP8 at 30 frames a second and 50 audio packets, which makes a keyframe when asked.
private final class CongestedRoom {
    private let harness = RoomHarness()
    private let publisher = FakePublisher(1)
    private var video: VideoSource
    private var audio = VideoSource(ssrc: 2)
    private var viewers: [CongestedViewer] = []
    private var lastKeyframe = Instant(nanoseconds: 0)
    private(set) var keyframes = 0
    private(set) var framesSent = 0
    private(set) var audioSent = 0
    var now: Instant { harness.loop.now }

    init() throws {
        video = VideoSource(ssrc: 1)
        video.size = 1_130
        try harness.publish(publisher, [RoomHarness.vp8, RoomHarness.opus])
    }

    func join(
        _ link: EmulatedLink, repair: DownTrackFormat.Repair?, numbersPackets: Bool = true
    ) throws -> CongestedViewer {
        let viewer = try CongestedViewer(
            UInt64(10 + viewers.count), link, in: harness, repair: repair, numbersPackets: numbersPackets)
        viewers.append(viewer)
        return viewer
    }

    func run(seconds: Int) {
        for millisecond in 0..<seconds * 1_000 {
            if millisecond % 33 == 0 { sendFrame() }
            if millisecond % 20 == 0 { sendAudio() }
            harness.advance(1)
            for viewer in viewers { viewer.advance() }
        }
    }

    private func sendFrame() {
        // Not two within half a second, as the server asks no more often.
        let isKey =
            framesSent == 0 || !publisher.requests.isEmpty && harness.loop.now.milliseconds(since: lastKeyframe) >= 500
        if isKey {
            publisher.forgetRequests()
            lastKeyframe = harness.loop.now
            keyframes += 1
        }
        framesSent += 1
        for packet in video.frame(key: isKey, packets: isKey ? 45 : 9) { harness.deliver([packet]) }
    }

    private func sendAudio() {
        audioSent += 1
        audio.timestamp &+= 960
        let packet = audio.packet(Array(repeating: 7, count: 100), marker: false, payloadType: 111)
        harness.deliver([packet], .audio)
    }
}
