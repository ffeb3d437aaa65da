import FuzzKit
import RTSP
import Wire

/// Whom the machine asks: one for each transport and purpose.
func configurations() -> [RTSPClientMachine.Configuration] {
    guard let url = RTSPURL("rtsp://u:p@h/cam") else { return [] }
    return [RTSPDelivery.tcp, .udp, .multicast].flatMap { delivery in
        [RTSPClientMachine.Configuration.Purpose.read, .publish(description: [0x76], controls: ["a", "b"])].map {
            var configuration = RTSPClientMachine.Configuration(url: url)
            configuration.delivery = delivery
            configuration.purpose = $0
            configuration.clientPorts = [RTSPPortPair(rtp: 2, rtcp: 3), RTSPPortPair(rtp: 4, rtcp: 5)]
            return configuration
        }
    }
}

/// Called with inputs libFuzzer keeps mutating towards unexplored branches: what a server sends, to a client of each kind.
func tryInput(_ input: RawSpan) {
    let bytes = input.array
    let hash = RTSPHash(md5: { _ in [1] }, sha256: { _ in [2] })
    for configuration in configurations() {
        var machine = RTSPClientMachine(configuration: configuration, hash: hash, randomNumber: { 4 })
        var now = Instant.seconds(1)
        machine.start(at: now)
        for half in [bytes.prefix(bytes.count / 2), bytes.suffix(bytes.count - bytes.count / 2)] {
            Array(half).withBytes { machine.received($0, at: now) }
            while let event = machine.nextEvent(at: now) {
                switch event {
                case .described: machine.choose(["a", "b"], clientPorts: configuration.clientPorts, at: now)
                case .frame(_, _, let range): precondition(machine.withFrame(range) { $0.byteCount } == range.count)
                case .send, .ready, .playing, .redirected, .failed, .ended: break
                }
            }
            if let deadline = machine.nextDeadline, deadline > now { now = deadline }
            machine.deadlineReached(at: now)
        }
    }
}

fuzz(tryInput)
