import RTSP
import Testing
import Wire

/// A client machine whose server is a script.
final class ClientDriver {
    var machine: RTSPClientMachine
    var now = Instant.seconds(10)
    var requests: [RTSPRequest] = []
    var frames: [(track: Int, isControl: Bool, bytes: [UInt8])] = []
    var failure: RTSPClientMachine.Failure?
    var redirection: RTSPURL?
    var isPlaying = false
    var hasEnded = false
    var transports: [RTSPTransport] = []
    var controls = ["trackID=0", "trackID=1"]
    /// The control of the description as a whole.
    var aggregate = ""
    var ports = [RTSPPortPair(rtp: 10_000, rtcp: 10_001), RTSPPortPair(rtp: 10_002, rtcp: 10_003)]
    var mayFailOfBackChannel: Bool { machine.mayFailOfBackChannel }
    /// Whether the last of the controls is the back channel's.
    var hasBackChannel = false
    /// How many requests had been made when the tracks were ready.
    var readyAfter: Int?

    init(_ url: String = "rtsp://u:p@h:554/cam1", _ change: (inout RTSPClientMachine.Configuration) -> Void = { _ in })
        throws
    {
        var configuration = RTSPClientMachine.Configuration(url: try #require(RTSPURL(url)))
        change(&configuration)
        machine = RTSPClientMachine(configuration: configuration, hash: testHash, randomNumber: { 7 })
        machine.start(at: now)
        run()
    }

    func run() {
        while let event = machine.nextEvent(at: now) {
            switch event {
            case .send(let bytes):
                var parser = RTSPStreamParser()
                bytes.withBytes { parser.append($0) }
                if case .request(let request) = try? parser.next() { requests.append(request) }
            case .described:
                machine.choose(
                    controls, of: aggregate, clientPorts: ports, hasBackChannel: hasBackChannel, at: now)
            case .ready: readyAfter = requests.count
            case .playing(let transports):
                isPlaying = true
                self.transports = transports
            case .frame(let track, let isControl, let range):
                frames.append((track, isControl, machine.withFrame(range) { $0.array }))
            case .redirected(let url): redirection = url
            case .failed(let failure): self.failure = failure
            case .ended: hasEnded = true
            }
        }
    }

    /// Answers the last request.
    func answer(_ code: Int = 200, _ fields: String..., body: String = "") {
        var text = "RTSP/1.0 \(code) X\r\nCSeq: \(requests.last?.headers["CSeq"] ?? "")\r\n"
        text += fields.map { "\($0)\r\n" }.joined()
        if !body.isEmpty { text += "Content-Length: \(body.utf8.count)\r\n" }
        receive(Array((text + "\r\n" + body).utf8))
    }

    func receive(_ bytes: [UInt8]) {
        bytes.withBytes { machine.received($0, at: now) }
        run()
    }

    /// Brings a fresh machine to playing two tracks.
    func play(timeout: String = "") {
        answer(200, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER")
        answer(200, "Content-Base: rtsp://h:554/cam1/", body: "v=0")
        answer(200, "Session: S1\(timeout)", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        answer(200, "Transport: RTP/AVP/TCP;unicast;interleaved=6-7")
        answer(200)
    }

    func pass(to instant: Instant) {
        now = instant
        machine.deadlineReached(at: now)
        run()
    }

    var last: String { requests.last.map { "\($0.methodName) \($0.url)" } ?? "" }
}
