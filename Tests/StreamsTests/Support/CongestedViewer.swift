import RTP
import Streams
import TestKit
import Wire

/// A viewer behind an emulated link that asks for what it misses, as browsers do, and knows which frames it can show.
final class CongestedViewer {
    static let videoSSRC: UInt32 = 42
    static let repairSSRC: UInt32 = 44

    let peer: FakeViewer
    let sink: CongestedSink
    private let harness: RoomHarness
    private var read = 0
    private var losses = NackGenerator()
    private var numbers = SequenceUnwrapper()
    /// Video that arrived, by extended sequence number.
    private var video: [Int64: (packet: SentPacket, at: Instant)] = [:]
    private var nextReport = Instant(nanoseconds: 0)
    private(set) var shown: [Instant] = []
    private(set) var audioReceived = 0
    private(set) var pictureLosses = 0

    init(
        _ number: UInt64, _ link: EmulatedLink, in harness: RoomHarness, repair: DownTrackFormat.Repair?,
        numbersPackets: Bool = true
    ) throws {
        self.harness = harness
        peer = FakeViewer(number)
        let extensions = HeaderExtensionMap(numbersPackets ? [(.transportWideCC, 3)] : [])
        var configuration = CongestionController.Configuration()
        if case .ownStream(let payloadType, let ssrc, let first) = repair {
            configuration.repairStream = RepairStream(
                ssrc: ssrc, payloadType: payloadType, firstSequenceNumber: first,
                extensions: HeaderExtensionForwarding(viewer: extensions, mid: []))
        }
        sink = CongestedSink(link, configuration, startedAt: harness.loop.now)
        try harness.loop.run { () throws(RoomError) in
            try harness.room.onLoop { [peer] room throws(RoomError) in try room.join(peer) }
        }
        for track in [RoomHarness.vp8, RoomHarness.opus] {
            let isVideo = track.kind == .video
            var format = DownTrackFormat(
                track: track, payloadType: isVideo ? 100 : 109, ssrc: isVideo ? Self.videoSSRC : 43,
                extensions: extensions, mid: [], firstSequenceNumber: 200, firstTimestamp: 7, canonicalName: "viewer")
            if isVideo { format.repair = repair }
            harness.loop.run {
                harness.room.track(track.kind).onLoop { [peer, sink, format] in
                    _ = $0.add(DownTrack(viewer: peer.peerID, format: format, sink: sink))
                }
            }
        }
    }

    /// Moves on: packets arrive and the viewer answers.
    func advance() {
        let now = harness.loop.now
        sink.advance(to: now)
        while read < sink.link.delivered.count {
            receive(sink.link.delivered[read])
            read += 1
        }
        var missing: [UInt16] = []
        losses.deadlineReached(at: now, into: &missing)
        if !missing.isEmpty { ask(for: missing, at: now) }
        guard now >= nextReport else { return }
        nextReport = now.advanced(byMilliseconds: 200)
        // A picture that stands still for so long is asked for.
        if let last = shown.last, now.milliseconds(since: last) > 1_000, now.milliseconds(since: last) % 1_000 < 200 {
            pictureLosses += 1
            harness.loop.run { harness.room.track(.video).onLoop { [peer] in $0.pictureLost(by: peer.peerID) } }
        }
    }

    private func receive(_ delivery: EmulatedLink.Delivery) {
        guard delivery.packetClass != .audio else {
            audioReceived += 1
            return
        }
        guard delivery.packetClass != .padding, var packet = SentPacket(delivery.head) else { return }
        if packet.header.ssrc == Self.repairSSRC {
            var original: [UInt8] = []
            let result = delivery.head.withBytes {
                RetransmissionFormat.unwrap(
                    $0, header: packet.header, ssrc: Self.videoSSRC, payloadType: 100, into: &original)
            }
            guard result == .packet, let unwrapped = SentPacket(original) else { return }
            packet = unwrapped
        }
        let number = numbers.unwrap(packet.header.sequenceNumber)
        guard video.updateValue((packet, delivery.arrived), forKey: number) == nil else { return }
        _ = losses.received(packet.header.sequenceNumber, at: delivery.arrived)
        show(delivery.arrived)
    }

    private var position: Int64?

    /// Shows every frame that is whole and follows what was shown, or is a keyframe.
    private func show(_ now: Instant) {
        if position == nil {
            position = video.filter { $0.value.packet.isKeyframeStart }.keys.min()
        }
        while let start = position {
            guard let end = endOfFrame(at: start) else {
                // What is missing may never come; a later keyframe makes it needless.
                guard let key = video.filter({ $0.key > start && $0.value.packet.isKeyframeStart }).keys.min(),
                    endOfFrame(at: key) != nil
                else { return }
                position = key
                continue
            }
            shown.append(now)
            for number in start...end { video[number] = nil }
            position = end + 1
        }
    }

    private func endOfFrame(at start: Int64) -> Int64? {
        guard video[start]?.packet.picture?.startsFrame == true else { return nil }
        var number = start
        while let entry = video[number] {
            if entry.packet.header.marker { return number }
            number += 1
        }
        return nil
    }

    private func ask(for missing: [UInt16], at now: Instant) {
        var request: [UInt8] = []
        RTCPWriter.appendNegativeAcknowledgement(
            sender: 1, media: Self.videoSSRC, sequenceNumbers: missing, to: &request)
        request.withBytes { bytes in
            var packets = RTCPIterator()
            while let packet = try? packets.next(in: bytes) {
                guard case .negativeAcknowledgement(_, _, let lost) = packet else { continue }
                harness.loop.run {
                    harness.room.track(.video).onLoop { [peer] in
                        $0.sendAgain(lost, in: bytes, to: peer.peerID, roundTripNanoseconds: 50_000_000, at: now)
                    }
                }
            }
        }
    }

    /// The longest time in which no new frame was shown, in milliseconds, after `start`.
    func longestFreeze(after start: Instant) -> Int64 {
        let times = [start] + shown.filter { $0 >= start } + [harness.loop.now]
        return zip(times, times.dropFirst()).map { $1.milliseconds(since: $0) }.max() ?? .max
    }
}
