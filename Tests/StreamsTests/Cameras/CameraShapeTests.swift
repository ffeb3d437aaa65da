import Codecs
import RTP
import Streams
import TestKit
import Testing
import Wire

/// What cameras make of H.264, from a stream of x264 whose parameter sets are in its description alone.
enum CameraShape: String, CaseIterable, Sendable {
    case descriptionOnly
    case inBand
    case both
    /// FLIR.
    case withoutMarkers
    /// Tapo, Reolink.
    case markersEverywhere
    case byteStream
    case wholeUnitFragments
    /// Over TCP.
    case oversized

    /// The packets of the stream in this shape; the units of each frame, as they were encoded, stay the same.
    func packets(_ recorded: RecordedPackets, _ sets: [[UInt8]]) -> [[UInt8]] {
        var made: [[UInt8]] = []
        for (index, unit) in recorded.expectedParts.enumerated() {
            var parts = unit
            let isKeyframe = parts.contains { $0[0] & 0x1F == 5 }
            if isKeyframe, self != .descriptionOnly { parts = sets + parts }
            parts.insert([0x09, 0xF0], at: 0)
            let timestamp = UInt32(truncatingIfNeeded: recorded.units[index].time + 1_000_000)
            var payloads: [[UInt8]] = []
            switch self {
            case .byteStream:
                let whole = Array(parts.joined(separator: [0, 0, 0, 1]))
                payloads = fragments(whole, size: 400)
            case .wholeUnitFragments:
                payloads = parts.map { [$0[0] & 0xE0 | 28, 0xC0 | $0[0] & 0x1F] + $0.dropFirst() }
            case .oversized: payloads = parts
            default: payloads = parts.flatMap { $0.count > 500 ? fragments($0, size: 400) : [$0] }
            }
            for (place, payload) in payloads.enumerated() {
                let isLast = place == payloads.count - 1
                let precedes = (6...9).contains(payload[0] & 0x1F)
                let marker = self == .withoutMarkers ? false : self == .markersEverywhere && precedes ? true : isLast
                made.append(
                    .written(capacity: 12 + payload.count) { output in
                        RTPHeader.append(
                            payloadType: 96, marker: marker, sequenceNumber: UInt16(truncatingIfNeeded: made.count),
                            timestamp: timestamp, ssrc: 5, hasExtension: false, to: &output)
                        payload.withBytes { output.append(contentsOf: $0) }
                    })
            }
        }
        return made
    }

    private func fragments(_ unit: [UInt8], size: Int) -> [[UInt8]] {
        stride(from: 1, to: unit.count, by: size).map { start in
            let end = min(unit.count, start + size)
            let flags: UInt8 = (start == 1 ? 0x80 : 0) | (end == unit.count ? 0x40 : 0)
            return [unit[0] & 0xE0 | 28, flags | unit[0] & 0x1F] + unit[start..<end]
        }
    }
}

/// PAY-3, 5, 7, 8, 10: whatever a camera does, a viewer over WHEP can begin at its keyframe and gets what was encoded,
/// with the parameter sets once, the marker where frames end, and nothing that is too large.
@Suite struct CameraShapeTests {
    private static let maximumSize = 1_000

