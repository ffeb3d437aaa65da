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
    /// Where it was at first.
    nonisolated let address: SocketAddress

    private let server: SocketAddress
    private var socket: UDPSocket
    private let driver: ClientDriver
    private var sender: DatagramSender?
    private var receiver: UDPReceiver?

    /// - Parameter answer: the server's; ICE credentials and fingerprint are read from it.
    init(answer: String, server: SocketAddress, role: DTLSEndpoint.Role = .client) throws {
        eventLoop = try EventLoop(name: "client")
        try eventLoop.start()
        self.server = server
        socket = try UDPSocket(binding: SocketAddress(ipv4: 0x7F00_0001, port: 0))
        address = socket.localAddress
        driver = try ClientDriver(answer: answer, role: role, on: eventLoop)
    }

    private func begin() throws {
        try listen()
        driver.begin({ self.put($0) }, timeCame: { self.driver.timeCame() })
    }

    private func listen() throws {
        sender = try DatagramSender(on: eventLoop, sockets: [socket])
        receiver = try UDPReceiver(socket, on: eventLoop) { batch in
            for index in 0..<batch.count {
                batch.withMutableBytes(at: index) {
                    self.driver.client.received($0.bytes.array, at: self.eventLoop.now)
                }
            }
            self.driver.settle()
        }
    }

    /// Goes on from another port and says nothing of it, as behind a NAT that forgot the old one.
    func rebind() throws -> SocketAddress {
        receiver?.close()
        driver.client.renewsConsent = false
        socket = try UDPSocket(binding: address.withPort(0))
        try listen()
        return socket.localAddress
    }

    /// Sends checks and shakes hands until keys are there.
    func connect() async throws {
        if sender == nil { try begin() }
        await driver.connect()
    }

    private func put(_ datagram: [UInt8]) {
        _ = sender?.append(to: server, from: socket.localAddress, maximumSize: datagram.count) { output in
            datagram.withBytes { output.append(contentsOf: $0) }
        }
    }

    func wait(until isDone: @escaping @Sendable (TestClient) -> Bool) async {
        await driver.wait(until: isDone)
    }

    /// Sends bytes as they are.
    func send(raw datagrams: [[UInt8]]) throws {
        if sender == nil { try begin() }
        for datagram in datagrams { put(datagram) }
    }

    func send(rtp packets: [[UInt8]]) { driver.send(rtp: packets) }

    func send(rtcp compound: [UInt8]) {
        driver.client.send(driver.client.protected(rtcp: compound))
        driver.settle()
    }

    /// Goes on with other credentials, and checks with them at once.
    func restart(local: ICECredentials, remote: ICECredentials) {
        driver.client.local = local
        driver.client.remote = remote
        driver.client.send(driver.client.check(nominating: true))
        driver.settle()
    }

    /// Is asked by checks of the server's and says nothing.
    func answerNoChecks() { driver.client.answersChecks = false }

    /// Answers to checks so far.
    var responses: Int { driver.client.responses }

    func protected(rtp packet: [UInt8]) -> [UInt8] { driver.client.protected(rtp: packet) }

    func check(password: String? = nil) -> [UInt8] { driver.client.check(nominating: true, password: password) }

    func hangUp() {
        driver.client.dtls.close()
        driver.client.drainDTLS()
        driver.settle()
    }

    var received: [[UInt8]] { driver.client.receivedRTP }
    var isClosedByServer: Bool { driver.client.dtls.state == .closed }

    func stop() {
        driver.stop()
        receiver?.close()
        eventLoop.stop()
    }
}
