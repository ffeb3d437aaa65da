import RTP
import TestKit
import Wire

/// One viewer over an emulated link: frames and audio as a source makes them, through congestion control.
struct PacedViewer {
    static let step: UInt64 = 1_000_000
    private static let headerSize = 12 + 8

    let sink: CongestedSink
    private(set) var now = Instant.milliseconds(1000)
    private var nextAudio = Instant.milliseconds(1000)
    private var nextFrame = Instant.milliseconds(1000)
    private var frame = 0
    private var waitsForKeyframe = false
    private(set) var keyframeRequests = 0
    private(set) var framesSent = 0
    private(set) var framesRefused = 0
    private(set) var audioSent = 0
    private var sequenceNumbers: [PacketClass: UInt16] = [:]
    /// Bits per second and the time, once per step.
    private(set) var estimates: [(at: Instant, bitsPerSecond: Double)] = []

    init(_ link: EmulatedLink, probing: Bool = false) {
        var configuration = CongestionController.Configuration()
        if probing {
            configuration.repairStream = RepairStream(
                ssrc: 3, payloadType: 97, firstSequenceNumber: 100,
                extensions: HeaderExtensionForwarding(viewer: HeaderExtensionMap([(.transportWideCC, 1)]), mid: []))
        }
        sink = CongestedSink(link, configuration, startedAt: now)
    }

    /// Runs for a while. `source` gives the bytes of the next video frame, 30 times per second, told the estimate.
    mutating func run(seconds: Double, _ source: (_ frame: Int, _ isKeyframe: Bool, _ estimate: Double) -> Int) {
        let end = now.advanced(byNanoseconds: UInt64(seconds * 1e9))
        while now < end {
            now = now.advanced(byNanoseconds: Self.step)
            sink.advance(to: now)
            let estimate = Double(sink.controller.snapshot.estimatedBitsPerSecond ?? 1_000_000)
            estimates.append((now, estimate))
            if now >= nextAudio {
                nextAudio = nextAudio.advanced(byMilliseconds: 20)
                audioSent += 1
                send(.audio, byteCount: 120)
            }
            if now >= nextFrame {
                nextFrame = nextFrame.advanced(byNanoseconds: 33_333_333)
                sendFrame(source, estimate: estimate)
            }
        }
    }

    private mutating func sendFrame(_ source: (Int, Bool, Double) -> Int, estimate: Double) {
        let isRequested = waitsForKeyframe && sink.takesKeyframeRequest(at: now)
        if isRequested { keyframeRequests += 1 }
        let isKeyframe = frame == 0 || isRequested
        var remaining = source(frame, isKeyframe, estimate)
        frame += 1
        waitsForKeyframe = !sink.admitsFrame(isKeyframe: isKeyframe, at: now)
        guard !waitsForKeyframe else {
            framesRefused += 1
            return
        }
        framesSent += 1
        while remaining > 0 {
            send(.video, byteCount: min(remaining, 1200))
            remaining -= 1200
        }
    }

    private mutating func send(_ packetClass: PacketClass, byteCount: Int) {
        sequenceNumbers[packetClass, default: 0] &+= 1
        let number = sequenceNumbers[packetClass] ?? 0
        let size = max(byteCount - CongestedSink.trailerSize, Self.headerSize)
        _ = sink.enqueue(packetClass, maximumSize: size) { output in
            RTPHeader.append(
                payloadType: 96, marker: false, sequenceNumber: number, timestamp: 0,
                ssrc: packetClass == .audio ? 1 : 2, hasExtension: true, to: &output)
            output.append(bigEndian: UInt32(0xBEDE_0001))
            output.append(bigEndian: UInt32(0x1100_0000))
            for _ in Self.headerSize..<size { output.append(0) }
            var slots = PacketSlots()
            slots.transportSequenceNumber = 17
            return slots
        }
    }

    /// The mean estimate between two points of time, in seconds since the start.
    func meanEstimate(from start: Double, to end: Double) -> Double {
        let range = estimates.filter {
            let age = Double($0.at.nanoseconds(since: .milliseconds(1000))) / 1e9
            return age >= start && age < end
        }
        return range.map(\.bitsPerSecond).reduce(0, +) / Double(max(range.count, 1))
    }

    /// How long after `start`, in seconds, the estimate first was `bitsPerSecond` or more.
    func secondsUntil(_ bitsPerSecond: Double, after start: Instant) -> Double {
        let reached = estimates.first { $0.at >= start && $0.bitsPerSecond >= bitsPerSecond }
        return reached.map { Double($0.at.nanoseconds(since: start)) / 1e9 } ?? .infinity
    }
}