    @Test(arguments: CameraShape.allCases)
    func viewersGetWhatWasEncoded(_ shape: CameraShape) throws {
        let recorded = try RecordedPackets("h264")
        let announced = ParameterSets.announced(.h264) { recorded.parameters[$0] }
        try #require(announced.count == 2)
        let harness = RoomHarness()
        try harness.publish(
            FakePublisher(1), [RoomHarness.h264], parameterSets: shape == .inBand ? [] : announced,
            answersKeyframeRequests: false)
        let sink = FakeSink()
        try harness.join(FakeViewer(2), [], into: sink)
        var format = DownTrackFormat(
            track: RoomHarness.h264, payloadType: 100, ssrc: 42, extensions: HeaderExtensionMap(), mid: [],
            firstSequenceNumber: 200, firstTimestamp: 0, canonicalName: "viewer")
        format.removesFiller = true
        harness.loop.run {
            harness.room.track(.video).onLoop { [format] in
                _ = $0.add(DownTrack(viewer: PeerID(2), format: format, sink: sink))
            }
        }
        publish(shape.packets(recorded, announced), into: harness, recorded.description)

        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(sink.packets.allSatisfy { $0.count <= Self.maximumSize + ParameterSets.maximumPayloadSize })
        let result = assemble(sink.packets, recorded.description)
        #expect(result.statistics.malformed == 0)
        var expected = recorded.expectedParts.map { $0.filter { $0[0] & 0x1F != 9 } }
        // Without parameter sets in the stream, a keyframe begins with its first slice.
        if shape == .descriptionOnly { expected[0].removeAll { $0[0] & 0x1F == 6 } }
        for index in expected.indices where expected[index].contains(where: { $0[0] & 0x1F == 5 }) {
            // A viewer that has them is not given those of the description again.
            if index == 0 || shape != .descriptionOnly { expected[index] = announced + expected[index] }
        }
        if shape == .withoutMarkers { expected.removeLast() }
        #expect(result.frames.map(\.unit.partBytes).prefix(expected.count) == expected[...])
        // Every frame ends with a marker, and with one only; where there were none, from the fourth on.
        var frames: [[SentPacket]] = []
        for packet in sink.sent {
            if frames.last?.first?.header.timestamp == packet.header.timestamp {
                frames[frames.count - 1].append(packet)
            } else {
                frames.append([packet])
            }
        }
        for frame in shape == .withoutMarkers ? frames[4..<frames.count - 1] : frames[...] {
            #expect(frame.map(\.header.marker) == (1...frame.count).map { $0 == frame.count })
        }
    }

    private func publish(_ packets: [[UInt8]], into harness: RoomHarness, _ description: PayloadDescription) {
        var splitter = OversizedPacketSplitter(description, maximumSize: Self.maximumSize)
        var markers = MarkerRepair()
        for packet in packets {
            var ready: [[UInt8]] = []
            packet.withBytes { bytes in
                guard let header = try? RTPHeader(parsing: bytes) else { return }
                splitter.receive(bytes, header: header) { bytes, header in
                    markers.receive(bytes, header: header) { bytes, header in
                        var packet = bytes.array
                        packet[1] = packet[1] & 0x7F | (header.marker ? 0x80 : 0)
                        packet.set(bigEndian: header.sequenceNumber, at: 2)
                        ready.append(packet)
                    }
                }
            }
            harness.deliver(ready)
            harness.advance(5)
        }
    }
}

/// PAY-12: intra refresh has recovery points instead of keyframes.
@Suite struct RecoveryStartTests {
    private static let recovery: [UInt8] = [0x06, 6, 1, 0xC4, 0x80]
    private static let slice: [UInt8] = [0x41, 0x9A, 1]

