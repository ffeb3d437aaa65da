import Glibc
import RTP
import TestKit
import Testing
import Wire

@testable import Streams

/// The properties of what a viewer gets (protocols.md 12.9), through a real room: PROP-1…7 over random loss,
/// reordering, duplicates, padding, layers that come and go, encoders and publishers that restart, and requests to send
/// packets again. PROP-8 is in ``SynchronizationPropertyTests``.
@Suite struct ForwardingPropertyTests {
    /// Packets received for all properties together: 10^5, or 10^6 when MARTLET_LONG_TESTS is set.
    static let packets = unsafe getenv("MARTLET_LONG_TESTS") == nil ? 100_000 : 1_000_000

    @Test(arguments: 0..<4 as Range<UInt64>)
    func whatAViewerGetsIsOneContinuousStream(_ seed: UInt64) throws {
        var scene = PropertyScene(seed: 100 + seed)
        var dice = SplitMix64(seed: seed)
        let hasOwnStream = seed % 2 == 0
        let harness = RoomHarness()
        let sink = PropertySink(hasOwnStream: hasOwnStream)
        let viewer = FakeViewer(7)
        var publisher = FakePublisher(1)
        var publication = try harness.publish(publisher, layers: PropertyScene.layers)
        try join(harness, viewer, sink, hasOwnStream: hasOwnStream)
        var keyframesFrom = 0
        var received = 0
        var asked = 0
        while received < Self.packets / 4 {
            if scene.happens(oneIn: 400) {
                scene.startPublication()
                publisher = FakePublisher(UInt64(scene.publication) + 100)
                publication = try harness.publish(publisher, layers: PropertyScene.layers)
                keyframesFrom = 0
            }
            if scene.happens(oneIn: 150) { scene.toggle() }
            if scene.happens(oneIn: 300) { scene.restart(Int(scene.happens(oneIn: 2) ? 1 : 0)) }
            for arrival in scene.next() where arrival.publication == scene.publication {
                received += 1
                guard let header = arrival.packet.withBytes({ try? RTPHeader(parsing: $0) }) else { continue }
                let source = header.ssrc - 0x1000
                let (first, scene) = (scene.firstFrames[source] ?? 0, header.isPaddingOnly)
                sink.input = (arrival.number, source, { first + Int($0.picture) })
                _ = harness.deliver([arrival.packet], layer: arrival.layer, of: publication)
                sink.inputEnded(isPadding: scene)
                sink.input = nil
                if dice.next() % 40 == 0 { asked += ask(harness, viewer, sink, &dice) }
            }
            for request in publisher.requests.dropFirst(keyframesFrom) { scene.wantKeyframe(request.layer) }
            keyframesFrom = publisher.requests.count
            harness.advance(33)
            guard sink.problems.isEmpty else { break }
        }
        #expect(sink.problems.isEmpty)
        #expect(sink.switches >= 5)
        #expect(sink.packets > received / 10)
        let repairs = harness.statistics.repairs
        print(
            "seed \(seed): \(received) received, \(sink.packets) sent, \(sink.switches) changes of source,",
            "\(sink.repairs) of \(asked) sent again, \(repairs), a step at most \(sink.largestStep) ticks too large")
        // PROP-3: whatever was sent within the window is found, unless a keyframe has replaced it.
        #expect(UInt64(sink.repairs) == repairs.answered)
        #expect(repairs.overBudget == 0)
        #expect(repairs.answered + repairs.suppressed > UInt64(asked) * 99 / 100)
        // PROP-2: at a change of source time moves on by no more than what has passed and one picture more. What has
        // passed is known to within the lateness of packets.
        #expect(sink.largestStep <= 3_000 * 6)
    }

    private func join(_ harness: RoomHarness, _ viewer: FakeViewer, _ sink: PropertySink, hasOwnStream: Bool) throws {
        try harness.loop.run { try harness.room.onLoop { try $0.join(viewer) } }
        var format = DownTrackFormat(
            track: RoomHarness.vp8, payloadType: 100, ssrc: PropertySink.ssrc,
            extensions: HeaderExtensionMap([(.mid, 4)]), mid: Array("1".utf8), firstSequenceNumber: 32_700,
            firstTimestamp: 4_294_900_000, canonicalName: "viewer")
        format.repair =
            hasOwnStream
            ? .ownStream(payloadType: 101, ssrc: PropertySink.repairSSRC, firstSequenceNumber: 65_000) : .sameStream
        let added = harness.loop.run { [room = harness.room, format] in
            room.track(.video).onLoop { $0.add(DownTrack(viewer: viewer.peerID, format: format, sink: sink)) }
        }
        #expect(added)
    }

    /// Asks for one packet that was sent lately and one that never was.
    ///
    /// - Returns: how many of them are to be answered.
    private func ask(
        _ harness: RoomHarness, _ viewer: FakeViewer, _ sink: PropertySink, _ dice: inout SplitMix64
    ) -> Int {
        guard let wanted = sink.numberToAsk(Int64(dice.next() % 60)),
            let never = sink.numberNeverSent(Int64(1 + dice.next() % 30_000))
        else { return 0 }
        for number in [wanted, never] {
            let before = sink.repairs
            var request: [UInt8] = []
            RTCPWriter.appendNegativeAcknowledgement(
                sender: 1, media: PropertySink.ssrc, sequenceNumbers: [number], to: &request)
            let now = harness.loop.now
            request.withBytes { bytes in
                var packets = RTCPIterator()
                guard case .negativeAcknowledgement(_, _, let lost) = try? packets.next(in: bytes) else { return }
                harness.loop.run { [room = harness.room] in
                    room.track(.video).onLoop {
                        $0.sendAgain(lost, in: bytes, to: viewer.peerID, roundTripNanoseconds: 0, at: now)
                    }
                }
            }
            if number == never { #expect(sink.repairs == before, "\(never) was never sent") }
        }
        return 1
    }
}
