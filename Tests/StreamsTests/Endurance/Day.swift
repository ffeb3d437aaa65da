import RTP
import TestKit
import Testing
import WebRTC
import Wire

@testable import Streams

/// A day in the life of three rooms on virtual time: one whose publisher never stops, one whose publisher restarts every
/// few minutes, one that empties and is made anew. Viewers come and go, ask for packets and keyframes, and are reported to.
final class Day {
    /// Media comes rarely, so that a day has few enough packets; reports and requests come as they do.
    static let stepMilliseconds: UInt64 = 2_000

    private enum Habit { case steady, restarting, emptying }

    private final class Visitor {
        let handle: FakeViewer
        let sink = SyncSink()
        var stepsLeft: Int
        init(_ number: UInt64, steps: Int) {
            handle = FakeViewer(number)
            stepsLeft = steps
        }
    }

    private final class Place {
        let habit: Habit
        let room: Room
        var publisher: FakePublisher?
        var publication: Publication?
        var ingest: IngestEngine?
        var source: ClockedSource?
        var pauseSteps = 0
        var visitors: [Visitor] = []
        /// Stays as long as the room does.
        var resident: Visitor?
        var keyframeIn = 0

        init(_ habit: Habit, _ room: Room) {
            self.habit = habit
            self.room = room
        }
    }

    private struct WeakRoom { weak var room: Room? }

    let loop = ManualLoop()
    private var dice: SplitMix64
    private var places: [Place] = []
    private var everyRoom: [WeakRoom] = []
    private var nextPeer: UInt64 = 1
    private(set) var steps = 0
    private(set) var publications = 0
    private(set) var joins = 0
    private(set) var packetsReceived = 0
    private(set) var packetsSent = 0
    private(set) var retransmissions = 0
    private(set) var worstSkew = 0.0
    private(set) var looks = 0

    init(seed: UInt64) {
        dice = SplitMix64(seed: seed)
        for habit in [Habit.steady, .restarting, .emptying] { places.append(open(habit)) }
    }

    private func open(_ habit: Habit) -> Place {
        // A start from a cached keyframe shows what was captured before, which a look at the skew would take for an error.
        let policy = RoomPolicy(cachesKeyframes: false)
        let room = Room(
            name: "room\(everyRoom.count)", loop: loop, policy: policy, firstTrackID: UInt64(everyRoom.count) * 2
        ) { _ in }
        everyRoom.append(WeakRoom(room: room))
        return Place(habit, room)
    }

    private func happens(oneIn count: UInt64) -> Bool { dice.next() % count == 0 }

    func run(hours: Int) throws {
        let end = steps + hours * 3_600_000 / Int(Self.stepMilliseconds)
        while steps < end { try step() }
    }

    private func step() throws {
        steps += 1
        for index in places.indices {
            let place = places[index]
            try publishOrStop(place)
            try comeAndGo(place)
            deliver(place)
            for visitor in place.visitors { ask(place, visitor) }
            if place.habit == .emptying, place.publisher == nil, place.visitors.isEmpty, place.pauseSteps == 0 {
                places[index] = open(.emptying)
            }
        }
        loop.advance(byMilliseconds: Self.stepMilliseconds)
        for place in places {
            for visitor in place.visitors {
                guard place.publisher != nil, let skew = visitor.sink.skewMilliseconds else { continue }
                looks += 1
                worstSkew = max(worstSkew, abs(skew))
            }
        }
    }

    // MARK: publishers

    private func publishOrStop(_ place: Place) throws {
        if place.publisher == nil {
            if place.pauseSteps > 0 {
                place.pauseSteps -= 1
                return
            }
            try publish(place)
        } else if place.habit != .steady, happens(oneIn: 200) {
            // Half of the restarts take over while the old publication still stands.
            if place.habit == .restarting, happens(oneIn: 2) { return try publish(place) }
            stop(place)
            // Within the patience of viewers, or beyond it.
            place.pauseSteps = place.habit == .restarting ? Int(dice.next() % 4) : 5 + Int(dice.next() % 20)
        }
    }

    private func publish(_ place: Place) throws {
        publications += 1
        nextPeer += 1
        let publisher = FakePublisher(nextPeer)
        let lanes = [RoomHarness.vp8, RoomHarness.opus].map {
            PublicationLane(format: $0, extensions: HeaderExtensionMap())
        }
        place.publication = try loop.run { [room = place.room] in
            try room.onLoop { try $0.publish(publisher, lanes: lanes) }
        }
        place.publisher = publisher
        // The steady one begins just before both of its clocks wrap.
        let isSteady = place.habit == .steady
        var source = ClockedSource(
            startingAt: loop.now, random: &dice, firstVideo: isSteady ? 0xFFFF_0000 : nil,
            firstAudio: isSteady ? 0xFFFF_0000 : nil)
        source.videoDrift = Double.random(in: -50...50, using: &dice)
        source.audioDrift = Double.random(in: -50...50, using: &dice)
        source.wallDrift = Double.random(in: -20...20, using: &dice)
        place.source = source
        place.ingest = IngestEngine(
            sections: try QualityPath.sections(), localSSRC: 9, canonicalName: "day", startedAt: loop.now)
        place.keyframeIn = 0
    }

    private func stop(_ place: Place) {
        guard let publisher = place.publisher else { return }
        loop.run { [room = place.room] in room.onLoop { $0.unpublish(publisher.peerID, reason: .stoppedByPublisher) } }
        place.publisher = nil
        place.publication = nil
        place.ingest = nil
        place.source = nil
    }