    @Test(arguments: [true, false])
    func viewersBeginAtRecoveryPointsOfPublishersWithoutKeyframes(_ canBeAsked: Bool) throws {
        let harness = RoomHarness()
        let sets = [ParameterSetTests.sps, ParameterSetTests.pps]
        try harness.publish(
            FakePublisher(1), [RoomHarness.h264], parameterSets: sets, answersKeyframeRequests: canBeAsked)
        let sink = try harness.join(FakeViewer(2), [RoomHarness.h264])
        var source = VideoSource(ssrc: 7)
        for frame in 0..<400 {
            source.timestamp &+= 3_000
            var packets = frame % 50 == 25 ? [source.packet(Self.recovery, marker: false)] : []
            packets.append(source.packet(Self.slice, marker: true))
            harness.deliver(packets)
            harness.advance(33)
            // For ten seconds a keyframe may yet come.
            if frame == 250 { #expect(sink.packets.isEmpty) }
        }
        guard !canBeAsked else { return #expect(sink.packets.isEmpty) }
        #expect(sink.sent.first?.payload == ParameterSetTests.aggregate)
        #expect(sink.sent.dropFirst().first?.payload == Self.recovery)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
    }

    /// The frame at which a viewer begins, with a recovery point in each tenth frame and 100 ms between frames.
    private static func firstFrame(
        _ patienceSeconds: UInt64?, changedTo later: UInt64?? = nil, at change: Int = 0
    ) throws -> Int? {
        var policy = RoomPolicy()
        policy.recoveryPointPatienceNanoseconds = patienceSeconds.map { $0 * 1_000_000_000 }
        let harness = RoomHarness(policy)
        try harness.publish(
            FakePublisher(1), [RoomHarness.h264], parameterSets: [ParameterSetTests.sps, ParameterSetTests.pps],
            answersKeyframeRequests: false)
        let sink = try harness.join(FakeViewer(2), [RoomHarness.h264])
        var source = VideoSource(ssrc: 7)
        for frame in 0..<400 {
            if let later, frame == change {
                policy.recoveryPointPatienceNanoseconds = later.map { $0 * 1_000_000_000 }
                harness.loop.run { [policy] in harness.room.onLoop { $0.apply(policy) } }
            }
            source.timestamp &+= 9_000
            var packets = frame % 10 == 5 ? [source.packet(recovery, marker: false)] : []
            packets.append(source.packet(slice, marker: true))
            harness.deliver(packets)
            if !sink.packets.isEmpty { return frame }
            harness.advance(100)
        }
        return nil
    }

    @Test(arguments: [(0, 5), (3, 35), (30, 305), (nil, nil)] as [(UInt64?, Int?)])
    func howLongAKeyframeIsWaitedForIsASetting(_ seconds: UInt64?, _ frame: Int?) throws {
        #expect(try Self.firstFrame(seconds) == frame)
    }

    @Test func aChangeOfTheSettingReachesWhoIsWaiting() throws {
        #expect(try Self.firstFrame(nil, changedTo: .some(1), at: 100) == 105)
        #expect(try Self.firstFrame(15, changedTo: .some(nil), at: 100) == nil)
    }
}

/// PAY-34: a keyframe of AV1 whose sequence header came earlier only.
@Suite struct SequenceHeaderTests {
    @Test func viewersAreGivenTheSequenceHeader() throws {
        let header: [UInt8] = [0x08, 0x00, 0x00, 0x00, 0x42, 0xA7, 0xBF, 0xE6, 0x2E, 0xDF, 0xC8, 0x42]
        let keyframe: [UInt8] = [0x30, 0x10, 1, 2]
        let between: [UInt8] = [0x30, 0x30, 1, 2]
        let harness = RoomHarness()
        let av1 = TrackFormat(codec: .av1)
        try harness.publish(FakePublisher(1), [av1], answersKeyframeRequests: false)
        var source = VideoSource(ssrc: 7)
        func frame(_ payload: [UInt8]) {
            source.timestamp &+= 3_000
            harness.deliver([source.packet(payload, marker: true)])
            harness.advance(33)
        }
        // Nobody can begin here: the header is not known.
        let early = try harness.join(FakeViewer(2), [av1])
        frame([0x10] + between)
        #expect(early.packets.isEmpty)
        frame([0x28, UInt8(header.count)] + header + keyframe)
        #expect(early.sent.map(\.payload) == [[0x28, UInt8(header.count)] + header + keyframe])
        frame([0x10] + between)
        harness.advance(16_000)
        let late = try harness.join(FakeViewer(3), [av1])
        frame([0x10] + keyframe)
        #expect(late.sent.map(\.payload) == [[0x18] + header, [0x10] + keyframe])
        #expect(late.sequenceSteps == [1])
        // Whoever has it is not given it again.
        #expect(early.packets.count == 3)
    }
}
