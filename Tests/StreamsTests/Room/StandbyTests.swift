import RTP
import Streams
import TestKit
import Testing
import Wire

/// Backup publishers: a room with a primary, publishers waiting behind it, and one viewer (WHEP-8, WHIP-14).
@Suite struct StandbyTests {
    /// One publisher that sends 30 frames a second for as long as it is told to.
    final class Camera {
        let publisher: FakePublisher
        let publication: Publication
        var source: VideoSource
        var isSending = true
        /// Whether it answers requests with a keyframe, as encoders do.
        var answersRequests = true

        init(_ number: UInt64, _ publication: Publication, _ publisher: FakePublisher) {
            self.publisher = publisher
            self.publication = publication
            source = VideoSource(
                ssrc: UInt32(number) * 1_000, sequenceNumber: UInt16(number) * 7_000,
                timestamp: UInt32(number) * 1_000_000_007, pictureID: UInt16(number) * 300)
        }
    }

    final class Stage {
        let harness: RoomHarness
        var cameras: [Camera] = []

        init(_ policy: RoomPolicy = RoomPolicy(), _ change: (inout StandbyPolicy) -> Void = { _ in }) {
            var policy = policy
            change(&policy.standby)
            harness = RoomHarness(policy)
        }

        @discardableResult
        func enter(
            _ number: UInt64, backup: Bool = false, _ formats: [TrackFormat] = [RoomHarness.vp8]
        ) throws(RoomError) -> Camera {
            let publisher = FakePublisher(number)
            let publication = try harness.publish(publisher, formats, isBackup: backup)
            cameras.append(Camera(number, publication, publisher))
            return cameras[cameras.count - 1]
        }

        func leave(_ camera: Camera) {
            camera.isSending = false
            harness.unpublish(camera.publisher, .connectionLost)
        }

        /// Lets time pass, frame by frame.
        func run(milliseconds: UInt64, keyframes: Bool = false) {
            for _ in 0..<(milliseconds / 33) {
                for camera in cameras where camera.isSending {
                    let wasAsked = camera.answersRequests && !camera.publisher.requests.isEmpty
                    camera.publisher.forgetRequests()
                    harness.deliver(camera.source.frame(key: wasAsked || keyframes), of: camera.publication)
                }
                for camera in cameras where !camera.isSending { _ = camera.source.frame() }
                harness.advance(33)
            }
        }

        var events: [String] { harness.log.events }
        var active: UInt64? { harness.snapshot.publisher?.value }
        var waiting: [UInt64] { harness.snapshot.standbys.map(\.value) }
    }

    private static func isContinuous(_ sink: FakeSink) -> Bool {
        let steps = sink.sequenceSteps
        // A frame cut off by the change of source leaves one number missing.
        return steps.allSatisfy { $0 == 1 || $0 == 2 } && steps.count { $0 == 2 } <= 4
            && sink.timestampSteps.allSatisfy { $0 >= 0 } && Set(sink.sent.map(\.header.ssrc)) == [42]
    }

