import FuzzKit
import RTSP
import Wire

/// Feeds a server machine the input whole and in pieces, grants what it asks for, and lets all time pass.
///
/// The first byte is the size of the pieces; the rest is what the client sends.
private func run(_ input: [UInt8], pieceSize: Int) -> [UInt8] {
    let now = Instant.seconds(1)
    var configuration = RTSPServerMachine.Configuration()
    configuration.serverPorts = RTSPPortPair(rtp: 8000, rtcp: 8001)
    var machine = RTSPServerMachine(
        configuration: configuration, clientHost: "192.0.2.1", startedAt: now, randomNumber: { 1 })
    var output: [UInt8] = []
    var rest = input[...]
    while !rest.isEmpty {
        Array(rest.prefix(pieceSize)).withBytes { machine.received($0, at: now) }
        rest = rest.dropFirst(pieceSize)
        while let event = machine.nextEvent(at: now) {
            switch event {
            case .send(let bytes): output += bytes
            case .frame(let channel, let range):
                output.append(channel)
                machine.withFrame(range) { output.append(contentsOf: $0) }
            case .operation(let operation):
                switch operation {
                case .describe(let target): machine.described(by: Array(target.path.utf8))
                case .announce: machine.announced(controls: ["streamid=0"])
                case .setUp: machine.found(ssrcs: [1, 2])
                case .play: machine.played(from: [0: (1, 2)])
                case .record, .pause, .tearDown: machine.done()
                case .resume: machine.refuse(.sessionNotFound)
                case .getParameters: machine.read(["jitter": "1"])
                }
            case .refused, .close: break
            }
        }
        precondition(!machine.isWorking)
    }
    if let deadline = machine.nextDeadline { machine.deadlineReached(at: deadline) }
    return output
}

/// What a connection is taken for, and what a tunnel's base64 stands for.
private func recognise(_ input: [UInt8], pieceSize: Int) -> (RTSPConnectionFront.Finding, [UInt8]?) {
    var front = RTSPConnectionFront()
    var finding = RTSPConnectionFront.Finding.undecided
    var decoder = RTSPTunnelDecoder()
    var plain: [UInt8]? = []
    var rest = input[...]
    while !rest.isEmpty {
        Array(rest.prefix(pieceSize)).withBytes { piece in
            if finding == .undecided { finding = front.received(piece) }
            if var bytes = plain { plain = decoder.decode(piece, into: &bytes) ? bytes : nil }
        }
        rest = rest.dropFirst(pieceSize)
    }
    return (finding, plain)
}

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
func tryInput(_ input: RawSpan) {
    inPieces(input) { stream, sizes in
        let whole = run(stream, pieceSize: sizes.whole)
        precondition(whole == run(stream, pieceSize: sizes.pieces), "pieces change the answer")
        let found = recognise(stream, pieceSize: sizes.whole)
        let pieces = recognise(stream, pieceSize: sizes.pieces)
        precondition(found.1 == pieces.1, "pieces change what comes through a tunnel")
        if case .tunnel(let half, _) = found.0, case .tunnel(let other, _) = pieces.0 {
            precondition(half == other, "pieces change what a connection is")
        }
    }
}

@main struct FuzzRTSP {
    static func main() { fuzz(tryInput) }
}
