import FuzzKit
import HTTP
import Wire

/// Feeds a connection machine the input whole and in pieces, answers what it delivers, and lets all time pass.
///
/// The first byte is the size of the pieces; the rest is what the client sends.
private func run(_ input: [UInt8], pieceSize: Int) -> [UInt8] {
    let start = Instant.seconds(1)
    let bodyLimit = 100
    var machine = HTTPConnectionMachine(
        remoteAddress: SocketAddress(ipv4: 1, port: 1), isSecure: false, wallClock: WallClock(ntp: 0, instant: start),
        startedAt: start, policy: HTTPConnectionMachine.Policy(bodyLimit: { _ in bodyLimit }))
    var output: [UInt8] = []
    var isClosing = false
    func drain(_ machine: inout HTTPConnectionMachine) {
        while let action = machine.nextAction() {
            switch action {
            case .deliver(let request):
                precondition(request.body.count <= bodyLimit)
                precondition(!request.path.segments.contains(".."))
                machine.respond(.text(request.path.encoded), at: start)
            case .send(let bytes): output += bytes
            case .finishWriting, .closeAfterFlush, .close: isClosing = true
            case .stream, .pauseReading, .resumeReading: break
            }
        }
    }
    var rest = input[...]
    while !rest.isEmpty {
        Array(rest.prefix(pieceSize)).withBytes { machine.received($0, at: start) }
        drain(&machine)
        rest = rest.dropFirst(pieceSize)
    }
    var deadlines = 0
    while let deadline = machine.nextDeadline {
        machine.deadlineReached(at: deadline)
        drain(&machine)
        deadlines += 1
        precondition(deadlines < 4, "time does not end the connection")
    }
    precondition(isClosing)
    return output
}

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
func tryInput(_ input: RawSpan) {
    inPieces(input) { stream, sizes in
        let whole = run(stream, pieceSize: sizes.whole)
        precondition(whole == run(stream, pieceSize: sizes.pieces), "pieces change the answer")
    }
}

@main struct FuzzHTTP {
    static func main() { fuzz(tryInput) }
}