    @Test func aBackupWaitsAndStandsInAtAKeyframeWhenTheActiveOneEnds() throws {
        let stage = Stage()
        let primary = try stage.enter(1)
        let backup = try stage.enter(2, backup: true)
        let viewer = FakeViewer(9)
        let sink = try stage.harness.join(viewer)
        stage.run(milliseconds: 1_000)
        #expect(stage.active == 1 && stage.waiting == [2])
        #expect(primary.publisher.replacements == 0)
        #expect(!sink.sent.isEmpty)
        sink.forget()

        stage.leave(primary)
        #expect(!backup.publisher.requests.isEmpty)
        #expect(stage.active == nil)
        stage.run(milliseconds: 1_000)
        #expect(stage.active == 2)
        #expect(sink.sent.first?.isKeyframeStart == true)
        #expect(Self.isContinuous(sink))
        #expect(viewer.ends.isEmpty)
        #expect(
            stage.events == [
                "started 1 VP8", "waits 2 VP8", "joined 9, 1", "viewer 9 gets 0", "stopped 1 connection_lost",
                "switched nobody to 2 ended",
            ])
        // With nobody waiting behind it, nothing is watched.
        stage.run(milliseconds: 500)
        backup.isSending = false
        stage.run(milliseconds: 60_000)
        #expect(stage.active == 2)
    }

    @Test func aFrozenPublisherIsReplacedAndShownAgainWhenItIsBack() throws {
        let stage = Stage { $0.returning = .afterNanoseconds(3_000_000_000) }
        let primary = try stage.enter(1)
        let backup = try stage.enter(2, backup: true)
        let viewer = FakeViewer(9)
        let sink = try stage.harness.join(viewer)
        stage.run(milliseconds: 1_000)
        primary.isSending = false
        stage.run(milliseconds: 1_700)
        #expect(stage.active == 1)
        stage.run(milliseconds: 900)
        #expect(stage.active == 2 && stage.waiting == [1])
        #expect(sink.goodbyes == 0)
        primary.isSending = true
        stage.run(milliseconds: 2_500)
        #expect(stage.active == 2)
        stage.run(milliseconds: 1_200)
        #expect(stage.active == 1 && stage.waiting == [2])
        #expect(Self.isContinuous(sink))
        #expect(viewer.ends.isEmpty && backup.publisher.replacements == 0)
        #expect(stage.events.suffix(2) == ["switched 1 to 2 silent", "switched 2 to 1 returned"])
    }

    @Test(arguments: [StandbyPolicy.Return.never, .afterNanoseconds(0)])
    func theWayBackIsAPolicy(_ returning: StandbyPolicy.Return) throws {
        let stage = Stage { $0.returning = returning }
        let first = try stage.enter(1)
        try stage.enter(2, backup: true)
        try stage.harness.join(FakeViewer(9))
        stage.run(milliseconds: 300)
        stage.leave(first)
        stage.run(milliseconds: 300)
        #expect(stage.active == 2)
        // The primary comes back in a session of its own, and nobody loses a picture while it starts.
        let again = try stage.enter(3)
        #expect(stage.active == 2 && stage.waiting == [3])
        #expect(again.publisher.replacements == 0)
        stage.run(milliseconds: 20_000)
        #expect(stage.active == (returning == .never ? 2 : 3))
        #expect(stage.waiting == (returning == .never ? [3] : [2]))
    }

    @Test func backupsAreBounded() throws {
        let stage = Stage { $0.maximumBackups = 2 }
        try stage.enter(1)
        try stage.enter(2, backup: true)
        try stage.enter(3, backup: true)
        #expect(throws: RoomError.tooManyBackups(limit: 2)) { try stage.enter(4, backup: true) }
        let none = Stage { $0.maximumBackups = 0 }
        try none.enter(1)
        #expect(throws: RoomError.tooManyBackups(limit: 0)) { try none.enter(2, backup: true) }
        // Who comes first is shown, whatever it asked for.
        try Stage().enter(1, backup: true)
    }

    @Test func everyFurtherPublisherWaitsWhereTheRoomSaysSo() throws {
        let stage = Stage { $0.everyFurtherPublisherWaits = true }
        let first = try stage.enter(1)
        try stage.enter(2)
        try stage.enter(3)
        #expect(stage.active == 1 && stage.waiting == [2, 3])
        #expect(first.publisher.replacements == 0)
    }

    @Test func aNewPrimaryReplacesThePrimaryAndLeavesBackupsAlone() throws {
        let stage = Stage()
        let first = try stage.enter(1)
        try stage.enter(2, backup: true)
        try stage.enter(3)
        #expect(stage.active == 3 && stage.waiting == [2])
        #expect(first.publisher.replacements == 1)
        // A primary that waits because it is silent is replaced where it stands.
        try stage.harness.join(FakeViewer(9))
        stage.cameras[2].isSending = false
        stage.run(milliseconds: 5_000)
        #expect(stage.active == 2 && stage.waiting == [3])
        try stage.enter(4)
        #expect(stage.active == 2 && stage.waiting == [4])
        #expect(stage.cameras[2].publisher.replacements == 1)
    }

    @Test func theNextBackupStandsInWhenTheFirstSendsNothing() throws {
        let stage = Stage()
        let primary = try stage.enter(1)
        let second = try stage.enter(2, backup: true)
        let third = try stage.enter(3, backup: true)
        try stage.harness.join(FakeViewer(9))
        second.isSending = false
        stage.run(milliseconds: 3_000)
        stage.leave(primary)
        #expect(second.publisher.requests.isEmpty && !third.publisher.requests.isEmpty)
        stage.run(milliseconds: 500)
        #expect(stage.active == 3 && stage.waiting == [2])
    }

    @Test func aBackupThatIgnoresRequestsStandsInAtItsOwnKeyframe() throws {
        let stage = Stage()
        let primary = try stage.enter(1)
        let backup = try stage.enter(2, backup: true)
        backup.answersRequests = false
        let sink = try stage.harness.join(FakeViewer(9))
        stage.run(milliseconds: 500)
        stage.leave(primary)
        sink.forget()
        stage.run(milliseconds: 2_000)
        #expect(stage.active == nil && sink.sent.isEmpty)
        stage.run(milliseconds: 33, keyframes: true)
        #expect(stage.active == 2 && sink.sent.first?.isKeyframeStart == true)
    }

    /// Encoders with a long distance between keyframes that ignore requests, such as OBS.
    @Test(arguments: [true, false])
    func aBackupThatIgnoresRequestsStandsInAtItsLastKeyframe(_ isSilence: Bool) throws {
        let stage = Stage()
        let primary = try stage.enter(1)
        let backup = try stage.enter(2, backup: true)
        backup.answersRequests = false
        let sink = try stage.harness.join(FakeViewer(9))
        stage.run(milliseconds: 33, keyframes: true)
        stage.run(milliseconds: 4_000)
        if isSilence { primary.isSending = false } else { stage.leave(primary) }
        if isSilence { stage.run(milliseconds: 2_000) }
        sink.forget()
        stage.run(milliseconds: 600)
        #expect(stage.active == 2 && stage.waiting == (isSilence ? [1] : []))
        #expect(sink.sent.first?.isKeyframeStart == true)
        // All that was sent since the keyframe, with two packets to a picture; then at the pace of the camera.
        stage.run(milliseconds: 1_000)
        let frames = (4_000 + 600 + 1_000 + (isSilence ? 2_000 : 0)) / 33
        #expect(abs(sink.sent.count - 2 * frames) <= 20)
        #expect(Self.isContinuous(sink))
        sink.forget()
        stage.run(milliseconds: 990)
        #expect(sink.sent.count == 60 && sink.timestampSteps.allSatisfy { $0 == 0 || $0 == 2_970 })
    }

    @Test func withoutAKeyframeCacheABackupStandsInAtItsNextKeyframe() throws {
        var policy = RoomPolicy()
        policy.cachesKeyframes = false
        let stage = Stage(policy)
        let primary = try stage.enter(1)
        let backup = try stage.enter(2, backup: true)
        backup.answersRequests = false
        let sink = try stage.harness.join(FakeViewer(9))
        stage.run(milliseconds: 33, keyframes: true)
        stage.run(milliseconds: 1_000)
        stage.leave(primary)
        sink.forget()
        stage.run(milliseconds: 2_000)
        #expect(stage.active == nil && sink.sent.isEmpty)
        stage.run(milliseconds: 33, keyframes: true)
        #expect(stage.active == 2 && sink.sent.first?.isKeyframeStart == true)
    }

    @Test func viewersOfARoomWhoseBackupsAllLeftWaitAndAreEnded() throws {
        let stage = Stage()
        let primary = try stage.enter(1)
        let backup = try stage.enter(2, backup: true)
        let viewer = FakeViewer(9)
        try stage.harness.join(viewer)
        stage.leave(backup)
        #expect(stage.events.last == "waited 2 connection_lost")
        stage.leave(primary)
        stage.harness.advance(9_900)
        #expect(viewer.ends.isEmpty)
        stage.harness.advance(200)
        #expect(viewer.ends == [.publisherGone])
        stage.harness.leave(viewer)
        #expect(stage.events.last == "emptied")
        #expect(stage.harness.loop.armedTimerCount == 0)
    }

    /// WHEP-9 over a switch.
    @Test func aBackupWithAnotherCodecEndsTheViewersThatCannotFollow() throws {
        let stage = Stage()
        let primary = try stage.enter(1)
        let backup = try stage.enter(2, backup: true, [RoomHarness.h264])
        let viewer = FakeViewer(9)
        try stage.harness.join(viewer)
        stage.leave(primary)
        // The beginning of an H264 keyframe: a sequence parameter set.
        let keyframe = backup.source.packet([0x67, 0x42, 0xE0, 0x1F, 0x8C], marker: false)
        stage.harness.deliver([keyframe], of: backup.publication)
        #expect(stage.active == 2)
        #expect(viewer.ends == [.codecChanged])
        #expect(stage.harness.log.tracks == ["added 1 VP8", "changed 1 VP8 to H264"])
    }

    /// DTX sends next to nothing in a pause of speech, and that is no silence to act on.
    @Test func aPauseInSpeechIsNoSilence() throws {
        let stage = Stage()
        let formats = [RoomHarness.opus]
        let speaker = try stage.enter(1, formats)
        let backup = try stage.enter(2, backup: true, formats)
        try stage.harness.join(FakeViewer(9), formats)
        func speak(_ camera: Camera) {
            stage.harness.deliver(
                [camera.source.packet([0xFC, 1], marker: false, payloadType: 111)], .audio, of: camera.publication)
        }
        for _ in 0..<100 {
            // 400 ms between comfort noise packets, and a pause of 14 s without any.
            speak(speaker)
            speak(backup)
            stage.harness.advance(400)
        }
        for _ in 0..<140 {
            speak(backup)
            stage.harness.advance(100)
        }
        #expect(stage.active == 1)
        // Sender reports are a sign of life.
        for second in 0..<60 {
            if second % 5 == 0 {
                let now = stage.harness.loop.now
                stage.harness.loop.run {
                    speaker.publication.onLoop {
                        $0.receive(
                            SenderReport(ssrc: 1, ntp: 1 << 32, timestamp: 0, packetCount: 0, octetCount: 0),
                            kind: .audio, layer: 0, at: now)
                    }
                }
            }
            speak(backup)
            stage.harness.advance(1_000)
        }
        #expect(stage.active == 1)
        for _ in 0..<16 {
            speak(backup)
            stage.harness.advance(1_000)
        }
        #expect(stage.active == 2)
    }

    @Test func aRoomThatIsClosedEndsThoseWhoWait() throws {
        let stage = Stage()
        let primary = try stage.enter(1)
        let backup = try stage.enter(2, backup: true)
        stage.harness.loop.run { stage.harness.room.onLoop { $0.close() } }
        #expect(primary.publisher.replacements == 1 && backup.publisher.replacements == 1)
        #expect(stage.harness.loop.armedTimerCount == 0)
    }

    /// The backup's clocks run while it waits: its sound arrives 300 ms late, and is shown beside the right picture
    /// from the first packet on (RTP-70).
    @Test func soundAndPictureOfABackupAreAlignedFromItsFirstPacketShown() throws {
        let stage = Stage()
        let formats = [RoomHarness.vp8, RoomHarness.opus]
        let primary = try stage.enter(1, formats)
        let backup = try stage.enter(2, backup: true, formats)
        let sink = try stage.harness.join(FakeViewer(9), formats)
        var video = VideoSource(ssrc: 21, timestamp: 5_000)
        var audio = VideoSource(ssrc: 22, sequenceNumber: 9, timestamp: 77_777)
        let loop = stage.harness.loop
        for frame in 0..<60 {
            if frame == 40 { stage.leave(primary) }
            // Captured at the same moment: a frame, and the packet of sound that comes 300 ms later.
            let wasAsked = !backup.publisher.requests.isEmpty
            backup.publisher.forgetRequests()
            stage.harness.deliver(
                video.frame(key: wasAsked, packets: 1, elapsedMilliseconds: 40), of: backup.publication)
            audio.timestamp &+= 40 * 48
            if frame >= 8 {
                var late = audio
                late.timestamp &-= 300 * 48
                stage.harness.deliver(
                    [late.packet([0xFC, 1], marker: false, payloadType: 111)], .audio, of: backup.publication)
                audio.sequenceNumber &+= 1
            }
            if frame % 10 == 9 {
                let ntp = (UInt64(1_000) << 32) + UInt64(frame) * (UInt64(1) << 32) / 25
                let (now, publication) = (loop.now, backup.publication)
                for (kind, stamp) in [(MediaKind.video, video.timestamp), (.audio, audio.timestamp)] {
                    let report = SenderReport(ssrc: 1, ntp: ntp, timestamp: stamp, packetCount: 1, octetCount: 1)
                    loop.run { publication.onLoop { $0.receive(report, kind: kind, layer: 0, at: now) } }
                }
            }
            stage.harness.advance(40)
        }
        #expect(stage.active == 2)
        let reports = sink.reports()
        let picture = try #require(reports.first { $0.ssrc == 42 })
        let sound = try #require(reports.first { $0.ssrc == 43 })
        let lastPicture = try #require(sink.sent.last { $0.header.ssrc == 42 })
        let lastSound = try #require(sink.sent.last { $0.header.ssrc == 43 })
        func milliseconds(_ packet: SentPacket, _ report: SenderReport, _ rate: Double) -> Double {
            let ticks = Double(Int32(bitPattern: packet.header.timestamp &- report.timestamp))
            return Double(report.ntp &- ManualLoop.ntpAtStart) / 4_294_967.296 + ticks * 1_000 / rate
        }
        // The last packet of sound was captured 300 ms before the last picture.
        let apart = milliseconds(lastPicture, picture, 90_000) - milliseconds(lastSound, sound, 48_000)
        #expect(abs(apart - 300) < 5, "\(apart)")
    }
}
