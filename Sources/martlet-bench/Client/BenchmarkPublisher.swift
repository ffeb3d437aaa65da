import Loop
import RTP
import Secure
import Wire

/// Publishes one room: 2.5 Mbit/s of video at 30 frames a second, each frame sent at once, and 50 audio packets a second.
actor BenchmarkPublisher: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private struct Stream {
        let ssrc: UInt32
        let payloadType: UInt8
        let mid: UInt8
        var sequenceNumber: UInt16 = 100
        var timestamp: UInt32 = 1_000
        var counter: UInt32 = 0
        var octets: UInt32 = 0
    }

    private static let reportMilliseconds: UInt64 = 1_000

    private var audio = Stream(ssrc: 0x0A00_0001, payloadType: SessionOffer.audioPayloadType, mid: UInt8(ascii: "0"))
    private var video = Stream(ssrc: 0x0B00_0001, payloadType: SessionOffer.videoPayloadType, mid: UInt8(ascii: "1"))
    private var transportWideNumber: UInt16 = 0
    private var frame = 0
    private var transport: ClientTransport?
    private var timers: [any LoopTimer] = []
    /// When each timer fires after the next time, so that lateness does not add up.
    private var due: [Instant] = []
    private var control: [UInt8] = []
    private var connected: CheckedContinuation<Void, Never>?
    private(set) var packetsSent: UInt64 = 0

    init(on loop: EventLoop) { eventLoop = loop }

    /// Returns when media flows.
    func publish(_ room: String, through signaling: SignalingClient) async throws {
        let identity = try ClientTransport.Identity()
        let offer = SessionOffer.text(
            credentials: identity.credentials, identity: identity.certificate, ssrcs: (audio.ssrc, video.ssrc))
        let answer = try await signaling.answer(to: offer, room: room, word: "whip")
        await withCheckedContinuation { continuation in
            connected = continuation
            do {
                transport = try ClientTransport(
                    on: eventLoop, answer: answer, identity: identity, onConnected: { _ in self.start() },
                    onMedia: { _ in })
            } catch {
                continuation.resume()
            }
        }
    }

    func stop() {
        for timer in timers { timer.cancel() }
        timers = []
        transport?.close()
        transport = nil
    }

    private func start() {
        repeatedly(every: 1_000_000_000 / SyntheticMedia.framesPerSecond) { self.sendFrame() }
        repeatedly(every: 1_000_000_000 / SyntheticMedia.audioPacketsPerSecond) { self.sendAudio() }
        repeatedly(every: Self.reportMilliseconds * 1_000_000) { self.sendReports() }
        connected?.resume()
        connected = nil
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

    // MARK: media

    private func sendFrame() {
        let isKeyframe = frame % SyntheticMedia.framesBetweenKeyframes == 0
        frame += 1
        video.timestamp &+= UInt32(90_000 / SyntheticMedia.framesPerSecond)
        if isKeyframe {
            send(&video, size: 32, marker: false) { SyntheticMedia.appendParameterSets(to: &$0) }
        }
        let count = isKeyframe ? SyntheticMedia.packetsPerKeyframe : SyntheticMedia.packetsPerFrame
        for index in 0...count {
            let isLast = index == count
            let size = isLast ? SyntheticMedia.lastPayloadSize : SyntheticMedia.packetSize - Self.headerSize
            let counter = video.counter
            send(&video, size: size, marker: isLast) { output in
                SyntheticMedia.appendFragment(
                    counter: counter, size: size, isKeyframe: isKeyframe, isFirst: index == 0, isLast: isLast,
                    to: &output)
            }
        }
    }

    private func sendAudio() {
        audio.timestamp &+= UInt32(48_000 / SyntheticMedia.audioPacketsPerSecond)
        let counter = audio.counter
        send(&audio, size: SyntheticMedia.audioPayloadSize, marker: false) {
            SyntheticMedia.appendAudio(counter: counter, to: &$0)
        }
    }

    /// Fixed header and a block with MID and the transport-wide number.
    private static let headerSize = RTPHeader.minimumSize + 4 + 8

    private func send(_ stream: inout Stream, size: Int, marker: Bool, _ payload: (inout OutputRawSpan) -> Void) {
        stream.sequenceNumber &+= 1
        stream.counter &+= 1
        stream.octets &+= UInt32(size)
        transportWideNumber &+= 1
        packetsSent &+= 1
        let (stream, number) = (stream, transportWideNumber)
        transport?.send(maximumSize: Self.headerSize + size) { output in
            RTPHeader.append(
                payloadType: stream.payloadType, marker: marker, sequenceNumber: stream.sequenceNumber,
                timestamp: stream.timestamp, ssrc: stream.ssrc, hasExtension: true, to: &output)
            output.append(bigEndian: UInt16(0xBEDE))
            output.append(bigEndian: UInt16(2))
            output.append(SessionOffer.midExtension << 4)
            output.append(stream.mid)
            output.append(SessionOffer.transportWideExtension << 4 | 1)
            output.append(bigEndian: number)
            for _ in 0..<3 { output.append(0) }
            payload(&output)
        }
    }

    private func sendReports() {
        let ntp = eventLoop.wallClock.ntp(at: eventLoop.now)
        for stream in [audio, video] {
            control.removeAll(keepingCapacity: true)
            RTCPWriter.append(
                SenderReport(
                    ssrc: stream.ssrc, ntp: ntp, timestamp: stream.timestamp, packetCount: stream.counter,
                    octetCount: stream.octets), to: &control)
            RTCPWriter.appendSourceDescription(ssrc: stream.ssrc, cname: "bench", to: &control)
            transport?.sendControl(&control)
        }
    }
}
