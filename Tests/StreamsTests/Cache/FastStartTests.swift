import Codecs
import RTP
import TestKit
import Testing
import Wire

@testable import Streams

/// Viewers who come late (RTP-60, RTP-63, WHIP-Q4): a publisher at 30 frames a second with few keyframes.
@Suite struct FastStartTests {
    /// What happened to a viewer: when each packet went out.
    final class Scene {
        let harness: RoomHarness
        let publisher = FakePublisher(1)
        var source = VideoSource(ssrc: 7)
        /// Milliseconds of the present frame that have passed.
        private var phase: UInt64 = 0
        /// Frames from one keyframe to the next.
        var keyframeInterval = 300
        private(set) var frames = 0
        var packetsPerFrame = 2
        /// When each packet of the sink was sent.
        private(set) var times: [Instant] = []

        init(_ policy: RoomPolicy = RoomPolicy(), answers: Bool = false) throws {
            harness = RoomHarness(policy)
            try harness.publish(publisher, answersKeyframeRequests: answers)
        }

        var now: Instant { harness.loop.now }

        func run(milliseconds: UInt64, watching sink: FakeSink? = nil) {
            for _ in 0..<milliseconds {
                if phase == 0 {
                    let isKey = frames % keyframeInterval == 0
                    harness.deliver(source.frame(key: isKey, packets: isKey ? packetsPerFrame * 4 : packetsPerFrame))
                    frames += 1
                }
                phase = (phase + 1) % 33
                harness.advance(1)
                if let sink { while times.count < sink.packets.count { times.append(now) } }
            }
        }

        func forgetTimes() { times = [] }
    }

    /// Design 4: the viewer gets everything from the keyframe on within a second, and is at the live edge then.
    @Test(arguments: [400, 3_000, 7_500])
    func aViewerOfAPublisherThatIgnoresRequestsBeginsAtOnce(_ age: UInt64) throws {
        let scene = try Scene()
        scene.run(milliseconds: age)
        let sink = try scene.harness.join(FakeViewer(2))
        let joined = scene.now
        #expect(sink.sent.first?.isKeyframeStart == true, "without a round trip, let alone a wait")
        #expect(scene.publisher.requests.isEmpty, "nobody is there to be asked")
        scene.run(milliseconds: 2_000, watching: sink)

        let sent = sink.sent
        let all = scene.frames * 2 + 6
        #expect(sent.count == all, "\(sent.count) of \(all)")
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(sink.timestampSteps.allSatisfy { $0 >= 0 })
        #expect(continuousPictures(sink))
        #expect(scene.harness.snapshot.fastStarts == 1)

        // To the player every packet arrives when its timestamp says, from the first one on.
        let first = try #require(sent.first)
        var worst: Int64 = 0
        for (packet, time) in zip(sent, scene.times).dropFirst(8) {
            let shown = Int64(packet.header.timestamp &- first.header.timestamp) / 90
            worst = max(worst, abs(time.milliseconds(since: joined) - shown))
        }
        #expect(worst <= 12, "jitter of \(worst) ms")
        // Eight tenths of a second later it is at the live edge: frames come as they are published.
        let live = zip(sent, scene.times).filter { $1.milliseconds(since: joined) > 850 }
        #expect(Set(live.map(\.0.header.timestamp)).count >= 34)
        #expect(zip(live, live.dropFirst()).allSatisfy { $1.0.header.timestamp &- $0.0.header.timestamp <= 33 * 90 })
    }

    /// RTP-70: reports speak of the live edge from the first one on, in the middle of the burst too.
    @Test func reportsAreRightForTheLiveEdge() throws {
        let scene = try Scene()
        scene.run(milliseconds: 5_000)
        let sink = try scene.harness.join(FakeViewer(2))
        scene.run(milliseconds: 3_500, watching: sink)
        let reports = sink.reports()
        let newest = try #require(sink.sent.last?.header.timestamp)
        #expect(reports.count >= 3)
        let start = scene.harness.loop.wallClock.instant
        for report in reports {
            // Where the report puts the newest frame, which was captured within the last frame interval.
            let age = Int64(Int32(bitPattern: newest &- report.timestamp)) / 90
            let reported = (Int64(bitPattern: report.ntp &- ManualLoop.ntpAtStart) * 1_000) >> 32
            let captured = reported + age
            #expect(abs(captured - scene.now.milliseconds(since: start)) <= 40)
        }
    }

