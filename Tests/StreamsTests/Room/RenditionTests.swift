import Codecs
import RTP
import Streams
import Synchronization
import TestKit
import Testing
import Wire

/// Viewers who cannot take a room's sound get its rendition, in step with the picture.
@Suite struct RenditionTests {
    private final class Converter: SoundConverter {
        private let state = Mutex((counts: [Int](), hasEnded: false, isOff: false, isDown: false))

        func rendition(of format: TrackFormat) -> TrackFormat? {
            format.codec == .otherAudio && !state.withLock { $0.isOff } ? RoomHarness.opus : nil
        }

        func canRender(_ format: TrackFormat) -> Bool { !state.withLock { $0.isDown } }
        func listenersChanged(to count: Int) { state.withLock { $0.counts.append(count) } }
        func roomEnded() { state.withLock { $0.hasEnded = true } }

        var counts: [Int] { state.withLock { $0.counts } }
        var hasEnded: Bool { state.withLock { $0.hasEnded } }
        func switchOff() { state.withLock { $0.isOff = true } }
        func setDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }
    }

    static let aac = TrackFormat(
        codec: .otherAudio, channels: 2, parameters: [.init(name: "config", value: "1210")],
        encodingName: "MPEG4-GENERIC", clockRate: 44_100)

    private let harness = RoomHarness()
    private let converter = Converter()

    init() {
        let (room, converter) = (harness.room, converter)
        harness.loop.run { room.onLoop { $0.convertSound(by: converter) } }
    }

    private var renditionFormats: [TrackFormat] {
        let room = harness.room
        return harness.loop.run { room.onLoop { $0.renditionFormats } }
    }

    /// A viewer over WebRTC, which has negotiated these formats.
    private func join(_ viewer: FakeViewer, _ formats: [TrackFormat] = [RoomHarness.vp8, RoomHarness.opus]) throws
        -> (sink: FakeSink, wasAdded: Bool)
    {
        let sink = try harness.join(viewer, [])
        let room = harness.room
        var wasAdded = true
        for format in formats {
            let made = DownTrackFormat(
                track: format, payloadType: format.kind == .video ? 100 : 109, ssrc: format.kind == .video ? 42 : 43,
                extensions: HeaderExtensionMap(), mid: [], firstSequenceNumber: 200, firstTimestamp: 4_294_900_000,
                canonicalName: "viewer")
            let added = harness.loop.run {
                room.onLoop { $0.add(DownTrack(viewer: viewer.peerID, format: made, sink: sink)) }
            }
            wasAdded = wasAdded && added
        }
        return (sink, wasAdded)
    }

    /// A publisher whose sound is AAC, and a viewer who listens to its rendition.
    private func listen() throws -> (publisher: FakePublisher, viewer: FakeViewer, sink: FakeSink) {
        let (publisher, viewer) = (FakePublisher(1), FakeViewer(2))
        try harness.publish(publisher, [RoomHarness.vp8, Self.aac])
        #expect(renditionFormats == [RoomHarness.vp8, RoomHarness.opus])
        let (sink, wasAdded) = try join(viewer)
        #expect(wasAdded)
        return (publisher, viewer, sink)
    }

    private func convert(_ payload: [UInt8], time: Int64, isContinuous: Bool = true) {
        let (room, now) = (harness.room, harness.loop.now)
        harness.loop.run {
            payload.withBytes { bytes in
                room.onLoop { $0.renditionReceived(bytes, time: time, isContinuous: isContinuous, at: now) }
            }
        }
    }

    private func sound(_ sink: FakeSink) -> [RTPHeader] { sink.sent.map(\.header).filter { $0.ssrc == 43 } }

    @Test func onlyThoseWhoCannotTakeTheSoundGetTheRendition() throws {
        try harness.publish(FakePublisher(1), [RoomHarness.vp8, Self.aac])
        #expect(harness.snapshot.formats == [RoomHarness.vp8, Self.aac])
        #expect(renditionFormats == [RoomHarness.vp8, RoomHarness.opus])
        let (browser, wasAdded) = try join(FakeViewer(2))
        #expect(wasAdded)
        let other = FakeViewer(3)
        let reader = try harness.join(other, [Self.aac])
        #expect(converter.counts == [1])

        var source = VideoSource(ssrc: 8, timestamp: 44_100)
        harness.deliver([source.packet([1, 2, 3], marker: true)], .audio)
        convert([0xFC, 9], time: 48_000)
        #expect(reader.packets.count == 1)
        #expect(sound(browser).count == 1)
        #expect(browser.packets.first?.suffix(2) == [0xFC, 9])

        // Both kinds of packets are sent, and what came is counted once.
        #expect(harness.snapshot.packetsReceived == 1)
        #expect(harness.snapshot.packetsSent == 2)
        harness.leave(other)
        #expect(converter.counts == [1])
        harness.leave(FakeViewer(2))
        #expect(converter.counts == [1, 0])
        #expect(!converter.hasEnded)
    }

    @Test func nothingIsConvertedWhereTheSoundIsTakenAsItComes() throws {
        try harness.publish(FakePublisher(1), [RoomHarness.vp8, RoomHarness.opus])
        #expect(renditionFormats == harness.snapshot.formats)
        #expect(try join(FakeViewer(2)).wasAdded)
        #expect(converter.counts.isEmpty)
        convert([0xFC, 9], time: 48_000)
    }

    /// RTP-70: by the reports, a converted packet is played with the picture that was captured with it, whatever the
    /// converter's delay, and although both have clocks of their own.
    @Test func reportsKeepTheRenditionWithThePicture() throws {
        let (_, _, sink) = try listen()
        var video = VideoSource(ssrc: 7, timestamp: 90_000)
        // It wraps on the way.
        var audio = VideoSource(ssrc: 8, timestamp: 4_294_900_000)
        var ticks = Int64(audio.timestamp)
        var held: [Int64] = []
        for tick in 0..<200 {
            harness.deliver(video.frame(key: tick % 25 == 0, elapsedMilliseconds: 40))
            ticks += 1_764
            audio.timestamp = UInt32(truncatingIfNeeded: ticks)
            harness.deliver([audio.packet([1, 2, 3], marker: true)], .audio)
            // The converter holds 80 ms.
            held.append(ticks * 48_000 / 44_100)
            if held.count > 2 { convert([0xFC, 9], time: held.removeFirst(), isContinuous: tick > 2) }
            if tick % 25 == 10, let publication = harness.publication {
                let ntp = (3_900_000_000 << 32) + (UInt64(tick) * 40 << 32) / 1_000
                let (now, spoken, shown) = (harness.loop.now, audio.timestamp, video.timestamp)
                harness.loop.run {
                    publication.onLoop {
                        for (kind, timestamp) in [(MediaKind.audio, spoken), (.video, shown)] {
                            let report = SenderReport(
                                ssrc: 8, ntp: ntp, timestamp: timestamp, packetCount: 1, octetCount: 1)
                            $0.receive(report, kind: kind, layer: 0, at: now)
                        }
                    }
                }
            }
            harness.advance(40)
        }
        let reports = sink.reports()
        let shown = try #require(reports.last { $0.ssrc == 42 })
        let heard = try #require(reports.last { $0.ssrc == 43 })
        let lastVideo = try #require(sink.sent.last { $0.header.ssrc == 42 }).header.timestamp
        let lastAudio = try #require(sink.sent.last { $0.header.ssrc == 43 }).header.timestamp
        let videoTime = milliseconds(shown, lastVideo, rate: 90_000)
        let audioTime = milliseconds(heard, lastAudio, rate: 48_000)
        #expect(abs(videoTime - 80 - audioTime) <= 2, "video \(videoTime), audio \(audioTime)")
    }

    private func milliseconds(_ report: SenderReport, _ timestamp: UInt32, rate: Int64) -> Int64 {
        let ntp = Int64(report.ntp >> 32) * 1_000 + Int64(((report.ntp & 0xFFFF_FFFF) * 1_000) >> 32)
        return ntp + Int64(Int32(bitPattern: timestamp &- report.timestamp)) * 1_000 / rate
    }

    @Test func aListenerStaysThroughRestartsWithOtherSound() throws {
        let (first, viewer, sink) = try listen()
        var source = VideoSource(ssrc: 8, timestamp: 44_100)
        func play(_ time: Int64) {
            for index in 0..<3 as Range<Int64> {
                source.timestamp &+= 882
                harness.deliver([source.packet([0xFC, 1], marker: true)], .audio)
                convert([0xFC, 9], time: time + index * 960, isContinuous: index > 0)
                harness.advance(20)
            }
        }
        play(48_000)
        harness.unpublish(first)
        harness.advance(1_000)

        // The same sound under other times.
        let second = FakePublisher(3)
        try harness.publish(second, [RoomHarness.vp8, Self.aac])
        source = VideoSource(ssrc: 9, timestamp: 7)
        play(7)
        harness.unpublish(second)
        harness.advance(1_000)

        // Sound that needs no converting: packets of the publisher's own.
        let third = FakePublisher(4)
        try harness.publish(third, [RoomHarness.vp8, RoomHarness.opus])
        #expect(converter.counts == [1, 0])
        source = VideoSource(ssrc: 10, timestamp: 99)
        play(0)
        harness.unpublish(third)
        harness.advance(1_000)
        try harness.publish(FakePublisher(5), [RoomHarness.vp8, Self.aac])
        #expect(converter.counts == [1, 0, 1])
        source = VideoSource(ssrc: 11, timestamp: 5_000_000)
        play(5_000_000 * 48_000 / 44_100)

        #expect(viewer.ends.isEmpty)
        let headers = sound(sink)
        #expect(headers.count == 12)
        for (last, next) in zip(headers, headers.dropFirst()) {
            #expect(next.sequenceNumber == last.sequenceNumber &+ 1)
            // 20 ms, or the second of a restart and what the publisher's first packet says beside it.
            let step = Int32(bitPattern: next.timestamp &- last.timestamp)
            #expect((800...52_000).contains(step), "\\(step)")
        }
    }

    @Test func withoutAConverterForItListenersHaveToAskAgain() throws {
        let (first, viewer, _) = try listen()
        harness.unpublish(first)
        converter.switchOff()
        try harness.publish(FakePublisher(3), [RoomHarness.vp8, Self.aac])
        #expect(viewer.ends == [.codecChanged])
        #expect(renditionFormats == [RoomHarness.vp8, Self.aac])
        #expect(try !join(FakeViewer(4)).wasAdded)
    }

    @Test func listenersStayWhileNothingCanBeConvertedAndOthersAreOfferedNoSound() throws {
        let (first, viewer, sink) = try listen()
        harness.unpublish(first)
        converter.setDown(true)
        try harness.publish(FakePublisher(3), [RoomHarness.vp8, Self.aac])
        #expect(viewer.ends.isEmpty)
        #expect(renditionFormats == [RoomHarness.vp8, Self.aac])

        converter.setDown(false)
        #expect(renditionFormats == [RoomHarness.vp8, RoomHarness.opus])
        var source = VideoSource(ssrc: 8, timestamp: 44_100)
        harness.deliver([source.packet([1, 2, 3], marker: true)], .audio)
        convert([0xFC, 9], time: 48_000, isContinuous: false)
        #expect(sound(sink).count == 1)
        #expect(converter.counts == [1])
    }

    @Test func aPublisherWithoutSoundLeavesListenersInSilence() throws {
        let (first, viewer, _) = try listen()
        harness.unpublish(first)
        try harness.publish(FakePublisher(3), [RoomHarness.vp8])
        #expect(viewer.ends.isEmpty)
        #expect(converter.counts == [1])
    }

    @Test func theConverterIsLetGoWithTheRoom() throws {
        try harness.publish(FakePublisher(1), [RoomHarness.vp8, Self.aac])
        let room = harness.room
        harness.loop.run { room.onLoop { $0.close() } }
        #expect(converter.hasEnded)
    }
}
