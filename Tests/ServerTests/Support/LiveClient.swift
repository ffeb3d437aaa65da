import ICE
import Loop
import Secure
import TestKit
import Testing
import Wire

/// A WebRTC client on a real UDP socket and a loop of its own.
actor LiveClient: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }
    nonisolated let address: SocketAddress

    private let server: SocketAddress
    private let socket: UDPSocket
    private let client: TestClient
    private var sender: DatagramSender?
    private var receiver: UDPReceiver?
    private var timer: (any LoopTimer)?
    private var waiters: [(isDone: @Sendable (TestClient) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []

    /// - Parameter answer: the server's; ICE credentials and fingerprint are read from it.
    init(answer: String, server: SocketAddress, role: DTLSEndpoint.Role = .client) throws {
        func value(_ name: String) throws -> Substring {
            let line = answer.split(whereSeparator: \.isNewline).first { $0.hasPrefix("a=\(name):") }
            return try #require(line).dropFirst(name.count + 3)
        }
        let fingerprint = try value("fingerprint").split(separator: " ")
        eventLoop = try EventLoop(name: "client")
        try eventLoop.start()
        self.server = server
        socket = try UDPSocket(binding: SocketAddress(ipv4: 0x7F00_0001, port: 0))
        address = socket.localAddress
        client = TestClient(
            identity: try Offers.identity.get(), role: role,
            remoteFingerprint: try #require(CertificateFingerprint(name: fingerprint[0], value: fingerprint[1])),
            remote: ICECredentials(ufrag: String(try value("ice-ufrag")), password: String(try value("ice-pwd"))))
    }

    private func begin() throws {
        sender = try DatagramSender(on: eventLoop, sockets: [socket])
        receiver = try UDPReceiver(socket, on: eventLoop) { batch in
            for index in 0..<batch.count {
                batch.withMutableBytes(at: index) { self.client.received($0.bytes.array, at: self.eventLoop.now) }
            }
            self.settle()
        }
        timer = eventLoop.makeTimer { self.timeCame() }
    }

    /// Sends checks and shakes hands until keys are there.
    func connect() async throws {
        if sender == nil { try begin() }
        client.start(at: eventLoop.now)
        timeCame()
        await wait { $0.isConnected }
    }

    private func timeCame() {
        client.deadlineReached(at: eventLoop.now)
        settle()
    }

    private func settle() {
        for (_, datagram) in client.outbox { put(datagram) }
        client.outbox = []
        if let deadline = client.nextDeadline { timer?.schedule(at: deadline) }
        let waiting = waiters
        waiters = []
        for waiter in waiting {
            if waiter.isDone(client) { waiter.continuation.resume() } else { waiters.append(waiter) }
        }
    }

    private func put(_ datagram: [UInt8]) {
        _ = sender?.append(to: server, from: address, maximumSize: datagram.count) { output in
            datagram.withBytes { output.append(contentsOf: $0) }
        }
    }

    func wait(until isDone: @escaping @Sendable (TestClient) -> Bool) async {
        guard !isDone(client) else { return }
        await withCheckedContinuation { waiters.append((isDone, $0)) }
    }

    /// Sends bytes as they are.
    func send(raw datagrams: [[UInt8]]) throws {
        if sender == nil { try begin() }
        for datagram in datagrams { put(datagram) }
    }

    func send(rtp packets: [[UInt8]]) {
        for packet in packets { client.send(client.protected(rtp: packet)) }
        settle()
    }

    func send(rtcp compound: [UInt8]) {
        client.send(client.protected(rtcp: compound))
        settle()
    }

    /// Goes on with other credentials, and checks with them at once.
    func restart(local: ICECredentials, remote: ICECredentials) {
        client.local = local
        client.remote = remote
        client.send(client.check(nominating: true))
        settle()
    }

    /// Answers to checks so far.
    var responses: Int { client.responses }

    func check(password: String? = nil) -> [UInt8] { client.check(nominating: true, password: password) }

    func hangUp() {
        client.dtls.close()
        client.drainDTLS()
        settle()
    }

    var received: [[UInt8]] { client.receivedRTP }
    var isClosedByServer: Bool { client.dtls.state == .closed }

    func stop() {
        timer?.cancel()
        timer = nil
        receiver?.close()
        eventLoop.stop()
    }
}
