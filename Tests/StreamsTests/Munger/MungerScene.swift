import Codecs
import RTP
import TestKit
import Wire

@testable import Streams

/// A room with publishers and viewers that come, go and change their minds, for as many packets as are wanted.
///
/// Everything is real but the ends: encoders and viewers are the test's. Seeded, on virtual time.
final class MungerScene {
    let way: MungerWay
    let format: MungerEncoder.Format
    private let harness = RoomHarness()
    private var random: SplitMix64
    private var path: MungerPath
    private var publisher: FakePublisher?
    private var publisherNumber: UInt64 = 1
    private var publication: Publication?
    private var encoders: [MungerEncoder] = []
    private(set) var streams: [MungerStream] = []
    private var viewers: [MungerViewer] = []
    private(set) var audits: [MungerAudit] = []
    private var viewerNumber: UInt64 = 1_000
    private var keyframesDue: [Instant?] = []
    private var nextKeyframe: [Int] = []
    private var tick = 0
    private var arrivals = 0
    private var turn = 0
    private(set) var packets = 0

    private static let pictureMilliseconds: UInt64 = 33
    private static let answerMilliseconds: UInt64 = 90
    private static let mostViewers = 5

    init(_ way: MungerWay, seed: UInt64) throws {
        self.way = way
        var random = SplitMix64(seed: seed &* 77 &+ UInt64(way.rawValue.count))
        format = MungerEncoder.Format.allCases[Int(seed % 4)]
        path = MungerPath(way)
        _ = random.next()
        self.random = random
        try publish()
        try join()
    }

    private var encodingCount: Int { format == .vp9 ? 1 : format == .vp8 ? 3 : 2 }
    private func chance(_ one: UInt64) -> Bool { random.next() % one == 0 }
    private var now: Instant { harness.loop.now }
    private var track: Track { harness.room.track(.video) }

    // MARK: the publisher

    private func publish() throws {
        publisherNumber += 1
        let publisher = FakePublisher(publisherNumber)
        self.publisher = publisher
        encoders = []
        let codec = newEncoder(0).codec
        publication = try harness.publish(publisher, [TrackFormat(codec: codec)], layers: encodingCount)
        streams.removeLast()
        for encoding in 0..<encodingCount { encoders.append(newEncoder(encoding)) }
        keyframesDue = Array(repeating: nil, count: encodingCount)
        nextKeyframe = Array(repeating: 0, count: encodingCount)
        begin = now
        for viewer in viewers { viewer.publicationBegan() }
    }

    private var begin = Instant(nanoseconds: 0)

    private func newEncoder(_ encoding: Int) -> MungerEncoder {
        let stream = MungerStream(id: streams.count, encoding: encoding)
        streams.append(stream)
        return MungerEncoder(format, stream, &random)
    }

    private func restart() throws {
        if let publisher, chance(2) {
            harness.unpublish(publisher)
            for _ in 0..<random.next() % 30 { harness.advance(Self.pictureMilliseconds) }
        }
        try publish()
    }

    private func publishPicture() {
        guard let publisher, let publication else { return }
        for request in publisher.requests where keyframesDue.indices.contains(request.layer) {
            if keyframesDue[request.layer] == nil {
                keyframesDue[request.layer] = now.advanced(byMilliseconds: Self.answerMilliseconds)
            }
        }
        publisher.forgetRequests()
        for index in encoders.indices {
            // An encoder that begins anew goes on under another SSRC.
            if chance(2_500) {
                encoders[index] = newEncoder(index)
                nextKeyframe[index] = tick
            }
            var isKey = tick >= nextKeyframe[index]
            if let due = keyframesDue[index], due <= now {
                isKey = true
                keyframesDue[index] = nil
            }
            if isKey { nextKeyframe[index] = tick + 40 + Int(random.next() % 120) }
            let stream = encoders[index].stream
            let ticks = Int64(now.milliseconds(since: begin)) * 90
            var made = encoders[index].picture(key: isKey, elapsed: ticks, at: now, &random)
            if chance(50), let padding = encoders[index].padding(at: now) { made.append(padding) }
            packets += made.count
            for (position, packet) in made.enumerated() {
                path.send(
                    stream, packet.index, packet.bytes, generation: publication.generation,
                    at: now.advanced(byNanoseconds: UInt64(position) * 200_000), &random)
            }
        }
    }

    // MARK: viewers

    private func join() throws {
        viewerNumber += 1
        let number = UInt16(truncatingIfNeeded: random.next())
        let repair: DownTrackFormat.Repair =
            chance(2)
            ? .sameStream
            : .ownStream(payloadType: 101, ssrc: MungerViewer.repairSSRC, firstSequenceNumber: number &* 3)
        let viewer = MungerViewer(
            viewerNumber, format, repair: repair, removesFiller: chance(2), firstNumber: number,
            now: { [harness] in harness.loop.now })
        try harness.loop.run { () throws(RoomError) in
            try harness.room.onLoop { room throws(RoomError) in try room.join(viewer.peer) }
        }
        var made = DownTrackFormat(
            track: TrackFormat(codec: encoders[0].codec), payloadType: 100, ssrc: MungerViewer.ssrc,
            extensions: HeaderExtensionMap(), mid: [], firstSequenceNumber: number,
            firstTimestamp: UInt32(truncatingIfNeeded: random.next()), canonicalName: "viewer")
        made.repair = repair
        made.removesFiller = viewer.removesFiller
        viewer.turn = turn
        harness.loop.run {
            track.onLoop { _ = $0.add(DownTrack(viewer: viewer.peer.peerID, format: made, sink: viewer)) }
        }
        viewer.publicationBegan()
        viewers.append(viewer)
    }

