import Codecs
import Loop
import RTP
import Streams
import Synchronization
import TestKit
import Testing
import Wire

@Suite struct RoomTests {
    @Test func aRoomWithoutAPublisherLetsNobodyIn() throws {
        let harness = RoomHarness()
        #expect(throws: RoomError.nobodyPublishes) { try harness.join(FakeViewer(1)) }
        #expect(harness.snapshot.formats.isEmpty)
        #expect(harness.log.events.isEmpty)
    }

    @Test func aSecondPublisherIsRefusedOrTakesOver() throws {
        let polite = RoomHarness(RoomPolicy(publisherMayBeReplaced: false))
        let first = FakePublisher(1)
        try polite.publish(first)
        #expect(throws: RoomError.alreadyPublishing) { try polite.publish(FakePublisher(2)) }
        #expect(first.replacements == 0)
        #expect(polite.snapshot.publisher == PeerID(1))

        let rude = RoomHarness()
        let old = FakePublisher(1)
        try rude.publish(old)
        try rude.publish(FakePublisher(2))
        #expect(old.replacements == 1)
        #expect(rude.snapshot.publisher == PeerID(2))
        // The old one's own end comes later and changes nothing.
        rude.unpublish(old)
        #expect(rude.snapshot.publisher == PeerID(2))
        #expect(rude.log.events == ["started 1 VP8", "replaced 1 by 2", "started 2 VP8"])
    }

    /// WHIP-14, on a loop with a thread of its own.
    @Test(arguments: [false, true])
    func ofPublishersThatComeTogetherExactlyOneHasTheRoom(_ mayReplace: Bool) async throws {
        let loop = try EventLoop(name: "room")
        try loop.start()
        defer { loop.stop() }
        for _ in 0..<200 {
            let room = Room(
                name: "cam1", loop: loop, policy: RoomPolicy(publisherMayBeReplaced: mayReplace), firstTrackID: 1
            ) { _ in }
            let publishers = (1...4).map { FakePublisher(UInt64($0)) }
            let winners = await withTaskGroup(of: Bool.self) { group in
                for publisher in publishers {
                    group.addTask {
                        let lane = PublicationLane(format: RoomHarness.vp8, extensions: HeaderExtensionMap())
                        return (try? await room.publish(publisher, lanes: [lane])) != nil
                    }
                }
                return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            let survivors = publishers.filter { $0.replacements == 0 }
            let publisher = await room.snapshot.publisher
            if mayReplace {
                #expect(winners == 4)
                #expect(survivors.map(\.peerID) == [publisher].compactMap { $0 })
            } else {
                #expect(winners == 1)
                #expect(survivors.count == 4)
            }
        }
    }

    @Test func viewersOverTheLimitAreRefused() throws {
        let harness = RoomHarness(RoomPolicy(maximumViewers: 2))
        try harness.publish(FakePublisher(1))
        let first = FakeViewer(2)
        try harness.join(first)
        try harness.join(FakeViewer(3))
        #expect(throws: RoomError.full(limit: 2)) { try harness.join(FakeViewer(4)) }
        harness.leave(first)
        try harness.join(FakeViewer(4))
        #expect(harness.snapshot.viewers.count == 2)
    }

    @Test func aPublisherWithAnotherCodecEndsTheViewersThatCannotFollow() throws {
        let harness = RoomHarness()
        let first = FakePublisher(1)
        try harness.publish(first, [RoomHarness.vp8, RoomHarness.opus])
        let both = FakeViewer(2)
        let listener = FakeViewer(3)
        try harness.join(both, [RoomHarness.vp8, RoomHarness.opus])
        try harness.join(listener, [RoomHarness.opus])
        harness.unpublish(first)
        try harness.publish(FakePublisher(4), [RoomHarness.h264, RoomHarness.opus])
        #expect(both.ends == [.codecChanged])
        #expect(listener.ends.isEmpty)
    }

    /// A viewer negotiates, the publisher changes its codec, and only then is the viewer connected (WHEP-9).
    @Test func aViewerThatNegotiatedTheOldCodecIsTurnedAway() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let viewer = FakeViewer(2)
        let sink = try harness.join(viewer, [])
        try harness.publish(FakePublisher(3), [RoomHarness.h264])
        #expect(!harness.add(viewer, RoomHarness.vp8, sink))
        #expect(harness.add(viewer, RoomHarness.h264, sink))
    }

    @Test func formatsAreThoseOfTheActivePublicationOnly() throws {
        let harness = RoomHarness()
        let first = FakePublisher(1)
        try harness.publish(first, [RoomHarness.opus, RoomHarness.vp8])
        #expect(harness.snapshot.formats == [RoomHarness.vp8, RoomHarness.opus])
        try harness.join(FakeViewer(9), [])
        harness.unpublish(first)
        #expect(harness.snapshot.formats.isEmpty)
        // The next one has no microphone.
        try harness.publish(FakePublisher(2), [RoomHarness.vp8])
        #expect(harness.snapshot.formats == [RoomHarness.vp8])
    }

