import ICE
import Loop
import Secure
import TestKit
import Testing
import Wire

/// What a live client does beside its socket: its time, what it has to send, and who waits for something to happen.
///
/// Belongs to one client, on its loop.
final class ClientDriver {
    let client: TestClient
    private let loop: EventLoop
    /// Sends one packet.
    private var put: ([UInt8]) -> Void = { _ in }
    private var timer: (any LoopTimer)?
    private let waits: BoundedWaits

    /// - Parameter answer: the server's; ICE credentials and fingerprint are read from it.
    init(answer: String, role: DTLSEndpoint.Role = .client, on loop: EventLoop) throws {
        func value(_ name: String) throws -> Substring {
            let line = answer.split(whereSeparator: \.isNewline).first { $0.hasPrefix("a=\(name):") }
            return try #require(line).dropFirst(name.count + 3)
        }
        let fingerprint = try value("fingerprint").split(separator: " ")
        self.loop = loop
        waits = BoundedWaits(on: loop)
        client = TestClient(
            identity: try Offers.identity.get(), role: role,
            remoteFingerprint: try #require(CertificateFingerprint(name: fingerprint[0], value: fingerprint[1])),
            remote: ICECredentials(ufrag: String(try value("ice-ufrag")), password: String(try value("ice-pwd"))))
    }

    /// Begins to keep time; from now on packets go to `put`. On the loop.
    func begin(_ put: @escaping ([UInt8]) -> Void, timeCame: @escaping () -> Void) {
        self.put = put
        if timer == nil { timer = loop.makeTimer(timeCame) }
    }

    /// Sends checks and shakes hands until keys are there.
    func connect(isolation: isolated (any Actor)? = #isolation) async {
        client.start(at: loop.now)
        timeCame()
        await wait { $0.isConnected }
    }

    func timeCame() {
        client.deadlineReached(at: loop.now)
        settle()
    }

    /// Sends what there is to send, and looks whether somebody waits for what has come.
    func settle() {
        for (_, packet) in client.outbox { put(packet) }
        client.outbox = []
        if let deadline = client.nextDeadline { timer?.schedule(at: deadline) }
        waits.settle()
    }

    func wait(
        until isDone: @escaping @Sendable (TestClient) -> Bool, isolation: isolated (any Actor)? = #isolation
    ) async {
        guard !isDone(client) else { return }
        await waits.wait { [client] in isDone(client) }
    }

    func send(rtp packets: [[UInt8]]) {
        for packet in packets { client.send(client.protected(rtp: packet)) }
        settle()
    }

    func stop() {
        timer?.cancel()
        timer = nil
    }
}
