import RTP
import Wire

/// One viewer's sending side over an emulated link: frames and audio go through estimator and pacer as in a transport.
struct PacedViewer: ~Copyable {
    static let step: UInt64 = 1_000_000

    var link: EmulatedLink
    var estimator = BandwidthEstimator()
    var pacer = Pacer()
    private(set) var now = Instant.milliseconds(1000)
    private var nextAudio = Instant.milliseconds(1000)
    private var nextFrame = Instant.milliseconds(1000)
    private var frame = 0
    private var waitsForKeyframe = false
    private(set) var keyframeRequests = 0
    private(set) var framesSent = 0
    private(set) var framesRefused = 0
    private(set) var audioSent = 0
    /// Bits per second and the time, once per step.
    private(set) var estimates: [(at: Instant, bitsPerSecond: Double)] = []

    init(_ link: EmulatedLink) { self.link = link }

    /// Runs for a while. `source` gives the bytes of the next video frame, 30 times per second, told the estimate.
    mutating func run(seconds: Double, _ source: (_ frame: Int, _ isKeyframe: Bool, _ estimate: Double) -> Int) {
        let end = now.advanced(byNanoseconds: UInt64(seconds * 1e9))
        while now < end {
            now = now.advanced(byNanoseconds: Self.step)
            link.advance(to: now, &estimator)
            let estimate = estimator.bitsPerSecond(at: now)
            estimates.append((now, Double(estimate ?? 1_000_000)))
            pacer.setRate(bitsPerSecond: estimate, factor: estimator.pacingFactor(at: now), at: now)
            if now >= nextAudio {
                nextAudio = nextAudio.advanced(byMilliseconds: 20)
                audioSent += 1
                send(.audio, byteCount: 120)
            }
            if now >= nextFrame {
                nextFrame = nextFrame.advanced(byNanoseconds: 33_333_333)
                sendFrame(source, estimate: Double(estimate ?? 1_000_000))
            }
            if let deadline = pacer.nextDeadline, deadline <= now { sendDue() }
        }
    }

    private mutating func sendFrame(_ source: (Int, Bool, Double) -> Int, estimate: Double) {
        let isRequested = waitsForKeyframe && pacer.takeKeyframeRequest(at: now)
        if isRequested { keyframeRequests += 1 }
        let isKeyframe = frame == 0 || isRequested
        var remaining = source(frame, isKeyframe, estimate)
        frame += 1
        guard isKeyframe || !waitsForKeyframe else {
            framesRefused += 1
            return
        }
        waitsForKeyframe = !pacer.admitsFrame(isKeyframe: isKeyframe, at: now)
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
        if pacer.passes(packetClass, byteCount: byteCount, at: now) {
            transmit(packetClass, byteCount)
        } else {
            let payload = [UInt8](repeating: 0, count: byteCount)
            _ = pacer.enqueue(packetClass, maximumSize: byteCount, at: now) { output in
                payload.withBytes { output.append(contentsOf: $0) }
                return HeaderExtensionForwarding.Slots()
            }
        }
    }

    private mutating func sendDue() {
        var due: [(PacketClass, Int)] = []
        pacer.sendDue(at: now) { packetClass, packet, _ in due.append((packetClass, packet.byteCount)) }
        for (packetClass, byteCount) in due { transmit(packetClass, byteCount) }
    }

    private mutating func transmit(_ packetClass: PacketClass, _ byteCount: Int) {
        let number = estimator.numbered(byteCount: byteCount, at: now)
        link.send(packetClass, number: number, byteCount: byteCount, at: now)
    }

    /// The mean estimate between two points of time, in seconds since the start.
    func meanEstimate(from start: Double, to end: Double) -> Double {
        let range = estimates.filter {
            let age = Double($0.at.nanoseconds(since: .milliseconds(1000))) / 1e9
            return age >= start && age < end
        }
        return range.map(\.bitsPerSecond).reduce(0, +) / Double(max(range.count, 1))
    }

    /// The longest time between two audio packets arriving, in milliseconds.
    var longestAudioGap: Double {
        let arrivals = link.delivered.filter { $0.packetClass == .audio }.map(\.arrived)
        return zip(arrivals, arrivals.dropFirst()).map { Double($1.nanoseconds(since: $0)) / 1e6 }.max() ?? .infinity
    }
}
