import Loop
import RTP
import RTSP
import Wire

/// Publishes one room over RTSP, inside its connection: 2 Mbit/s of video at 30 frames a second, and 50 audio packets a
/// second.
actor BenchmarkRTSPPublisher: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private struct Stream {
        let ssrc: UInt32
        let payloadType: UInt8
        let channel: UInt8
        var sequenceNumber: UInt16 = 100
        var timestamp: UInt32 = 1_000
        var counter: UInt32 = 0
        var octets: UInt32 = 0
    }

    /// Full packets of a frame, which no reader needs cut, and the size of the last: 59 frames and a keyframe make 500 kB in two
    /// seconds.
    private static let payloadSize = 1_380
    private static let packetsPerFrame = 5
    private static let packetsPerKeyframe = 34
    private static let lastPayloadSize = 760
    private static let reportMilliseconds: UInt64 = 1_000

    private let exchange: RTSPExchange
    private let hasAudio: Bool
    private var video = Stream(ssrc: 0x0B00_0001, payloadType: 96, channel: 0)
    private var audio = Stream(ssrc: 0x0A00_0001, payloadType: 97, channel: 2)
    private var frame: UInt64 = 0
    private var timers: [any LoopTimer] = []
    /// When each timer fires after the next time, so that lateness does not add up.
    private var due: [Instant] = []
    private var packet = PacketBatch(byteCapacity: 2_048, packetCapacity: 1)
    private var control: [UInt8] = []

    init(on loop: EventLoop, server: SocketAddress, room: String, hasAudio: Bool) {
        eventLoop = loop
        self.hasAudio = hasAudio
        exchange = RTSPExchange(on: loop, server: server, room: room)
    }

    /// Returns when media flows.
    func publish() async throws {
        try await exchange.connect()
        var lines = [
            "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=bench", "c=IN IP4 0.0.0.0", "t=0 0", "m=video 0 RTP/AVP 96",
            "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1", "a=control:trackID=0",
        ]
        if hasAudio {
            lines += ["m=audio 0 RTP/AVP 97", "a=rtpmap:97 opus/48000/2", "a=control:trackID=1"]
        }
        let description = Array(lines.map { $0 + "\r\n" }.joined().utf8)
        _ = try await exchange.request(.announce, [("Content-Type", "application/sdp")], body: description)
        try await exchange.setUp(control: "/trackID=0", channel: video.channel, isVideo: true, mode: "record")
        if hasAudio {
            try await exchange.setUp(control: "/trackID=1", channel: audio.channel, isVideo: false, mode: "record")
        }
        _ = try await exchange.request(.record)
        repeatedly(every: 1_000_000_000 / SyntheticMedia.framesPerSecond) { self.sendFrame() }
        if hasAudio {
            repeatedly(every: 1_000_000_000 / SyntheticMedia.audioPacketsPerSecond) { self.sendAudio() }
        }
        repeatedly(every: Self.reportMilliseconds * 1_000_000) { self.sendReports() }
    }

    func stop() async {
        for timer in timers { timer.cancel() }
        timers = []
        await exchange.close()
    }

    private func repeatedly(every nanoseconds: UInt64, _ body: @escaping () -> Void) {
        let index = timers.count
        let timer = eventLoop.makeTimer {
            guard self.timers.indices.contains(index) else { return }
            self.timers[index].schedule(at: self.due[index])
            self.due[index] = self.due[index].advanced(byNanoseconds: nanoseconds)
            body()
        }
        let first = eventLoop.now.advanced(byNanoseconds: nanoseconds)
        due.append(first.advanced(byNanoseconds: nanoseconds))
        timers.append(timer)
        timer.schedule(at: first)
    }

    private func sendFrame() {
        let isKeyframe = frame % UInt64(SyntheticMedia.framesBetweenKeyframes) == 0
        frame += 1
        video.timestamp &+= UInt32(90_000 / SyntheticMedia.framesPerSecond)
        if isKeyframe { send(&video, size: 32, marker: false) { SyntheticMedia.appendParameterSets(to: &$0) } }
        let count = isKeyframe ? Self.packetsPerKeyframe : Self.packetsPerFrame
        for index in 0...count {
            let isLast = index == count
            let size = isLast ? Self.lastPayloadSize : Self.payloadSize
            let counter = video.counter &+ 1
            send(&video, size: size, marker: isLast) { output in
                SyntheticMedia.appendFragment(
                    counter: counter, size: size, isKeyframe: isKeyframe, isFirst: index == 0, isLast: isLast,
                    to: &output)
            }
        }
    }

    private func sendAudio() {
        audio.timestamp &+= UInt32(48_000 / SyntheticMedia.audioPacketsPerSecond)
        let counter = audio.counter &+ 1
        send(&audio, size: SyntheticMedia.audioPayloadSize, marker: false) {
            SyntheticMedia.appendAudio(counter: counter, to: &$0)
        }
    }

    private func send(_ stream: inout Stream, size: Int, marker: Bool, _ payload: (inout OutputRawSpan) -> Void) {
        stream.sequenceNumber &+= 1
        stream.counter &+= 1
        stream.octets &+= UInt32(size)
        let header = stream
        packet.removeAll()
        _ = packet.append(maximumSize: RTPHeader.minimumSize + size) { output in
            RTPHeader.append(
                payloadType: header.payloadType, marker: marker, sequenceNumber: header.sequenceNumber,
                timestamp: header.timestamp, ssrc: header.ssrc, hasExtension: false, to: &output)
            payload(&output)
        }
        packet.withPacket(at: 0) { bytes in exchange.onLoop { $0.send(bytes, channel: header.channel) } }
    }

    private func sendReports() {
        let ntp = eventLoop.wallClock.ntp(at: eventLoop.now)
        for stream in hasAudio ? [video, audio] : [video] {
            control.removeAll(keepingCapacity: true)
            RTCPWriter.append(
                SenderReport(
                    ssrc: stream.ssrc, ntp: ntp, timestamp: stream.timestamp, packetCount: stream.counter,
                    octetCount: stream.octets), to: &control)
            RTCPWriter.appendSourceDescription(ssrc: stream.ssrc, cname: "bench", to: &control)
            control.withBytes { bytes in exchange.onLoop { $0.send(bytes, channel: stream.channel + 1) } }
        }
    }
}