    @Test func aPublisherThatAnswersIsWaitedFor() throws {
        let scene = try Scene(answers: true)
        scene.run(milliseconds: 5_000)
        let sink = try scene.harness.join(FakeViewer(2))
        #expect(scene.publisher.requests.count == 1)
        scene.run(milliseconds: 100)
        #expect(sink.packets.isEmpty)
        scene.keyframeInterval = scene.frames
        scene.run(milliseconds: 33)
        #expect(sink.sent.first?.isKeyframeStart == true)
        scene.run(milliseconds: 500)
        #expect(sink.packets.count < 50, "the fresh keyframe, nothing older")
        #expect(scene.harness.snapshot.fastStarts == 0)
        // One that answers again and again has its cached keyframe kept no longer than repairs need.
        scene.keyframeInterval = 10_000
        scene.run(milliseconds: 1_000)
        #expect(scene.harness.snapshot.keyframeCacheBytes > 0, "once may be chance")
        scene.harness.loop.run { scene.harness.room.onLoop { $0.track(.video).onLoop { $0.requestKeyframe() } } }
        scene.run(milliseconds: 100)
        scene.keyframeInterval = scene.frames
        scene.run(milliseconds: 33)
        scene.keyframeInterval = 10_000
        scene.run(milliseconds: 3_000)
        #expect(scene.harness.snapshot.keyframeCacheBytes == 0)
        #expect(scene.harness.snapshot.keyframeCacheOverflows == 0)
    }

    /// A keyframe that was due anyway is no answer, whoever asked just before it: the next viewer still begins at once.
    @Test(arguments: [false, true]) func aKeyframeThatWasDueIsNoAnswer(_ saysItAnswers: Bool) throws {
        let scene = try Scene(answers: saysItAnswers)
        // Each time somebody asks shortly before the next keyframe, every ten seconds.
        scene.run(milliseconds: 9_600)
        let first = try scene.harness.join(FakeViewer(2))
        scene.run(milliseconds: 5_000)
        scene.run(milliseconds: 4_900)
        scene.harness.loop.run { scene.harness.room.onLoop { $0.track(.video).onLoop { $0.requestKeyframe() } } }
        scene.run(milliseconds: 5_500)
        #expect(first.packets.count > 0)
        let late = try scene.harness.join(FakeViewer(3))
        scene.run(milliseconds: FastStart.patienceMilliseconds + 50)
        #expect(late.sent.first?.isKeyframeStart == true, "it need not wait for the next one")
    }

    @Test func aPublisherThatDoesNotAnswerInTimeIsNotWaitedFor() throws {
        let scene = try Scene(answers: true)
        scene.run(milliseconds: 5_000)
        let sink = try scene.harness.join(FakeViewer(2))
        scene.run(milliseconds: 199)
        #expect(sink.packets.isEmpty)
        scene.run(milliseconds: 2)
        #expect(sink.sent.first?.isKeyframeStart == true)
        scene.run(milliseconds: 2_000)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        // From now on it is known: the next viewer begins at once, and nobody is asked.
        scene.publisher.forgetRequests()
        let next = try scene.harness.join(FakeViewer(3))
        #expect(next.sent.first?.isKeyframeStart == true)
        #expect(scene.publisher.requests.isEmpty)
    }

    @Test func aYoungKeyframeIsAsGoodAsAFreshOne() throws {
        let scene = try Scene(answers: true)
        scene.run(milliseconds: 200)
        let sink = try scene.harness.join(FakeViewer(2))
        #expect(sink.sent.first?.isKeyframeStart == true)
        #expect(scene.publisher.requests.isEmpty)
    }

    @Test func withoutACacheViewersWaitForTheNextKeyframe() throws {
        let scene = try Scene(RoomPolicy(cachesKeyframes: false))
        scene.run(milliseconds: 5_000)
        let sink = try scene.harness.join(FakeViewer(2))
        scene.run(milliseconds: 4_000)
        #expect(sink.packets.isEmpty)
        scene.run(milliseconds: 1_500)
        #expect(sink.sent.first?.isKeyframeStart == true)
        // The setting can change while the room is open.
        scene.harness.loop.run { scene.harness.room.onLoop { $0.apply(RoomPolicy()) } }
        scene.run(milliseconds: 12_000)
        let late = try scene.harness.join(FakeViewer(3))
        #expect(late.sent.first?.isKeyframeStart == true)
    }

