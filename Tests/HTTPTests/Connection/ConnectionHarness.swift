import HTTP
import Wire

/// Drives a connection machine and keeps what it asked for.
final class ConnectionHarness {
    static let origin = Instant.seconds(1_000)
    /// 1994-11-06 08:49:37 UTC at the origin of the tests' time.
    static let clock = WallClock(ntp: (784_111_777 + 2_208_988_800) << 32, instant: origin)
    static let client = SocketAddress(ipv4: 0xC000_0201, port: 50_000)

    private var machine: HTTPConnectionMachine
    var now = ConnectionHarness.origin
    var requests: [HTTPRequest] = []
    var output: [UInt8] = []
    var streams: [HTTPBodyStream] = []
    var isPaused = false
    var pauses = 0
    var hasFinishedWriting = false
    var closesAfterFlush = false
    var isAborted = false
    /// Called for each request; nil leaves the request unanswered.
    var handler: ((HTTPRequest) -> HTTPResponse?)?

    init(limits: HTTPLimits = HTTPLimits(), bodyLimit: Int = 64 * 1024) {
        machine = HTTPConnectionMachine(
            limits: limits, remoteAddress: Self.client, isSecure: false, wallClock: Self.clock, startedAt: Self.origin,
            policy: HTTPConnectionMachine.Policy(bodyLimit: { _ in bodyLimit }))
    }

    /// Answers every request with 200 and the text `ok`.
    static func answering(limits: HTTPLimits = HTTPLimits(), bodyLimit: Int = 64 * 1024) -> ConnectionHarness {
        let harness = ConnectionHarness(limits: limits, bodyLimit: bodyLimit)
        harness.handler = { _ in .text("ok") }
        return harness
    }

    var text: String { String(decoding: output, as: UTF8.self) }
    var nextDeadline: Instant? { machine.nextDeadline }
    var isClosing: Bool { hasFinishedWriting || closesAfterFlush || isAborted }
    var status: Int? { text.split(separator: " ").dropFirst().first.flatMap { Int($0) } }
    /// The status of every response in the output, interim ones included.
    var statuses: [Int] {
        text.split(separator: "HTTP/1.1 ").compactMap { Int($0.prefix(3)) }
    }

    func feed(_ text: String) { feed(Array(text.utf8)) }

    func feed(_ bytes: [UInt8]) {
        bytes.withBytes { machine.received($0, at: now) }
        drain()
    }

    func feedByteByByte(_ bytes: [UInt8]) {
        for byte in bytes { feed([byte]) }
    }

    func advance(milliseconds: UInt64) { now = now.advanced(byMilliseconds: milliseconds) }

    /// Moves time to the machine's own deadline, when that is within `milliseconds`, and reports it.
    func passTime(milliseconds: UInt64) {
        let end = now.advanced(byMilliseconds: milliseconds)
        while let deadline = machine.nextDeadline, deadline <= end {
            now = max(now, deadline)
            machine.deadlineReached(at: now)
            drain()
            if machine.nextDeadline == deadline { break }
        }
        now = end
    }

    func respond(_ response: HTTPResponse) {
        machine.respond(response, at: now)
        drain()
    }

    func stream(_ text: String) {
        machine.streamed(Array(text.utf8))
        drain()
    }

    func finishStream() {
        machine.streamFinished(at: now)
        drain()
    }

    func endInput() {
        machine.inputEnded(at: now)
        drain()
    }

    func shutDown() {
        machine.shutDown(at: now)
        drain()
    }

    func reportOutput(written: UInt64, pending: Int) {
        machine.outputReported(written: written, pending: pending, at: now)
        drain()
    }

    private func drain() {
        while let action = machine.nextAction() {
            switch action {
            case .deliver(let request):
                requests.append(request)
                if let response = handler?(request) { machine.respond(response, at: now) }
            case .send(let bytes): output += bytes
            case .stream(let stream): streams.append(stream)
            case .pauseReading:
                isPaused = true
                pauses += 1
            case .resumeReading: isPaused = false
            case .finishWriting: hasFinishedWriting = true
            case .closeAfterFlush: closesAfterFlush = true
            case .close: isAborted = true
            }
        }
    }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Whether `pattern` lies in `text`, compared as bytes.
func contains(_ text: String, _ pattern: String) -> Bool {
    let haystack = Array(text.utf8)
    let needle = Array(pattern.utf8)
    guard haystack.count >= needle.count else { return false }
    return (0...haystack.count - needle.count).contains { haystack[$0...].starts(with: needle) }
}
