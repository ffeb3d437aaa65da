import Codecs
import RTP
import SDP
import Streams
import WebRTC
import Wire

/// From a decrypted packet to the door of the viewers' transports.
enum ForwardingBenchmarks {
    private static let packetsPerTurn = 10
    private static let viewerCount = 100

    static func run(_ bench: inout Bench) throws {
        try ingest(&bench)
        try track(&bench)
    }

    private static func ingest(_ bench: inout Bench) throws {
        let parameters = AnswerParameters(
            iceUfrag: "lite12345678", icePassword: "thePasswordOfTheServer+/01",
            fingerprintSHA256: Array(repeating: 1, count: 32), candidates: [], sessionID: 1)
        let identity = try ClientTransport.Identity()
        let text = SessionOffer.text(
            credentials: identity.credentials, identity: identity.certificate, ssrcs: (0x0A00_0001, 0x0B00_0001))
        let offer = try WebRTCOffer(SessionDescription(parsing: Array(text.utf8)))
        let negotiated = try offer.negotiate(.publish, with: parameters)
        let engine = IngestEngine(
            sections: negotiated.sections.compactMap { IngestSection($0) }, localSSRC: 1, canonicalName: "bench",
            startedAt: .seconds(1))
        var packet = SamplePacket.bytes()
        var reported = 0
        bench.measure("ingest: one packet, with reports and feedback") { index in
            let now = Instant.milliseconds(1_000 + UInt64(index) * 3)
            SamplePacket.number(&packet, index, timestamp: UInt32(truncatingIfNeeded: index / 10 * 3_000))
            let accepted = packet.withBytes { engine.received($0, at: now) }
            if engine.nextDeadline <= now { engine.deadlineReached(at: now) }
            engine.drainControl { reported &+= $0.byteCount }
            return accepted == nil ? 0 : 1
        }
        consume(reported)
    }

    private static func track(_ bench: inout Bench) throws {
        let loop = ManualLoop()
        let room = Room(name: "bench", loop: loop, policy: RoomPolicy(), firstTrackID: 1) { _ in }
        let format = TrackFormat(codec: .h264)
        let lanes = [PublicationLane(format: format, extensions: SamplePacket.extensions)]
        let publication = try room.onLoop { room throws(RoomError) in try room.publish(NobodysHandle(), lanes: lanes) }
        let track = room.track(.video)
        for index in 0..<viewerCount {
            let downTrack = DownTrack(
                viewer: PeerID(UInt64(index)),
                format: DownTrackFormat(
                    track: format, payloadType: SessionOffer.videoPayloadType, ssrc: UInt32(index),
                    extensions: SamplePacket.extensions, mid: [UInt8(ascii: "1")], firstSequenceNumber: 1,
                    firstTimestamp: 1, canonicalName: "bench"), sink: NullSink(on: loop))
            _ = track.onLoop { $0.add(downTrack) }
        }
        let generation = publication.generation
        var packet = SamplePacket.bytes(isKeyframe: true)
        func receive(_ index: Int) -> Int {
            SamplePacket.number(&packet, index, timestamp: UInt32(truncatingIfNeeded: index / packetsPerTurn * 3_000))
            let now = Instant.milliseconds(1_000 + UInt64(index) * 3)
            loop.now = now
            return packet.withBytes { datagram in
                guard let header = try? RTPHeader(parsing: datagram) else { return 0 }
                return track.onLoop {
                    $0.receive(datagram, header: header, layer: 0, generation: generation, at: now) ? 1 : 0
                }
            }
        }
        // Everybody's stream starts with this one.
        _ = receive(0)
        loop.endTurn()
        packet = SamplePacket.bytes()
        // Until what the track keeps for repairs and late viewers has the size it stays at.
        let settled = 6_000
        for index in 1...settled {
            _ = receive(index)
            if index % packetsPerTurn == 0 { loop.endTurn() }
        }
        bench.measure("track: a packet to 100 viewers' sinks, 10 a turn", calls: 400) { index in
            let result = receive(settled + index + 1)
            if index % packetsPerTurn == packetsPerTurn - 1 { loop.endTurn() }
            return result
        }
        let sent = track.onLoop { $0.statistics }
        guard sent.packetsSent == sent.packetsReceived * UInt64(viewerCount) else {
            throw BenchmarkFault("the viewers' sinks did not get every packet")
        }
    }
}

/// A viewer's transport that writes each packet into the same memory and forgets it.
private actor NullSink: LoopActor, PacketSink {
    nonisolated let loop: any LoopExecutor
    private var batch = PacketBatch(byteCapacity: 2_000, packetCapacity: 1)

    init(on loop: any LoopExecutor) { self.loop = loop }

    nonisolated func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        onLoop { sink in
            sink.batch.removeAll()
            return sink.batch.append(maximumSize: maximumSize) { _ = write(&$0) }
        }
    }

    nonisolated func videoBitsPerSecond(at now: Instant) -> UInt64? { nil }
    nonisolated func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool { true }
    nonisolated func enqueueControl(_ packet: RawSpan) -> Bool { true }
}

private final class NobodysHandle: PublisherHandle {
    let peerID = PeerID(1_000_000)
    func requestKeyframe(_ kind: MediaKind, layer: Int) {}
    func wasReplaced() {}
}