    @Test func aKeyframeThatLastsTooLongIsOfNoUse() throws {
        let scene = try Scene()
        scene.keyframeInterval = 600
        scene.run(milliseconds: 15_200)
        #expect(scene.harness.snapshot.keyframeCacheOverflows == 1)
        #expect(scene.harness.snapshot.keyframeCacheBytes == 0)
        let sink = try scene.harness.join(FakeViewer(2))
        scene.run(milliseconds: 4_000)
        #expect(sink.packets.isEmpty)
        scene.run(milliseconds: 1_000)
        #expect(sink.sent.first?.isKeyframeStart == true)
    }

    /// Nothing came since: it grew old without a packet to show it.
    @Test func aKeyframeOfAPublisherThatStoodStillIsOfNoUse() throws {
        let scene = try Scene()
        scene.run(milliseconds: 100)
        scene.harness.advance(16_000)
        let sink = try scene.harness.join(FakeViewer(2))
        #expect(sink.packets.isEmpty)
    }

    @Test func aKeyframeThatOutgrowsTheBoundIsOfNoUse() throws {
        let scene = try Scene()
        scene.source.size = 1_150
        scene.packetsPerFrame = 40
        scene.run(milliseconds: 7_000)
        #expect(scene.harness.snapshot.keyframeCacheOverflows == 1)
        let sink = try scene.harness.join(FakeViewer(2))
        #expect(sink.packets.isEmpty)
    }

    /// A large burst goes out in bounded portions.
    @Test func noTurnSendsMoreThanItsPortion() throws {
        let scene = try Scene()
        scene.packetsPerFrame = 12
        scene.run(milliseconds: 8_000)
        var sinks: [FakeSink] = []
        for number in 0..<40 { sinks.append(try scene.harness.join(FakeViewer(UInt64(number + 2)))) }
        var counts = sinks.map(\.packets.count)
        for _ in 0..<1_400 {
            scene.run(milliseconds: 1)
            let sent = zip(sinks, counts).map { $0.packets.count - $1 }
            #expect(sent.reduce(0, +) <= FastStart.totalPacketsPerInterval + 40 * 12)
            #expect((sent.max() ?? 0) <= FastStart.packetsPerInterval + 12)
            counts = sinks.map(\.packets.count)
        }
        #expect(Set(counts).count == 1)
        #expect(sinks.allSatisfy { $0.sequenceSteps.allSatisfy { $0 == 1 } })
    }

    /// A keyframe that comes while a viewer catches up saves the rest of the way.
    @Test func aNewKeyframeEndsTheBurst() throws {
        let scene = try Scene()
        scene.run(milliseconds: 9_800)
        let sink = try scene.harness.join(FakeViewer(2))
        scene.run(milliseconds: 1_000)
        let sent = sink.sent
        let second = try #require(sent.indices.dropFirst().first { sent[$0].isKeyframeStart })
        #expect(sent.count < scene.frames * 2)
        #expect(second > 20)
        #expect(sink.timestampSteps.allSatisfy { $0 >= 0 })
        // One number may be missing where a frame was cut off.
        #expect(sink.sequenceSteps.count { $0 == 2 } <= 1)
        #expect(sink.sequenceSteps.allSatisfy { $0 <= 2 })
        #expect(continuousPictures(sink))
    }

    @Test func aViewerThatLostItsPictureBeginsAgain() throws {
        let scene = try Scene()
        scene.run(milliseconds: 1_000)
        let viewer = FakeViewer(2)
        let sink = try scene.harness.join(viewer)
        scene.run(milliseconds: 5_000)
        let before = sink.packets.count
        scene.harness.pictureLost(viewer)
        #expect(sink.sent.dropFirst(before).first?.isKeyframeStart == true)
        // What it says while it catches up, and soon after, changes nothing.
        scene.harness.pictureLost(viewer)
        scene.run(milliseconds: 1_500)
        let after = sink.packets.count
        scene.harness.pictureLost(viewer)
        #expect(sink.packets.count == after)
        #expect(sink.timestampSteps.allSatisfy { $0 >= 0 })
        #expect(sink.timestampSteps.dropFirst(20).allSatisfy { $0 <= 60 * 90 })
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(continuousPictures(sink))
        scene.run(milliseconds: 2_000)
        scene.harness.pictureLost(viewer)
        scene.run(milliseconds: 500)
        // Twice from one keyframe is enough: what did not help twice will not help.
        #expect(scene.harness.snapshot.fastStarts == 2)
    }

