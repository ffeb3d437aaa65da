import RTP
import TestKit
import Testing
import Wire

@testable import Streams

/// What becomes of packets that come out of order around keyframes, layers and changes of SSRC (RTP-21, RTP-22, RTP-26).
@Suite struct LatePacketTests {
    private let harness = RoomHarness()
    private let publisher = FakePublisher(1)
    private let viewer = FakeViewer(2)
    private let sink = FakeSink()
    private var source = VideoSource(ssrc: 7)

    init() throws { try harness.publish(publisher) }

    private func join(_ repair: DownTrackFormat.Repair? = .sameStream) throws {
        try harness.join(viewer, into: sink, repair: repair)
    }

    /// A keyframe whose first packet comes last is whole for a viewer that waits for it.
    @Test(arguments: [true, false])
    mutating func aKeyframeThatBeginsLateIsWhole(_ isOneTurn: Bool) throws {
        try join()
        harness.deliver(source.frame())
        let key = source.frame(key: true, packets: 5)
        let order = [key[2], key[1], key[4], key[0], key[3]]
        if isOneTurn { harness.deliver(order) } else { for packet in order { harness.deliver([packet]) } }
        harness.deliver(source.frame())
        let numbers = sink.sent.map(\.header.sequenceNumber)
        #expect(Set(numbers).count == 7)
        #expect(numbers.sorted() == (200..<207).map { UInt16($0) })
        #expect(sink.sent.first?.isKeyframeStart == true)
        #expect(Set(sink.sent.prefix(5).map(\.header.timestamp)).count == 1)
    }

    /// What comes again of a keyframe's first packet is no beginning.
    @Test mutating func aKeyframesFirstPacketThatComesTwiceBeginsNothing() throws {
        let key = source.frame(key: true)
        harness.deliver(key)
        for _ in 0..<20 { harness.deliver(source.frame()) }
        harness.advance(1_000)
        try join()
        let before = sink.sent.count
        harness.deliver([key[0]])
        #expect(sink.sent.count == before)
        harness.deliver(source.frame(key: true))
        #expect(sink.sequenceSteps.allSatisfy { $0 == 1 })
    }

    /// A viewer that comes while a keyframe is arriving gets all of it under one timestamp, however late the rest is.
    @Test(arguments: [0, 5, 30, 200] as [UInt64])
    mutating func aViewerThatJoinsInsideAKeyframeGetsOneTimestamp(_ milliseconds: UInt64) throws {
        let key = source.frame(key: true, packets: 6)
        harness.deliver(Array(key[..<3]))
        harness.advance(20)
        try join()
        harness.advance(milliseconds)
        harness.deliver(Array(key[3...]))
        harness.advance(50)
        let stamps = sink.sent.map(\.header.timestamp)
        #expect(stamps.count == 6)
        #expect(Set(stamps).count == 1)
    }

    /// Padding that comes after what follows it leaves a number behind that viewers would ask for: it is passed on, and
    /// repaired, as padding.
    @Test(arguments: [
        DownTrackFormat.Repair.sameStream, .ownStream(payloadType: 101, ssrc: 44, firstSequenceNumber: 9),
    ])
    mutating func aNumberLeftFreeIsFilled(_ repair: DownTrackFormat.Repair) throws {
        try join(repair)
        harness.deliver(source.frame(key: true))
        let padding = source.padding()
        harness.deliver(source.frame())
        harness.deliver([padding])
        #expect(sink.sent.map(\.header.sequenceNumber) == [200, 201, 203, 204, 202])
        let filler = try #require(sink.packets.last)
        #expect(sink.sent.last?.header.isPaddingOnly == true)
        #expect(sink.sent.last?.header.marker == false)
        sink.forget()
        harness.sendAgain([202], to: viewer)
        let again = try #require(sink.packets.last)
        if repair == .sameStream {
            #expect(again == filler)
        } else {
            let sent = try #require(sink.sent.last)
            #expect(sent.header.ssrc == 44)
            #expect(sent.payload == [0, 202])
        }
        // The next one closes up as ever.
        sink.forget()
        harness.deliver([source.padding()])
        harness.deliver(source.frame())
        #expect(sink.sent.map(\.header.sequenceNumber) == [205, 206])
    }

    /// Late packets of an encoder that has begun anew do not make viewers wait for another keyframe.
    @Test mutating func whatIsLateOfTheFormerSSRCIsPassedOver() throws {
        try join()
        harness.deliver(source.frame(key: true))
        let late = source.frame()
        harness.deliver(source.frame())
        var next = VideoSource(ssrc: 8, sequenceNumber: 60_000)
        harness.deliver(next.frame(key: true))
        harness.deliver(late)
        let before = sink.sent.count
        harness.deliver(next.frame())
        #expect(sink.sent.count == before + 2)
        // A second later it has come back.
        harness.advance(1_000)
        harness.deliver(source.frame(key: true))
        #expect(sink.sent.count == before + 4)
    }
}