    private func deliver(_ place: Place) {
        guard let publication = place.publication, let ingest = place.ingest, place.source != nil,
            let publisher = place.publisher
        else { return }
        let now = loop.now
        if !publisher.requests.isEmpty {
            publisher.forgetRequests()
            ingest.requestKeyframe(.video, layer: 0, at: now)
            place.keyframeIn = min(place.keyframeIn, 1)
        }
        place.keyframeIn -= 1
        let isKeyframe = place.keyframeIn < 0
        if isKeyframe { place.keyframeIn = 10 }
        guard let picture = place.source?.picture(key: isKeyframe, at: now), let sound = place.source?.sound(at: now)
        else { return }
        for visitor in place.visitors { visitor.sink.captured = now }
        let generation = publication.generation
        for packet in [picture, sound] where !happens(oneIn: 50) {
            packetsReceived += 1
            packet.withBytes { bytes in
                guard let taken = ingest.received(bytes, at: now) else { return }
                loop.run { [room = place.room] in
                    _ = room.track(taken.kind).onLoop {
                        $0.receive(bytes, header: taken.header, layer: taken.layer, generation: generation, at: now)
                    }
                }
            }
        }
        if steps % 3 == 0 { report(place, publication, ingest) }
        ingest.deadlineReached(at: now)
        ingest.drainControl { _ in }
    }

    private func report(_ place: Place, _ publication: Publication, _ ingest: IngestEngine) {
        let now = loop.now
        for kind in [MediaKind.video, .audio] {
            guard let report = place.source?.report(kind, at: now) else { continue }
            var compound: [UInt8] = []
            RTCPWriter.append(report, to: &compound)
            compound.withBytes { ingest.receivedControl($0, at: now) { _ in } }
            loop.run { publication.onLoop { $0.receive(report, kind: kind, layer: 0, at: now) } }
        }
    }

    // MARK: viewers

    private func comeAndGo(_ place: Place) throws {
        for visitor in place.visitors {
            visitor.stepsLeft -= 1
            let isResident = visitor === place.resident
            if visitor.stepsLeft <= 0 && !isResident || !visitor.handle.ends.isEmpty { leave(place, visitor) }
        }
        guard place.publisher != nil else { return }
        if place.resident == nil, place.habit != .emptying {
            place.resident = try join(place, steps: 1)
        } else if place.visitors.count < 3, happens(oneIn: 20) {
            _ = try join(place, steps: 15 + Int(dice.next() % 400))
        }
    }

    private func join(_ place: Place, steps: Int) throws -> Visitor {
        joins += 1
        nextPeer += 1
        let visitor = Visitor(nextPeer, steps: steps)
        let handle = visitor.handle
        try loop.run { [room = place.room] in try room.onLoop { try $0.join(handle) } }
        for format in [RoomHarness.vp8, RoomHarness.opus] {
            let isVideo = format.kind == .video
            var wanted = DownTrackFormat(
                track: format, payloadType: isVideo ? 100 : 109, ssrc: isVideo ? SyncSink.video : SyncSink.audio,
                extensions: HeaderExtensionMap(), mid: [], firstSequenceNumber: 200, firstTimestamp: 4_294_900_000,
                canonicalName: "viewer")
            if isVideo { wanted.repair = .ownStream(payloadType: 101, ssrc: 44, firstSequenceNumber: 1) }
            _ = loop.run { [room = place.room, sink = visitor.sink, wanted] in
                room.track(format.kind).onLoop {
                    $0.add(DownTrack(viewer: handle.peerID, format: wanted, sink: sink))
                }
            }
        }
        place.visitors.append(visitor)
        return visitor
    }

    private func leave(_ place: Place, _ visitor: Visitor) {
        let peer = visitor.handle.peerID
        loop.run { [room = place.room] in room.onLoop { $0.leave(peer) } }
        packetsSent += visitor.sink.packets
        retransmissions += visitor.sink.retransmissions
        place.visitors.removeAll { $0 === visitor }
        if place.resident === visitor { place.resident = nil }
    }

    /// Now and then a viewer loses packets or its picture.
    private func ask(_ place: Place, _ visitor: Visitor) {
        let (now, peer) = (loop.now, visitor.handle.peerID)
        if happens(oneIn: 10) {
            var request: [UInt8] = []
            let first = UInt16(truncatingIfNeeded: dice.next())
            let recent = UInt16(truncatingIfNeeded: 200 + visitor.sink.packets / 2)
            RTCPWriter.appendNegativeAcknowledgement(
                sender: 1, media: SyncSink.video,
                sequenceNumbers: happens(oneIn: 2) ? [first, first &+ 1, first &+ 9] : [recent &- 1, recent],
                to: &request)
            request.withBytes { bytes in
                var packets = RTCPIterator()
                guard case .negativeAcknowledgement(_, _, let lost) = try? packets.next(in: bytes) else { return }
                loop.run { [room = place.room] in
                    room.track(.video).onLoop {
                        $0.sendAgain(lost, in: bytes, to: peer, roundTripNanoseconds: 50_000_000, at: now)
                    }
                }
            }
        }
        if happens(oneIn: 60) {
            loop.run { [room = place.room] in room.track(.video).onLoop { $0.pictureLost(by: peer) } }
        }
    }

    // MARK: the end

    /// Everybody leaves; what is left then is a leak.
    func close() {
        for place in places {
            for visitor in place.visitors { leave(place, visitor) }
            stop(place)
        }
        places = []
        loop.advance(byMilliseconds: 60_000)
    }

    var livingRooms: Int { everyRoom.count { $0.room != nil } }
    var rooms: Int { everyRoom.count }
    var viewers: Int { places.reduce(0) { $0 + $1.visitors.count } }
}
