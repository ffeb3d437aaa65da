import RTP
import TestKit
import Wire

/// A publisher's video and audio with clocks of their own: RTP clocks that run a little wrong, and a wall clock for its
/// sender reports. One small packet to a picture.
struct ClockedSource {
    /// When it started, on the server's clock.
    let start: Instant
    /// How much its clocks are wrong, in parts per million.
    var videoDrift = 0.0
    var audioDrift = 0.0
    var wallDrift = 0.0
    private var video: VideoSource
    private var audio: VideoSource
    private let firstVideo: UInt32
    private let firstAudio: UInt32
    private let ntpAtStart: UInt64

    init(startingAt start: Instant, random: inout SplitMix64, firstVideo: UInt32? = nil, firstAudio: UInt32? = nil) {
        self.start = start
        self.firstVideo = firstVideo ?? UInt32.random(in: 0...UInt32.max, using: &random)
        self.firstAudio = firstAudio ?? UInt32.random(in: 0...UInt32.max, using: &random)
        ntpAtStart = UInt64.random(in: 3_900_000_000...4_000_000_000, using: &random) << 32
        let ssrc = UInt32.random(in: 1...1 << 30, using: &random)
        video = VideoSource(ssrc: ssrc, sequenceNumber: UInt16.random(in: 0...UInt16.max, using: &random))
        audio = VideoSource(ssrc: ssrc + 1, sequenceNumber: UInt16.random(in: 0...UInt16.max, using: &random))
    }

    private func timestamp(_ first: UInt32, rate: Double, drift: Double, at now: Instant) -> UInt32 {
        let seconds = Double(now.nanoseconds(since: start)) / 1e9
        return first &+ UInt32(truncatingIfNeeded: Int64((seconds * rate * (1 + drift / 1e6)).rounded()))
    }

    /// A picture captured now.
    mutating func picture(key: Bool, at now: Instant) -> [UInt8] {
        video.timestamp = timestamp(firstVideo, rate: 90_000, drift: videoDrift, at: now)
        return video.frame(key: key, packets: 1, elapsedMilliseconds: 0)[0]
    }

    /// Sound captured now.
    mutating func sound(at now: Instant) -> [UInt8] {
        audio.timestamp = timestamp(firstAudio, rate: 48_000, drift: audioDrift, at: now)
        return audio.packet([0xFC, 1, 2], marker: false, payloadType: 111)
    }

    /// The sender report of now, its NTP time wrong by `error`.
    func report(_ kind: MediaKind, at now: Instant, errorSeconds error: Double = 0) -> SenderReport {
        let seconds = Double(now.nanoseconds(since: start)) / 1e9 * (1 + wallDrift / 1e6) + error
        let ntp = ntpAtStart &+ UInt64(bitPattern: Int64(seconds * 4_294_967_296))
        let timestamp =
            kind == .video
            ? timestamp(firstVideo, rate: 90_000, drift: videoDrift, at: now)
            : timestamp(firstAudio, rate: 48_000, drift: audioDrift, at: now)
        return SenderReport(
            ssrc: kind == .video ? video.ssrc : audio.ssrc, ntp: ntp, timestamp: timestamp, packetCount: 1,
            octetCount: 1)
    }
}

/// A viewer's transport that keeps only the last of everything, and knows when what it got was captured.
final class SyncSink: PacketSink, @unchecked Sendable {
    static let video: UInt32 = 42
    static let audio: UInt32 = 43

    private struct Last {
        var timestamp: UInt32
        var captured: Instant
        var report: SenderReport?
    }

    private var lasts: [UInt32: Last] = [:]
    /// When what is being delivered was captured.
    var captured = Instant(nanoseconds: 0)
    private(set) var packets = 0
    private(set) var retransmissions = 0
    private(set) var goodbyes = 0

    func videoBitsPerSecond(at now: Instant) -> UInt64? { nil }
    func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool { true }

    func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        packets += 1
        guard packetClass != .retransmission else {
            retransmissions += 1
            return true
        }
        let packet = [UInt8].written(capacity: maximumSize) { _ = write(&$0) }
        guard let header = packet.withBytes({ try? RTPHeader(parsing: $0) }) else { return true }
        lasts[header.ssrc] = Last(
            timestamp: header.timestamp, captured: captured, report: lasts[header.ssrc]?.report)
        return true
    }

    func enqueueControl(_ packet: RawSpan) -> Bool {
        var parts = RTCPIterator()
        while let part = try? parts.next(in: packet) {
            switch part {
            case .senderReport(let report, _): lasts[report.ssrc]?.report = report
            case .goodbye:
                goodbyes += 1
                // What was reported is no longer so.
                for ssrc in lasts.keys { lasts[ssrc]?.report = nil }
            default: break
            }
        }
        return true
    }

    /// By how many milliseconds the reports would make a player show the picture later than the sound, against how they
    /// were captured; nil while one of them has not been reported.
    var skewMilliseconds: Double? {
        guard let video = shown(Self.video, 90_000), let audio = shown(Self.audio, 48_000) else { return nil }
        return video - audio
    }

    /// When a player takes the last packet to have been captured, minus when it was.
    private func shown(_ ssrc: UInt32, _ rate: Double) -> Double? {
        guard let last = lasts[ssrc], let report = last.report else { return nil }
        let ticks = Double(Int32(bitPattern: last.timestamp &- report.timestamp))
        let ntp = Double(report.ntp >> 32) * 1e3 + Double(report.ntp & 0xFFFF_FFFF) / 4_294_967.296
        return ntp + ticks * 1e3 / rate - Double(last.captured.nanoseconds) / 1e6
    }

    func forget() { lasts = [:] }
}
