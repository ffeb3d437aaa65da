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
        authentication: ICEAuthentication(hmacSHA1: { _, _, _ in }, hmacSHA256: { _, _, _ in }),
        startedAt: .seconds(0))
    let ipv4 = TransportTuple(local: SocketAddress(ipv4: 1, port: 1), remote: SocketAddress(ipv4: 2, port: 2))
    let ipv6 = TransportTuple(local: ipv4.local, remote: SocketAddress(ipv6High: 3, low: 4, port: 5))
    for (second, tuple) in [ipv4, ipv6, ipv4].enumerated() {
        var response: [UInt8] = []
        let now = Instant.seconds(UInt64(second))
        switch agent.received(datagram, on: tuple, at: now, response: &response) {
        case .ignored: precondition(response.isEmpty)
        case .rejected: precondition(2 * response.count <= 3 * datagram.byteCount)
        case .answered:
            precondition(key == UfragKey("lite") && agent.isValidated(tuple))
            precondition(response.count <= 100)
        }
        response.withBytes { precondition($0.isEmpty || (try? STUNMessage(parsing: $0)) != nil) }
        agent.secureDatagramReceived(on: tuple, at: now)
    }
    _ = agent.deadlineReached(at: .seconds(60))
    precondition(agent.selectedTuple == nil)
    if let message = try? STUNMessage(parsing: datagram), let username = message.username {
        precondition(username.upperBound <= datagram.byteCount)
        _ = message.mappedAddress(in: datagram)
    }
}

@main struct FuzzSTUN {
    static func main() { fuzz(tryInput) }
}
