import RTSP
import Wire

/// A server machine with an owner that grants everything: a room of two tracks at every path but `nothing`.
final class MachineDriver {
    var machine: RTSPServerMachine
    var now: Instant
    var sent: [String] = []
    var frames: [(channel: UInt8, bytes: [UInt8])] = []
    var operations: [RTSPOperation] = []
    /// What the machine itself refused.
    var refusals: [String] = []
    var isClosed = false
    /// The multicast groups of the tracks.
    var groups: [Int: RTSPMulticastGroup] = [:]
    /// While false, operations stay unanswered.
    var grants = true

    init(_ change: (inout RTSPServerMachine.Configuration) -> Void = { _ in }) {
        var configuration = RTSPServerMachine.Configuration()
        configuration.serverPorts = RTSPPortPair(rtp: 8000, rtcp: 8001)
        change(&configuration)
        now = .seconds(10)
        machine = RTSPServerMachine(
            configuration: configuration, clientHost: "192.0.2.7", startedAt: now,
            randomNumber: { 0x0123_4567_89AB_CDEF })
    }

    func receive(_ bytes: [UInt8]) {
        bytes.withBytes { machine.received($0, at: now) }
        run()
    }

    func run() {
        while let event = machine.nextEvent(at: now) {
            switch event {
            case .send(let bytes): sent.append(String(decoding: bytes, as: UTF8.self))
            case .frame(let channel, let range):
                frames.append((channel, machine.withFrame(range) { $0.array }))
            case .operation(let operation):
                operations.append(operation)
                if grants { grant(operation) }
            case .refused(let role, let target, let method, let detail):
                refusals.append("\(role) \(target.path) \(method): \(detail)")
            case .close: isClosed = true
            }
        }
    }

    func grant(_ operation: RTSPOperation) {
        switch operation {
        case .describe(let target):
            if target.path == "nothing" { machine.refuse(.notFound) } else { machine.described(by: Array("v=0".utf8)) }
        case .announce: machine.announced(controls: ["streamid=0", "streamid=1"])
        case .setUp(let target):
            if target.path == "nothing" {
                machine.refuse(.notFound)
            } else {
                machine.found(ssrcs: [1, 2]) { groups[$0] }
            }
        case .play: machine.played(from: [0: (7, 9)])
        case .record, .pause, .tearDown: machine.done()
        case .resume: machine.refuse(.sessionNotFound)
        case .getParameters: machine.read(["packets_received": "5", "jitter": "0"])
        }
    }

    var session: RTSPServerSession? { machine.session }

    private var number = 0

    /// Sends a request and returns the status of what came back last.
    @discardableResult
    func ask(_ line: String, _ fields: String..., body: String = "") -> Int {
        number += 1
        var text = "\(line) RTSP/1.0\r\nCSeq: \(number)\r\n" + fields.map { "\($0)\r\n" }.joined()
        if !body.isEmpty { text += "Content-Length: \(body.utf8.count)\r\n" }
        let before = sent.count
        receive(Array((text + "\r\n" + body).utf8))
        return sent.count > before ? status : 0
    }

    var status: Int { Int(sent.last?.split(separator: " ").dropFirst().first ?? "") ?? 0 }

    func field(_ name: String) -> String? {
        for line in (sent.last ?? "").split(separator: "\r\n") where line.hasPrefix(name + ": ") {
            return String(line.dropFirst(name.utf8.count + 2))
        }
        return nil
    }

    enum State: String, CaseIterable { case none, readerReady, playing, announced, publisherReady, recording }

    /// Brings a fresh machine into `state`.
    func enter(_ state: State) {
        switch state {
        case .none: break
        case .readerReady:
            ask("SETUP rtsp://h/cam1/trackID=0", "Transport: RTP/AVP/TCP;interleaved=0-1")
        case .playing:
            enter(.readerReady)
            ask("PLAY rtsp://h/cam1")
        case .announced: ask("ANNOUNCE rtsp://h/cam1", "Content-Type: application/sdp", body: "v=0")
        case .publisherReady:
            enter(.announced)
            ask("SETUP rtsp://h/cam1/streamid=0", "Transport: RTP/AVP/TCP;interleaved=0-1;mode=record")
            ask("SETUP rtsp://h/cam1/streamid=1", "Transport: RTP/AVP/TCP;interleaved=2-3;mode=record")
        case .recording:
            enter(.publisherReady)
            ask("RECORD rtsp://h/cam1")
        }
    }
}
