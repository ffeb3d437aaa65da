import RTP
import SDP
import TestKit
import Testing
import WebRTC
import Wire

@testable import Streams

/// RTP-60, RTP-62, WHIP-Q4: what a publisher sees of its viewers' wish for keyframes, on virtual time.
@Suite struct KeyframeRequestTests {
    /// Demonstration 5: five hundred viewers in one second, and a publisher that takes its time.
    @Test(arguments: zip([true, true, false, false], [20, 700, 300, 2_500] as [UInt64]))
    func fiveHundredJoinsAreAtMostThreeRequests(_ cachesKeyframes: Bool, _ answerMilliseconds: UInt64) throws {
        let scene = try Scene(RoomPolicy(cachesKeyframes: cachesKeyframes))
        scene.answerMilliseconds = answerMilliseconds
        scene.run(milliseconds: 3_000)
        var sinks: [FakeSink] = []
        for number in 0..<500 {
            sinks.append(try scene.harness.join(FakeViewer(UInt64(number + 10))))
            scene.run(milliseconds: 2)
        }
        scene.run(milliseconds: 3_000)
        #expect(scene.requests.count <= 3, "at \(scene.requests)")
        #expect(!scene.requests.isEmpty)
        #expect(sinks.allSatisfy { $0.sent.first?.isKeyframeStart == true })
    }

    /// Every viewer complains all the time, and no keyframe comes but at the end of the group.
    @Test(arguments: [true, false])
    func aPublisherThatIgnoresRequestsIsNotStormed(_ cachesKeyframes: Bool) throws {
        let scene = try Scene(RoomPolicy(cachesKeyframes: cachesKeyframes))
        scene.run(milliseconds: 1_000)
        let viewers = (0..<20).map { FakeViewer(UInt64($0 + 10)) }
        for viewer in viewers { try scene.harness.join(viewer) }
        for step in 0..<300 {
            scene.harness.pictureLost(viewers[step % viewers.count])
            scene.run(milliseconds: 100)
        }
        let requests = scene.requests
        for (index, request) in requests.enumerated() {
            #expect(requests[index...].count { $0 - request < 1_000 } <= 2)
        }
        // Thirty seconds, three groups: once, and then after one, three and seven seconds, in each of them.
        #expect(requests.count <= 18, "\(requests)")
        #expect(requests.count >= 6)
    }

    final class Scene {
        let harness: RoomHarness
        private let publisher: Publisher
        private var source = VideoSource(ssrc: 7)
        private var phase: UInt64 = 0
        private var frames = 0
        /// nil for a publisher that ignores requests.
        var answerMilliseconds: UInt64?
        private var answerDue: Instant?
        private(set) var requests: [UInt64] = []

        init(_ policy: RoomPolicy) throws {
            harness = RoomHarness(policy)
            publisher = try Publisher(harness.loop)
            try harness.publish(publisher)
        }

        func run(milliseconds: UInt64) {
            for _ in 0..<milliseconds {
                let now = harness.loop.now
                if phase == 0 {
                    let isAnswer = answerDue.map { $0 <= now } ?? false
                    if isAnswer { answerDue = nil }
                    // Few and small ones, for the sake of five hundred viewers.
                    let isKey = isAnswer || frames % 100 == 0
                    publisher.deliver(
                        source.frame(key: isKey, packets: 1, elapsedMilliseconds: 100), to: harness)
                    frames += 1
                }
                phase = (phase + 1) % 100
                harness.advance(1)
                for _ in 0..<publisher.takeRequests(at: harness.loop.now) {
                    requests.append(harness.loop.now.nanoseconds / 1_000_000)
                    if let answerMilliseconds, answerDue == nil {
                        answerDue = harness.loop.now.advanced(byMilliseconds: answerMilliseconds)
                    }
                }
            }
        }
    }

    /// A publisher behind the real ingest engine. For one thread, like its loop.
    private final class Publisher: PublisherHandle, @unchecked Sendable {
        let peerID = PeerID(1)
        private let loop: ManualLoop
        private let engine: IngestEngine

        init(_ loop: ManualLoop) throws {
            self.loop = loop
            engine = IngestEngine(
                sections: try LossyPath.sections(), localSSRC: 99, canonicalName: "cname", startedAt: loop.now)
        }

        func requestKeyframe(_ kind: MediaKind, layer: Int) {
            engine.requestKeyframe(kind, layer: layer, at: loop.now)
        }

        func wasReplaced() {}

        func deliver(_ packets: [[UInt8]], to harness: RoomHarness) {
            for packet in packets { _ = packet.withBytes { engine.received($0, at: loop.now) } }
            if harness.deliver(packets).contains(true) { engine.keyframeReceived(.video, layer: 0) }
        }

        /// How many requests have gone out.
        func takeRequests(at now: Instant) -> Int {
            engine.deadlineReached(at: now)
            var count = 0
            engine.drainControl { compound in
                var packets = RTCPIterator()
                while let packet = try? packets.next(in: compound) {
                    if case .pictureLossIndication = packet { count += 1 }
                }
            }
            return count
        }
    }
}
