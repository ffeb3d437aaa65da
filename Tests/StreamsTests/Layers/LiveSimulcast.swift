import RTP
import Streams
import TestKit
import Wire

/// A publisher of three encodings that answers keyframe requests a round trip later, 30 frames a second on virtual
/// time, and viewers whose links the test throttles.
final class LiveSimulcast {
    static let frameMilliseconds: UInt64 = 33
    static let answerMilliseconds: UInt64 = 120
    /// Payload bytes of a frame, the best encoding first: about 1200, 400 and 130 kbit/s.
    static let frameSizes = [5_000, 1_650, 520]

    final class Viewer {
        let handle: FakeViewer
        let sink = FakeSink()
        /// Since when it has been there, and when it last got a packet.
        var lastPacket: Instant?
        var longestGap: Int64 = 0
        /// The encodings it got, without repetition, and when each came.
        var encodings: [(encoding: Int, at: Instant)] = []
        var seen = 0

        init(_ number: UInt64) { handle = FakeViewer(number) }
    }

    let harness = RoomHarness()
    private(set) var publisher = FakePublisher(1)
    var sources: [VideoSource] = []
    var isLive = [true, true, true]
    var viewers: [Viewer] = []
    private var due: [(layer: Int, at: Instant)] = []
    private var isFirst = [true, true, true]

    /// - Parameter names: what the publisher calls its encodings.
    init(names: [String] = []) throws {
        try harness.publish(publisher, layers: 3, names: names)
        for (index, width) in [1_280, 640, 320].enumerated() {
            var source = VideoSource(
                ssrc: UInt32(100 + index), sequenceNumber: UInt16(truncatingIfNeeded: 10_000 * index + 60_000),
                timestamp: UInt32(1_000_000 * index), pictureID: UInt16(5_000 * index))
            source.width = UInt16(width)
            source.height = UInt16(width * 9 / 16)
            sources.append(source)
        }
    }

    /// The publisher goes and comes back with other names for its encodings.
    func restart(names: [String]) throws {
        harness.unpublish(publisher)
        publisher = FakePublisher(publisher.peerID.value + 1)
        due = []
        isFirst = [true, true, true]
        try harness.publish(publisher, layers: 3, names: names)
    }

    var track: Track { harness.room.track(.video) }

    func join(budget: UInt64? = nil) throws -> Viewer {
        let viewer = Viewer(UInt64(10 + viewers.count))
        viewer.sink.videoBitsPerSecond = budget
        try harness.join(viewer.handle, into: viewer.sink)
        viewers.append(viewer)
        return viewer
    }

    /// One frame of every live encoding, then time passes.
    func frame(keys: Set<Int> = []) {
        let now = harness.loop.now
        for request in publisher.requests where !due.contains(where: { $0.layer == request.layer }) {
            due.append((request.layer, now.advanced(byMilliseconds: Self.answerMilliseconds)))
        }
        publisher.forgetRequests()
        for index in sources.indices {
            guard isLive[index] else {
                _ = sources[index].frame()
                isFirst[index] = true
                continue
            }
            var isKey = keys.contains(index) || isFirst[index]
            if let position = due.firstIndex(where: { $0.layer == index && $0.at <= now }) {
                due.remove(at: position)
                isKey = true
            }
            isFirst[index] = false
            let size = Self.frameSizes[index] * (isKey ? 4 : 1)
            // Few large packets: what the sizes cost counts here, not how they are cut.
            sources[index].size = size / 2
            harness.deliver(sources[index].frame(key: isKey), layer: index)
        }
        for viewer in viewers { note(viewer) }
        harness.advance(Self.frameMilliseconds)
    }

    func run(milliseconds: UInt64, _ body: () -> Void = {}) {
        for _ in 0..<milliseconds / Self.frameMilliseconds {
            body()
            frame()
        }
    }

    /// What arrived at a viewer in this turn.
    private func note(_ viewer: Viewer) {
        let now = harness.loop.now
        guard viewer.sink.packets.count > viewer.seen else { return }
        viewer.seen = viewer.sink.packets.count
        if let last = viewer.lastPacket { viewer.longestGap = max(viewer.longestGap, now.milliseconds(since: last)) }
        viewer.lastPacket = now
        let id = viewer.handle.peerID
        guard let current = harness.loop.run({ track.onLoop { $0.layers(of: id)?.current } }) else { return }
        if viewer.encodings.last?.encoding != current.encoding { viewer.encodings.append((current.encoding, now)) }
    }

    func choose(_ viewer: Viewer, _ change: (inout LayerPreference) -> Void) -> Bool {
        var preference = LayerPreference()
        change(&preference)
        let (id, wanted) = (viewer.handle.peerID, preference)
        return harness.loop.run { track.onLoop { $0.chooseLayers(wanted, for: id) } }
    }

    var descriptions: [LayerDescription] { harness.loop.run { track.onLoop { $0.availableLayers } } }
}

extension LiveSimulcast.Viewer {
    var order: [Int] { encodings.map(\.encoding) }
}

/// PROP-7 and what a decoder needs: after a change of encoding the first packet begins a keyframe, numbers go on.
func isDecodable(_ sink: FakeSink) -> Bool {
    var width: Int?
    for packet in sink.sent {
        // The size of a payload tells its encoding only roughly; keyframes tell their size.
        guard let picture = packet.picture else { return false }
        if picture.startsKeyframe { width = packet.payload.count }
        if width == nil { return false }
    }
    return sink.sequenceSteps.allSatisfy { $0 == 1 || $0 == 2 } && sink.timestampSteps.allSatisfy { $0 >= 0 }
        && continuousPictures(sink)
}
