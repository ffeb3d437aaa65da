import Codecs
import RTP
import Streams
import TestKit
import Testing
import Wire

@Suite struct ReportTests {
    @Test func theFirstReportComesWithTheFirstMedia() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 7)
        harness.deliver(source.frame())
        harness.advance(1_500)
        #expect(sink.control.isEmpty, "no report before media")
        harness.deliver(source.frame(key: true, elapsedMilliseconds: 1_500))
        #expect(sink.order == ["packet", "packet", "control"])
        let report = try #require(sink.reports().first)
        #expect(report.ssrc == 42)
        #expect(report.packetCount == 2)
        #expect(report.timestamp == sink.sent.last?.header.timestamp)
        for _ in 0..<30 {
            harness.advance(100)
            harness.deliver(source.frame(elapsedMilliseconds: 100))
        }
        #expect((3...5).contains(sink.reports().count))
    }

    @Test func aReportNamesItsSource() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 7)
        harness.deliver(source.frame(key: true))
        let compound = try #require(sink.control.first)
        #expect(compound.contains(subsequence: Array("viewer".utf8)))
    }

    /// RTP-70: audio and video that were captured together are reported at the same wall-clock time, although the
    /// video takes 80 ms longer and both have clocks and offsets of their own.
    @Test(arguments: [false, true])
    func audioAndVideoStayAligned(_ restarts: Bool) throws {
        let harness = RoomHarness()
        let first = FakePublisher(1)
        try harness.publish(first, [RoomHarness.vp8, RoomHarness.opus])
        let sink = try harness.join(FakeViewer(2), [RoomHarness.vp8, RoomHarness.opus])
        try play(harness, seconds: 6, videoStart: 90_000, audioStart: 3_000_000_000)
        if restarts {
            harness.unpublish(first)
            harness.advance(3_000)
            try harness.publish(FakePublisher(3), [RoomHarness.vp8, RoomHarness.opus])
            sink.forget()
            try play(harness, seconds: 6, videoStart: 4_000_000_000, audioStart: 77)
        }
        let reports = sink.reports()
        let video = try #require(reports.last { $0.ssrc == 42 })
        let audio = try #require(reports.last { $0.ssrc == 43 })
        let sent = sink.sent
        let lastVideo = try #require(sent.last { $0.header.ssrc == 42 && $0.header.marker })
        let lastAudio = try #require(sent.last { $0.header.ssrc == 43 })
        // Both were captured in the last tick of the publisher's clock.
        let videoTime = milliseconds(video, lastVideo.header.timestamp, rate: 90_000)
        let audioTime = milliseconds(audio, lastAudio.header.timestamp, rate: 48_000)
        #expect(abs(videoTime - audioTime) < 15, "video \(videoTime), audio \(audioTime)")
    }

    /// RTP-78: after the first ones, which go out with the media, a viewer never gets two reports within 50 ms.
    @Test func reportsOfAudioAndVideoKeepApart() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1), [RoomHarness.vp8, RoomHarness.opus])
        let sink = try harness.join(FakeViewer(2), [RoomHarness.vp8, RoomHarness.opus])
        try play(harness, seconds: 21, videoStart: 90_000, audioStart: 7)
        let reports = sink.reports()
        let video = reports.filter { $0.ssrc == 42 }.dropFirst()
        let audio = reports.filter { $0.ssrc == 43 }.dropFirst()
        #expect(video.count >= 20 && audio.count >= 4)
        let fiftyMilliseconds: Int64 = (1 << 32) / 20
        for report in audio {
            #expect(video.allSatisfy { abs(Int64(bitPattern: $0.ntp &- report.ntp)) > fiftyMilliseconds })
        }
    }

    /// A publisher whose video reaches the server 80 ms later than its audio, with reports of both each second.
    private func play(
        _ harness: RoomHarness, seconds: Int, videoStart: UInt32, audioStart: UInt32
    ) throws {
        var video = VideoSource(ssrc: 7, timestamp: videoStart)
        var audio = VideoSource(ssrc: 8, timestamp: audioStart)
        var late: [[[UInt8]]] = []
        let ticks = seconds * 25
        for tick in 0..<ticks {
            // Both of this tick were captured now; the video arrives two ticks later.
            late.append(video.frame(key: tick % 25 == 0, elapsedMilliseconds: 40))
            audio.timestamp &+= 1_920
            harness.deliver([audio.packet([0xFC, 1, 2], marker: false)], .audio)
            if tick >= 2 { harness.deliver(late[tick - 2]) }
            if tick % 25 == 10, let publication = harness.publication {
                let ntp = (3_900_000_000 << 32) + (UInt64(tick) * 40 << 32) / 1_000
                let (now, spoken, shown) = (harness.loop.now, audio.timestamp, video.timestamp)
                harness.loop.run {
                    publication.onLoop {
                        $0.receive(
                            SenderReport(ssrc: 8, ntp: ntp, timestamp: spoken, packetCount: 1, octetCount: 1),
                            kind: .audio, layer: 0, at: now)
                        $0.receive(
                            SenderReport(ssrc: 7, ntp: ntp, timestamp: shown, packetCount: 1, octetCount: 1),
                            kind: .video, layer: 0, at: now)
                    }
                }
            }
            harness.advance(40)
        }
        // What was still under way, so that the last of both belong to one tick.
        for frame in late.suffix(2) {
            harness.deliver(frame)
            harness.advance(40)
        }
        harness.advance(5_000)
    }

    /// The wall-clock time of a timestamp by a report, in milliseconds since the report.
    private func milliseconds(_ report: SenderReport, _ timestamp: UInt32, rate: Int64) -> Int64 {
        let ntp = Int64(report.ntp >> 32) * 1_000 + Int64(((report.ntp & 0xFFFF_FFFF) * 1_000) >> 32)
        return ntp + Int64(Int32(bitPattern: timestamp &- report.timestamp)) * 1_000 / rate
    }

    @Test func aSilentSourceIsNotReported() throws {
        let harness = RoomHarness()
        try harness.publish(FakePublisher(1))
        let sink = try harness.join(FakeViewer(2))
        var source = VideoSource(ssrc: 7)
        harness.deliver(source.frame(key: true))
        harness.advance(1_100)
        sink.forget()
        harness.advance(20_000)
        #expect(sink.control.isEmpty)
        harness.deliver(source.frame(elapsedMilliseconds: 21_100))
        harness.advance(1_100)
        #expect(sink.reports().count == 1)
    }

    @Test func leavingSaysGoodbyeOnceAndComingBackReportsAtOnce() throws {
        let harness = RoomHarness()
        let publisher = FakePublisher(1)
        try harness.publish(publisher)
        let sink = try harness.join(FakeViewer(2))
        let waiting = try harness.join(FakeViewer(3))
        var source = VideoSource(ssrc: 7)
        harness.deliver(source.frame(key: true))
        waiting.forget()
        sink.forget()
        harness.unpublish(publisher)
        #expect(sink.goodbyes == 1)
        harness.advance(5_000)
        #expect(sink.control.count == 1, "who sends nothing reports nothing")
        try harness.publish(FakePublisher(4))
        sink.forget()
        harness.deliver(source.frame(key: true))
        #expect(sink.reports().count == 1)
        #expect(sink.reports().first?.packetCount == 4)
    }

    @Test func aViewerThatGotNothingIsNotToldGoodbye() throws {
        let harness = RoomHarness()
        let publisher = FakePublisher(1)
        try harness.publish(publisher)
        let sink = try harness.join(FakeViewer(2))
        harness.unpublish(publisher)
        #expect(sink.control.isEmpty)
    }
}

extension [UInt8] {
    func contains(subsequence: [UInt8]) -> Bool {
        guard count >= subsequence.count else { return false }
        return (0...count - subsequence.count).contains { Array(self[$0..<$0 + subsequence.count]) == subsequence }
    }
}
