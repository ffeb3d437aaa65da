import Codecs
import RTP
import Streams
import TestKit
import Testing
import Wire

/// What the server itself tells viewers in header extensions: playout delay (RTP-80) and capture times (RTP-79).
@Suite struct InsertedExtensionTests {
    private static let ids = HeaderExtensionMap([(.playoutDelay, 1), (.absCaptureTime, 2)])

    /// A viewer that negotiated both.
    private static func join(
        _ harness: RoomHarness, delay: PlayoutDelay? = nil, repair: DownTrackFormat.Repair? = nil,
        repairDelayMilliseconds: Int = 0
    ) throws -> FakeSink {
        let viewer = FakeViewer(9)
        let sink = try harness.join(viewer, [])
        var format = DownTrackFormat(
            track: RoomHarness.vp8, payloadType: 100, ssrc: 42, extensions: ids, mid: [], firstSequenceNumber: 1,
            firstTimestamp: 0, canonicalName: "viewer")
        format.playoutDelay = delay
        format.repair = repair
        format.repairDelayMilliseconds = repairDelayMilliseconds
        let (track, made) = (harness.room.track(.video), format)
        let added = harness.loop.run {
            track.onLoop { $0.add(DownTrack(viewer: viewer.peerID, format: made, sink: sink)) }
        }
        #expect(added)
        return sink
    }

    private static func ask(_ harness: RoomHarness, for lost: UInt16) {
        var request: [UInt8] = []
        RTCPWriter.appendNegativeAcknowledgement(sender: 1, media: 42, sequenceNumbers: [lost], to: &request)
        let (track, now) = (harness.room.track(.video), harness.loop.now)
        harness.loop.run {
            request.withBytes { bytes in
                var packets = RTCPIterator()
                while let packet = try? packets.next(in: bytes) {
                    guard case .negativeAcknowledgement(_, _, let list) = packet else { continue }
                    track.onLoop {
                        $0.sendAgain(list, in: bytes, to: PeerID(9), roundTripNanoseconds: 0, at: now)
                    }
                }
            }
        }
    }

    /// The extensions of every packet sent, by id.
    private static func extensions(_ sink: FakeSink) throws -> [[UInt8: [UInt8]]] {
        try sink.packets.map { packet in
            try packet.withBytes { bytes in
                var elements = HeaderExtensionIterator(try RTPHeader(parsing: bytes))
                var found: [UInt8: [UInt8]] = [:]
                while let element = elements.next(in: bytes) {
                    found[element.id] = bytes.extracting(element.value).array
                }
                return found
            }
        }
    }