    private func leave(_ index: Int) {
        let viewer = viewers.remove(at: index)
        harness.leave(viewer.peer)
        audit(viewer)
    }

    private func audit(_ viewer: MungerViewer) {
        audits.append(MungerAudit(viewer, streams, way: way))
    }

    private func choose(_ viewer: MungerViewer) {
        var preference = LayerPreference()
        if chance(2) { preference.encoding = Int(random.next() % UInt64(encodingCount)) }
        if chance(2) { preference.temporalLayer = UInt8(random.next() % 3) }
        if format == .vp9, chance(2) { preference.spatialLayer = UInt8(random.next() % 3) }
        viewer.chose(preference)
        harness.loop.run {
            track.onLoop { _ = $0.chooseLayers(preference, for: viewer.peer.peerID) }
        }
    }

    /// Asks for packets that were sent, for some that were not, and for everything that is missing.
    private func ask(_ viewer: MungerViewer) {
        guard let highest = viewer.highest else { return }
        var numbers: [Int64] = []
        for _ in 0..<1 + random.next() % 6 { numbers.append(highest - Int64(random.next() % 300)) }
        if chance(4) { numbers.append(highest + 1 + Int64(random.next() % 1_000)) }
        numbers += (highest - 60..<highest).filter { viewer.records[$0] == nil }.prefix(10)
        viewer.asked = Set(numbers)
        var compound: [UInt8] = []
        RTCPWriter.appendNegativeAcknowledgement(
            sender: 1, media: MungerViewer.ssrc,
            sequenceNumbers: Set(numbers.map { UInt16(truncatingIfNeeded: $0) }).sorted(), to: &compound)
        let roundTrip = random.next() % 60_000_000
        harness.loop.run {
            compound.withBytes { bytes in
                var packets = RTCPIterator()
                guard let packet = try? packets.next(in: bytes), case .negativeAcknowledgement(_, _, let lost) = packet
                else { return }
                track.onLoop { [now] in
                    $0.sendAgain(
                        lost, in: bytes, to: viewer.peer.peerID, roundTripNanoseconds: roundTrip, at: now)
                }
            }
        }
        viewer.asked = []
    }

    private func act() throws {
        beginTurn()
        if viewers.count < Self.mostViewers, chance(20) { try join() }
        if viewers.count > 1, chance(400) { leave(Int(random.next() % UInt64(viewers.count))) }
        for viewer in viewers {
            if chance(90) { choose(viewer) }
            if chance(8) { ask(viewer) }
            if chance(600) {
                harness.pictureLost(viewer.peer)
            }
            if chance(150) { viewer.budget = chance(2) ? nil : 20_000 + random.next() % 400_000 }
            guard way.refuses else { continue }
            viewer.canSend = viewer.canSend ? !chance(200) : chance(15)
            viewer.isCongested = viewer.isCongested ? !chance(12) : chance(80)
            viewer.takesPackets = viewer.takesPackets ? !chance(200) : chance(3)
        }
        if chance(1_500) { try restart() }
    }

    // MARK: time

    private func beginTurn() {
        turn += 1
        for viewer in viewers { viewer.turn = turn }
    }

    private func deliver(until end: Instant) {
        let due = path.arrived(by: end)
        var next = 0
        while next < due.count {
            let step = now.nanoseconds < due[next].due.nanoseconds ? due[next].due.milliseconds(since: now) : 0
            if step > 0 {
                beginTurn()
                harness.advance(UInt64(step))
            }
            beginTurn()
            let size = min(due.count - next, 1 + Int(random.next() % 12))
            let batch = due[next..<next + size]
            next += size
            harness.loop.run { for arrival in batch { receive(arrival) } }
        }
        let rest = end.milliseconds(since: now)
        beginTurn()
        if rest > 0 { harness.advance(UInt64(rest)) }
    }

    private func receive(_ arrival: MungerPath.Arrival) {
        guard let publication, arrival.generation == publication.generation else { return }
        if arrival.stream.packets[arrival.index].arrival == nil {
            arrivals += 1
            arrival.stream.packets[arrival.index].arrival = arrivals
            arrival.stream.packets[arrival.index].turn = turn
        }
        let (room, now, layer, generation) = (harness.room, now, arrival.stream.encoding, arrival.generation)
        arrival.bytes.withBytes { bytes in
            guard let header = try? RTPHeader(parsing: bytes) else { return }
            _ = room.onLoop {
                $0.receive(
                    bytes, header: header, kind: .video, layer: layer, generation: generation, at: now)
            }
        }
    }

    func run(packets limit: Int) throws {
        while packets < limit {
            tick += 1
            publishPicture()
            for slice in 1...3 {
                deliver(until: now.advanced(byMilliseconds: Self.pictureMilliseconds / 3))
                if slice < 3, chance(4) { for viewer in viewers where chance(3) { ask(viewer) } }
            }
            try act()
        }
        for viewer in viewers { audit(viewer) }
        viewers = []
    }

    var faults: [String] { audits.flatMap(\.faults) }
}