    /// A lost packet of the burst can be asked for like any other, however old it is.
    @Test(arguments: [
        DownTrackFormat.Repair.sameStream, .ownStream(payloadType: 101, ssrc: 44, firstSequenceNumber: 5),
    ])
    func theBurstIsRepairable(_ repair: DownTrackFormat.Repair) throws {
        let scene = try Scene()
        scene.run(milliseconds: 8_000)
        let viewer = FakeViewer(2)
        let sink = try scene.harness.join(viewer, repair: repair)
        scene.run(milliseconds: 400)
        let sent = sink.packets
        let lost = [0, 3, 7, 8, 100, sent.count - 1]
        scene.harness.sendAgain(lost.map { sink.sent[$0].header.sequenceNumber }, to: viewer)
        let again = sink.packets.dropFirst(sent.count)
        #expect(again.count == lost.count)
        for (packet, index) in zip(again, lost) {
            switch repair {
            case .sameStream: #expect(packet == sent[index])
            case .ownStream: #expect(Array(packet.dropFirst(14)) == Array(sent[index].dropFirst(12)))
            }
        }
    }

    /// A keyframe's first packet that had to be sent again by the publisher comes after the others.
    @Test func aKeyframeWhoseFirstPacketCameLateIsWhole() throws {
        let scene = try Scene()
        scene.run(milliseconds: 500)
        let keyframe = scene.source.frame(key: true, packets: 6)
        let next = scene.source.frame()
        scene.harness.deliver(Array(keyframe.dropFirst()))
        scene.harness.deliver(next + [keyframe[0]])
        scene.harness.advance(500)
        let sink = try scene.harness.join(FakeViewer(2))
        scene.harness.advance(1_000)
        #expect(sink.sent.first?.isKeyframeStart == true)
        #expect(sink.packets.count == 8)
        #expect(Set(sink.sent.map(\.header.sequenceNumber)) == Set(200..<208))
    }

    @Test func aSlowLinkStretchesTheBurst() {
        let second: Int64 = 1_000_000_000
        #expect(FastStart.duration(ofAge: second, byteCount: 300_000, bitsPerSecond: nil) == second / 4)
        #expect(FastStart.duration(ofAge: 10 * second, byteCount: 3_000_000, bitsPerSecond: nil) == 800_000_000)
        #expect(FastStart.duration(ofAge: second, byteCount: 300_000, bitsPerSecond: 2_400_000) == second)
        #expect(FastStart.duration(ofAge: second, byteCount: 300_000, bitsPerSecond: 1) == 4 * second)
        #expect(FastStart.duration(ofAge: second, byteCount: 300_000, bitsPerSecond: 90_000_000) == second / 4)
    }

    /// The publisher goes and comes back while a viewer is on its way.
    @Test func aRestartInTheMiddleOfABurstLeavesNoTrace() throws {
        let scene = try Scene()
        scene.run(milliseconds: 8_000)
        let viewer = FakeViewer(2)
        let sink = try scene.harness.join(viewer)
        scene.run(milliseconds: 300)
        scene.harness.unpublish(scene.publisher)
        scene.harness.advance(500)
        try scene.harness.publish(FakePublisher(3), answersKeyframeRequests: false)
        var other = VideoSource(ssrc: 9, sequenceNumber: 50_000, timestamp: 77, pictureID: 1)
        let before = sink.packets.count
        for frame in 0..<30 {
            scene.harness.deliver(other.frame(key: frame == 0))
            scene.harness.advance(33)
        }
        #expect(sink.packets.count == before + 60)
        #expect(sink.timestampSteps.allSatisfy { $0 >= 0 && $0 < 2 * 90_000 })
        #expect(sink.sequenceSteps.allSatisfy { $0 <= 2 })
        #expect(continuousPictures(sink))
        #expect(viewer.ends.isEmpty)
    }
}
