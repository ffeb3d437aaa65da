import FuzzKit
import ICE
import Wire

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
///
/// The keyed hashes are replaced by one that yields zeros, so that inputs get past the integrity check.
func tryInput(_ datagram: RawSpan) {
    _ = DatagramKind(datagram)
    let key = UfragKey.receiver(of: datagram)

    var agent = ICELiteAgent(
        local: ICECredentials(ufrag: "lite", password: "a"), remote: ICECredentials(ufrag: "1Aci", password: "b"),
        authentication: zeros, startedAt: .seconds(0))
    let ipv4 = TransportTuple(local: SocketAddress(ipv4: 1, port: 1), remote: SocketAddress(ipv4: 2, port: 2))
    let ipv6 = TransportTuple(local: ipv4.local, remote: SocketAddress(ipv6High: 3, low: 4, port: 5))
    for (second, tuple) in [ipv4, ipv6, ipv4].enumerated() {
        var response: [UInt8] = []
        let now = Instant.seconds(UInt64(second))
        switch agent.received(datagram, on: tuple, at: now, response: &response) {
        case .ignored: precondition(response.isEmpty)
        case .rejected: precondition(2 * response.count <= 3 * datagram.byteCount)
        case .proved: preconditionFailure("nothing was asked")
        case .answered:
            precondition(key == UfragKey("lite") && agent.isValidated(tuple))
            precondition(response.count <= 100)
        }
        response.withBytes { precondition($0.isEmpty || (try? STUNMessage(parsing: $0)) != nil) }
        agent.secureDatagramReceived(on: tuple, at: now)
    }
    _ = agent.deadlineReached(at: .seconds(60))
    precondition(agent.selectedTuple == nil)
    tryAnswer(datagram, on: ipv6, whileMediaGoesTo: ipv4)
    if let message = try? STUNMessage(parsing: datagram), let username = message.username {
        precondition(username.upperBound <= datagram.byteCount)
        _ = message.mappedAddress(in: datagram)
    }
}

/// The input as the answer to a check of the agent's own, whose transaction id is all zeros here.
private func tryAnswer(_ datagram: RawSpan, on tuple: TransportTuple, whileMediaGoesTo selected: TransportTuple) {
    var agent = ICELiteAgent(
        local: ICECredentials(ufrag: "lite", password: "a"), remote: ICECredentials(ufrag: "1Aci", password: "b"),
        authentication: zeros, startedAt: .seconds(0), checkSecret: [1])
    var bytes: [UInt8] = []
    _ = nomination.withBytes { agent.received($0, on: selected, at: .seconds(0), response: &bytes) }
    let begins = agent.strayMediaReceived(on: tuple, at: .seconds(1))
    let check = agent.nextOwnCheck(at: .seconds(1), request: &bytes)
    precondition(begins && check == .send(tuple))
    precondition(agent.selectedTuple == selected)
    bytes.removeAll()
    let event = agent.received(datagram, on: tuple, at: .seconds(2), response: &bytes)
    if case .proved(let moved, let evicted) = event {
        precondition(moved && evicted == nil && bytes.isEmpty && agent.selectedTuple == tuple)
    } else if agent.selectedTuple == tuple {
        guard case .answered = event else { preconditionFailure("media moved by \(event)") }
    }
}

private let zeros = ICEAuthentication(hmacSHA1: { _, _, _ in }, hmacSHA256: { _, _, _ in })

/// A check that nominates.
private let nomination: [UInt8] = {
    var output: [UInt8] = []
    let writer = STUNWriter(.request, transactionID: STUNTransactionID(high: 1, low: 1), into: &output)
    writer.append(.username, Array("lite:1Aci".utf8), into: &output)
    writer.append(.useCandidate, [], into: &output)
    writer.appendIntegrity(key: [], zeros, into: &output)
    writer.finish(&output)
    return output
}()

@main struct FuzzSTUN {
    static func main() { fuzz(tryInput) }
}