    @Test func theDelayStandsInTheFirstPacketsAndInEveryKeyframe() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let delay = try #require(PlayoutDelay(leastMilliseconds: 0, mostMilliseconds: 200))
        let sink = try Self.join(harness, delay: delay)
        var source = VideoSource(ssrc: 7)
        for frame in 0..<120 {
            harness.deliver(source.frame(key: frame % 100 == 0))
            harness.advance(33)
        }
        let sent = try Self.extensions(sink)
        #expect(sent.count == 240)
        #expect(sent.prefix(100).allSatisfy { $0[1] == [0x00, 0x00, 0x14] })
        #expect(sent[100..<200].allSatisfy { $0[1] == nil })
        #expect(sent[200][1] == [0x00, 0x00, 0x14] && sent[201][1] == nil)
    }

    @Test func withoutASettingThereIsNone() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try Self.join(harness)
        var source = VideoSource(ssrc: 7)
        harness.deliver(source.frame(key: true))
        #expect(try Self.extensions(sink).allSatisfy { $0[1] == nil })
    }

    /// A packet sent again under its own number is the same to the last byte, or its encryption would be unsafe.
    @Test func whatIsRepeatedAsItWasSaysNothingOfTheMoment() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let delay = try #require(PlayoutDelay(leastMilliseconds: 10, mostMilliseconds: 20))
        let sink = try Self.join(harness, delay: delay, repair: .sameStream)
        var source = VideoSource(ssrc: 7)
        for frame in 0..<100 {
            harness.deliver(source.frame(key: frame == 0))
            harness.advance(33)
        }
        #expect(try Self.extensions(sink).allSatisfy { $0 == [1: [0x00, 0x10, 0x02]] })
        let first = sink.packets
        sink.forget()
        let lost = UInt16(180)
        Self.ask(harness, for: lost)
        #expect(sink.packets.count == 1)
        #expect(sink.packets == first.filter { SentPacket($0)?.header.sequenceNumber == lost })
    }

    /// Plays for a while at 25 frames a second; once a second a packet is asked for that was sent 200 ms before.
    private static func play(_ harness: RoomHarness, _ source: inout VideoSource, frames: Int, loses: Bool, first: Int)
    {
        for frame in first..<first + frames {
            harness.deliver(source.frame(key: frame == 0, packets: 1, elapsedMilliseconds: 40))
            harness.advance(40)
            if loses, frame % 25 == 24 { ask(harness, for: UInt16(1 + frame - 4)) }
        }
    }

    @Test func whileRepairsComeLateViewersAreAskedToHoldVideoBack() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let repair = DownTrackFormat.Repair.ownStream(payloadType: 101, ssrc: 43, firstSequenceNumber: 0)
        let sink = try Self.join(harness, repair: repair, repairDelayMilliseconds: 500)
        var source = VideoSource(ssrc: 7)
        Self.play(harness, &source, frames: 49, loses: true, first: 0)
        #expect(try Self.extensions(sink).allSatisfy { $0[1] == nil }, "one gap says nothing")
        sink.forget()
        Self.play(harness, &source, frames: 151, loses: true, first: 49)
        // 200 ms and the time for decoding; at most what browsers take by themselves.
        let told = try Self.extensions(sink).map { $0[1] }
        #expect(told.dropFirst(20).prefix(80).allSatisfy { $0 == [0x01, 0x73, 0xE8] })
        // Players follow at once, so it is told bit by bit.
        let steps = told.prefix(20).compactMap { $0.map { Int($0[0]) << 4 | Int($0[1]) >> 4 } }
        #expect(zip(steps, steps.dropFirst()).allSatisfy { (0...5).contains($1 - $0) } && steps.first == 5)
        sink.forget()
        Self.play(harness, &source, frames: 2_200, loses: false, first: 200)
        let later = try Self.extensions(sink).compactMap { $0[1] }
        #expect(later.last == [0x00, 0x03, 0xE8], "a quiet link is not delayed")
        #expect(later.count <= 300)
    }

    /// What the room's operator sets as the most holds for losses too.
    @Test func theRoomsOwnBoundsAreKept() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let repair = DownTrackFormat.Repair.ownStream(payloadType: 101, ssrc: 43, firstSequenceNumber: 0)
        let delay = try #require(PlayoutDelay(leastMilliseconds: 50, mostMilliseconds: 100))
        let sink = try Self.join(harness, delay: delay, repair: repair, repairDelayMilliseconds: 500)
        var source = VideoSource(ssrc: 7)
        Self.play(harness, &source, frames: 200, loses: true, first: 0)
        let told = try Self.extensions(sink).compactMap { $0[1] }
        #expect(told.first == [0x00, 0x50, 0x0A] && told.last == [0x00, 0xA0, 0x0A])
    }

    private static func milliseconds(_ ntp: [UInt8], since start: UInt64) -> Double {
        let value = ntp.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Double(Int64(bitPattern: value &- start)) / 4_294_967.296
    }

    @Test func captureTimesAreToldTwiceASecondAndWithEveryKeyframeInTheServersTime() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try Self.join(harness)
        let began = harness.loop.now
        var source = VideoSource(ssrc: 7)
        var captured: [Double] = []
        for frame in 0..<60 {
            let isKeyframe = frame % 20 == 0
            harness.deliver(source.frame(key: isKeyframe, packets: 1, elapsedMilliseconds: 40))
            captured.append(Double(harness.loop.now.milliseconds(since: began)))
            harness.advance(40)
        }
        let sent = try Self.extensions(sink)
        let told = sent.indices.filter { sent[$0][2] != nil }
        #expect(told.contains(0) && told.contains(20) && told.contains(40))
        #expect((4...9).contains(told.count))
        for index in told {
            let value = try #require(sent[index][2])
            #expect(value.count == 16 && value.suffix(8).allSatisfy { $0 == 0 })
            let wall = harness.loop.wallClock.ntp(at: began)
            #expect(abs(Self.milliseconds(value, since: wall) - captured[index]) < 2)
        }
    }

    /// A publisher whose timestamps are those of its encoder's output says in the extension when it captured.
    @Test(arguments: [false, true])
    func whatThePublisherSaysOfItsCaptureIsTranslated(_ hasOwnOffset: Bool) throws {
        let harness = RoomHarness()
        let map = HeaderExtensionMap([(.absCaptureTime, 3)])
        let lane = PublicationLane(format: RoomHarness.vp8, extensions: map)
        let publication = try harness.loop.run { () throws(RoomError) in
            try harness.room.onLoop { room throws(RoomError) in try room.publish(FakePublisher(1), lanes: [lane]) }
        }
        let sink = try Self.join(harness)
        var source = VideoSource(ssrc: 7)
        let began = harness.loop.now
        // The publisher's NTP clock is years away from the server's; its capture clock another hour.
        let publisherNTP: UInt64 = 1_000 << 32
        let hour: UInt64 = 3_600 << 32
        for frame in 0..<100 {
            let elapsed = UInt64(frame) * 40
            let ntp = publisherNTP + (elapsed << 32) / 1_000
            var packet = source.frame(key: frame == 0 || frame == 90, packets: 1, elapsedMilliseconds: 40)[0]
            if frame % 25 == 0 {
                // Captured 150 ms before it was stamped.
                let capture = ntp &- (150 << 32) / 1_000
                var value: [UInt8] = []
                value.append(bigEndian: hasOwnOffset ? capture &- hour : capture)
                if hasOwnOffset { value.append(bigEndian: hour) }
                packet[0] |= 0x10
                let block = [0xBE, 0xDE, 0, UInt8((value.count + 4) / 4), 3 << 4 | UInt8(value.count - 1)] + value
                packet.insert(contentsOf: block + [0, 0, 0], at: 12)
            }
            harness.deliver([packet], of: publication)
            if frame % 20 == 10 {
                let report = SenderReport(
                    ssrc: 7, ntp: ntp, timestamp: source.timestamp, packetCount: 1, octetCount: 1)
                let now = harness.loop.now
                harness.loop.run { publication.onLoop { $0.receive(report, kind: .video, layer: 0, at: now) } }
            }
            harness.advance(40)
        }
        let sent = try Self.extensions(sink)
        let value = try #require(sent[90][2])
        let wall = harness.loop.wallClock.ntp(at: began)
        let captured = Self.milliseconds(value, since: wall)
        #expect(abs(captured - (90 * 40 - 150)) < 3, "\(captured)")
    }
}
