import RTP
import TestKit
import Testing
import Wire

@testable import Streams

/// What a keyframe whose first packet is late costs, and what belongs to it when its encoder has just begun anew.
@Suite struct LateKeyframeTests {
    private let harness = RoomHarness()
    private var source = VideoSource(ssrc: 7, sequenceNumber: 20_000)

    private func header(_ sequenceNumber: UInt16) throws -> RTPHeader {
        var source = VideoSource(ssrc: 7, sequenceNumber: sequenceNumber)
        return try source.packet([1], marker: false).withBytes { try RTPHeader(parsing: $0) }
    }

    /// Frames of H.264, and parameter sets that claim to stand before them.
    private mutating func deliverLateSets(behind count: Int, sets: Int, timestampStep: UInt32) {
        for _ in 0..<count { harness.deliver([source.packet(ParameterSetTests.slice, marker: false)]) }
        var late = VideoSource(ssrc: 7, sequenceNumber: 20_000 &- UInt16(sets), timestamp: source.timestamp)
        let packets = (0..<sets).map { _ in
            late.timestamp &+= timestampStep
            return late.packet(ParameterSetTests.sps, marker: false)
        }
        harness.deliver(packets.reversed())
    }

    @Test mutating func aKeyframeIsRepeatedOnce() throws {
        try harness.publish(FakePublisher(1), [RoomHarness.h264])
        deliverLateSets(behind: 100, sets: 50, timestampStep: 0)
        #expect(harness.statistics.packetsRepeated == 100)
    }

    /// However many keyframes a publisher lets begin late, no more is repeated than it sends.
    @Test mutating func repeatingIsBounded() throws {
        try harness.publish(FakePublisher(1), [RoomHarness.h264])
        deliverLateSets(behind: 300, sets: 200, timestampStep: 1)
        let statistics = harness.statistics
        #expect(statistics.packetsReceived == 500)
        #expect(statistics.packetsRepeated == UInt64(Track.repeatLimit) + 199)
    }

    /// A viewer that has begun, though nothing could be sent yet, does not begin again with an older keyframe.
    @Test mutating func anOlderKeyframeIsNoBeginning() throws {
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        sink.admitsFrames = false
        let old = source.frame(key: true)
        harness.deliver([old[1]])
        harness.deliver(source.frame(key: true))
        sink.admitsFrames = true
        harness.deliver([old[0]])
        #expect(sink.packets.isEmpty)
        harness.deliver(source.frame(key: true))
        #expect(sink.sent.count == 2)
    }

    /// What came early follows the keyframe's own first packet, also for viewers that begin with sets made here.
    @Test mutating func earlyPacketsFollowBehindInsertedSets() throws {
        try harness.publish(
            FakePublisher(1), [RoomHarness.h264], parameterSets: [ParameterSetTests.sps, ParameterSetTests.pps])
        let sink = try harness.join(FakeViewer(2), [RoomHarness.h264])
        let first = source.packet(ParameterSetTests.keySlice, marker: false)
        let secondSlice: [UInt8] = [0x65, 0x41, 1, 2, 3]
        let second = source.packet(secondSlice, marker: true)
        harness.deliver([second, first])
        #expect(sink.sent.map(\.payload) == [ParameterSetTests.aggregate, ParameterSetTests.keySlice, secondSlice])
        #expect(sink.sequenceSteps == [1, 1])
        #expect(harness.statistics.packetsRepeated == 1)
    }

    @Test mutating func earlyPacketsFitIntoATurnThatIsFull() throws {
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        let before = source.frame(packets: 300)
        let key = source.frame(key: true, packets: 200)
        #expect(before.count + key.count + key.count - 1 > PacketRun.packetCapacity)
        harness.deliver(before + key[1...] + [key[0]])
        #expect(sink.sent.count == 200)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(harness.statistics.packetsOverflowed == 0)
    }

    /// An encoder that begins anew under its SSRC with lower numbers than before.
    @Test mutating func whatCameBeforeARestartIsNoPartOfItsKeyframe() throws {
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        harness.deliver(source.frame(packets: 20))
        var restarted = VideoSource(ssrc: 7, sequenceNumber: 1_000, timestamp: source.timestamp)
        let key = restarted.frame(key: true, packets: 5)
        harness.deliver([key[1], key[2], key[0], key[3], key[4]])
        #expect(harness.statistics.packetsRepeated == 2)
        #expect(sink.sent.count == 5)
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
        #expect(Set(sink.sent.map(\.header.timestamp)).count == 1)
        let track = harness.room.track(.video)
        let position = harness.loop.run { track.onLoop { $0.store?.keyframes?[0]?.position } }
        #expect(position == 20)
    }

    @Test func aStepBackBeyondLatenessIsAnotherBeginning() throws {
        var encoding = EncodingSource()
        let limit = UInt16(StreamRewriter.lateLimit)
        let steps: [(UInt16, Bool)] = [
            (20_000, true), (19_999, false), (20_000, false), (20_001 - limit, false), (20_000 - limit, true),
            (20_001 - limit, true), (20_000 - limit, false), (1_000, true), (1_002, true), (1_001, false),
        ]
        for (number, isInOrder) in steps {
            let header = try header(number)
            let isTaken = encoding.takes(header, at: Instant(nanoseconds: 0))
            #expect(isTaken)
            #expect(encoding.isInOrder == isInOrder, "\(number)")
        }
    }
}