    @Test func viewersWaitForThePublisherAndAreThenEnded() throws {
        let harness = RoomHarness(RoomPolicy(publisherAbsenceNanoseconds: 10_000_000_000))
        let publisher = FakePublisher(1)
        try harness.publish(publisher)
        let viewer = FakeViewer(2)
        try harness.join(viewer)
        harness.unpublish(publisher, .connectionLost)
        #expect(throws: RoomError.nobodyPublishes) { try harness.join(FakeViewer(3)) }
        harness.advance(9_900)
        #expect(viewer.ends.isEmpty)
        harness.advance(200)
        #expect(viewer.ends == [.publisherGone])
        harness.leave(viewer)
        #expect(
            harness.log.events == [
                "started 1 VP8", "joined 2, 1", "stopped 1 connection_lost", "left 2, 0", "emptied",
            ])
        #expect(throws: RoomError.closed) { try harness.publish(FakePublisher(4)) }
        #expect(throws: RoomError.closed) { try harness.join(FakeViewer(5)) }
        #expect(harness.loop.armedTimerCount == 0)
    }

    @Test func aPublisherThatComesBackInTimeKeepsItsViewers() throws {
        let harness = RoomHarness()
        let publisher = FakePublisher(1)
        try harness.publish(publisher)
        let viewer = FakeViewer(2)
        try harness.join(viewer)
        harness.unpublish(publisher)
        harness.advance(5_000)
        try harness.publish(FakePublisher(3))
        harness.advance(60_000)
        #expect(viewer.ends.isEmpty)
        #expect(harness.snapshot.viewers == [PeerID(2)])
    }

    @Test func aRoomEmptiesOnceWhoeverLeavesLast() throws {
        for viewerLeavesLast in [false, true] {
            let harness = RoomHarness()
            let publisher = FakePublisher(1)
            let viewer = FakeViewer(2)
            try harness.publish(publisher)
            try harness.join(viewer)
            if viewerLeavesLast {
                harness.unpublish(publisher)
                harness.leave(viewer)
            } else {
                harness.leave(viewer)
                harness.unpublish(publisher)
            }
            harness.leave(viewer)
            harness.unpublish(publisher)
            #expect(harness.log.events.count { $0 == "emptied" } == 1)
            #expect(harness.log.events.last == "emptied")
            #expect(harness.loop.armedTimerCount == 0)
        }
    }

    @Test func closingEndsEverybody() throws {
        let harness = RoomHarness()
        let publisher = FakePublisher(1)
        try harness.publish(publisher)
        let viewers = (2..<12).map { FakeViewer(UInt64($0)) }
        for viewer in viewers { try harness.join(viewer) }
        harness.loop.run { harness.room.onLoop { $0.close() } }
        #expect(publisher.replacements == 1)
        #expect(viewers.allSatisfy { $0.ends == [.closedByServer] })
        #expect(throws: RoomError.closed) { try harness.join(FakeViewer(20)) }
    }

    @Test func aPolicyChangeTakesEffectAtOnce() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        harness.loop.run { harness.room.onLoop { $0.apply(RoomPolicy(publisherMayBeReplaced: false)) } }
        #expect(throws: RoomError.alreadyPublishing) { try harness.publish(FakePublisher(2)) }
    }

    @Test func theSnapshotCountsWhatPassed() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1), [RoomHarness.vp8, RoomHarness.opus])
        let viewer = FakeViewer(2)
        let sink = try harness.join(viewer, [RoomHarness.vp8, RoomHarness.opus])
        var source = VideoSource(ssrc: 7)
        let frames = source.frame() + source.frame(key: true)
        harness.deliver(frames)
        let audio = source.packet([0xFC, 1], marker: false, payloadType: 111)
        harness.deliver([audio], .audio)
        let snapshot = harness.snapshot
        #expect(snapshot.packetsReceived == 5)
        #expect(snapshot.bytesReceived == UInt64((frames + [audio]).map(\.count).reduce(0, +)))
        #expect(snapshot.packetsSent == 3)
        #expect(snapshot.packetsHeldBack == 2)
        #expect(sink.packets.count == 3)
        let sent = harness.loop.run { harness.room.track(.video).onLoop { $0.statistics(of: viewer.peerID)?.packets } }
        #expect(sent == 2)
        #expect(harness.loop.run { harness.room.track(.video).onLoop { $0.viewerCount } } == 1)
        harness.leave(viewer)
        #expect(harness.loop.run { harness.room.track(.video).onLoop { $0.viewerCount } } == 0)
        harness.deliver(source.frame(key: true))
        #expect(sink.packets.count == 3)
    }

    @Test(arguments: [
        (
            TrackFormat(codec: .h264, parameters: [.init(name: "profile-level-id", value: "42e01f")]),
            TrackFormat(codec: .h264, parameters: [.init(name: "profile-level-id", value: "640028")]), true
        ),
        (
            TrackFormat(codec: .vp9), TrackFormat(codec: .vp9, parameters: [.init(name: "profile-id", value: "2")]),
            false
        ),
        (TrackFormat(codec: .av1), TrackFormat(codec: .av1, parameters: [.init(name: "profile", value: "0")]), true),
        (TrackFormat(codec: .vp8), TrackFormat(codec: .h264), false),
        (TrackFormat(codec: .opus, channels: 2), TrackFormat(codec: .opus), true),
    ])
    func formatsAreInterchangeableWhenADecoderCannotTell(_ one: TrackFormat, _ other: TrackFormat, _ expected: Bool) {
        #expect(one.isInterchangeable(with: other) == expected)
        #expect(other.isInterchangeable(with: one) == expected)
    }
}
