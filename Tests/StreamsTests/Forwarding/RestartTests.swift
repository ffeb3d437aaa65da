import Codecs
import RTP
import Streams
import TestKit
import Testing
import Wire

/// Demonstration 2: the publisher goes and comes back twenty times, and one viewer stays.
@Suite struct RestartTests {
    /// RTP-70: what the viewer's player would show together was captured together, at every moment: by the reports it
    /// had before a restart, by the first ones after it, and by those that follow the publisher's own.
    @Test func audioAndVideoStayTogetherOverTwentyRestarts() throws {
        let harness = RoomHarness()
        let formats = [RoomHarness.vp8, RoomHarness.opus]
        var random = SplitMix64(seed: 20)
        var publisher = FakePublisher(100)
        try harness.publish(publisher, formats)
        let viewer = FakeViewer(2)
        let sink = try harness.join(viewer, formats)
        var player = Player()
        var worst: Int64 = 0
        for restart in 0...20 {
            let offset = try play(harness, sink, &player, &random)
            #expect(offset <= 40, "\(offset) ms after restart \(restart)")
            worst = max(worst, offset)
            guard restart < 20 else { break }
            // Sometimes it says goodbye, sometimes the next one takes over.
            if restart % 3 == 0 {
                harness.unpublish(publisher)
                harness.advance(UInt64.random(in: 100...6_000, using: &random))
            }
            publisher = FakePublisher(UInt64(101 + restart))
            try harness.publish(publisher, formats)
        }
        print("the worst offset of audio and video over 20 restarts is \(worst) ms")
        #expect(viewer.ends.isEmpty)
        for ssrc: UInt32 in [42, 43] {
            let sent = player.headers.filter { $0.ssrc == ssrc }
            let steps = zip(sent, sent.dropFirst())
            #expect(steps.allSatisfy { ($1.sequenceNumber &- $0.sequenceNumber) <= 2 })
            #expect(steps.allSatisfy { Int32(bitPattern: $1.timestamp &- $0.timestamp) >= 0 })
        }
    }

    /// What a player knows of its two streams.
    private struct Player {
        var reports: [UInt32: SenderReport] = [:]
        var newest: [UInt32: UInt32] = [:]
        var headers: [RTPHeader] = []

        mutating func take(_ sink: FakeSink) {
            for report in sink.reports() { reports[report.ssrc] = report }
            for packet in sink.sent {
                newest[packet.header.ssrc] = packet.header.timestamp
                headers.append(packet.header)
            }
            sink.forget()
        }

        /// When the newest packet of a stream was captured, by its report, in milliseconds.
        func captured(_ ssrc: UInt32, rate: Int64) -> Int64? {
            guard let report = reports[ssrc], let newest = newest[ssrc] else { return nil }
            let ntp = Int64(report.ntp >> 32) * 1_000 + Int64(((report.ntp & 0xFFFF_FFFF) * 1_000) >> 32)
            return ntp + Int64(Int32(bitPattern: newest &- report.timestamp)) * 1_000 / rate
        }
    }

    /// Five seconds of a publisher with clocks of its own, whose video takes up to 20 ms longer than its audio, and
    /// whose reports begin after a while.
    ///
    /// - Returns: the largest offset between audio and video, in milliseconds.
    private func play(
        _ harness: RoomHarness, _ sink: FakeSink, _ player: inout Player, _ random: inout SplitMix64
    ) throws -> Int64 {
        var video = VideoSource(
            ssrc: .random(in: 1...(.max), using: &random), sequenceNumber: .random(in: 0...(.max), using: &random),
            timestamp: .random(in: 0...(.max), using: &random))
        var audio = VideoSource(
            ssrc: .random(in: 1...(.max), using: &random), sequenceNumber: .random(in: 0...(.max), using: &random),
            timestamp: .random(in: 0...(.max), using: &random))
        let ntpAtStart = UInt64.random(in: 3_000_000_000...4_000_000_000, using: &random) << 32
        let lateness = Bool.random(using: &random) ? 1 : 0
        let firstReport = Int.random(in: 2...60, using: &random)
        var late: [[[UInt8]]] = []
        var worst: Int64 = 0
        for tick in 0..<250 {
            audio.timestamp &+= 960
            harness.deliver([audio.packet([0xFC, 1, 2], marker: false)], .audio)
            if tick % 2 == 0 {
                late.append(video.frame(key: tick % 100 == 0, elapsedMilliseconds: 40))
            }
            if tick % 2 == lateness {
                harness.deliver(late[tick / 2])
                player.take(sink)
                if let shown = player.captured(42, rate: 90_000), let heard = player.captured(43, rate: 48_000) {
                    // The audio of this tick was captured `lateness` ticks after the video.
                    worst = max(worst, abs(shown - heard + Int64(lateness) * 20))
                }
            }
            if tick % 50 == firstReport % 50, tick >= firstReport, let publication = harness.publication {
                let ntp = ntpAtStart + (UInt64(tick) * 20 << 32) / 1_000
                let shown = video.timestamp &+ UInt32(tick % 2 * 20 * 90)
                let (now, heard) = (harness.loop.now, audio.timestamp)
                harness.loop.run {
                    publication.onLoop {
                        $0.receive(
                            SenderReport(ssrc: audio.ssrc, ntp: ntp, timestamp: heard, packetCount: 1, octetCount: 1),
                            kind: .audio, layer: 0, at: now)
                        $0.receive(
                            SenderReport(ssrc: video.ssrc, ntp: ntp, timestamp: shown, packetCount: 1, octetCount: 1),
                            kind: .video, layer: 0, at: now)
                    }
                }
            }
            harness.advance(20)
        }
        player.take(sink)
        return worst
    }
}
