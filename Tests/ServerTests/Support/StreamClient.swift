import ICE
import Loop
import Secure
import TestKit
import Testing
import Wire

/// A WebRTC client whose packets go over one TCP connection (RFC 6544).
actor StreamClient: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private let server: SocketAddress
    private let client: TestClient
    private var connection: TCPConnection?
    private var reader = StreamFrameReader()
    private var timer: (any LoopTimer)?
    private var waiters: [(isDone: @Sendable (TestClient) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
    private(set) var isClosed = false

    /// - Parameter answer: the server's; everything is read from it.
    init(answer: String) throws {
        func value(_ name: String) throws -> Substring {
            let line = answer.split(whereSeparator: \.isNewline).first { $0.hasPrefix("a=\(name):") }
            return try #require(line).dropFirst(name.count + 3)
        }
        let fingerprint = try value("fingerprint").split(separator: " ")
        let line = try #require(answer.split(whereSeparator: \.isNewline).first { $0.contains(" tcptype passive") })
        let words = line.split(separator: " ")
        eventLoop = try EventLoop(name: "tcp client")
        try eventLoop.start()
        let port = try #require(UInt16(words[5]))
        server = try #require(SocketAddress(host: words[4], port: port))
        client = TestClient(
            identity: try Offers.identity.get(), role: .client,
            remoteFingerprint: try #require(CertificateFingerprint(name: fingerprint[0], value: fingerprint[1])),
            remote: ICECredentials(ufrag: String(try value("ice-ufrag")), password: String(try value("ice-pwd"))))
    }

    /// Opens the connection, and sends nothing.
    func dial() throws {
        let connection = try TCPConnection.connect(to: server, on: eventLoop)
        reader = StreamFrameReader()
        isClosed = false
        self.connection = connection
        connection.start(
            onData: { self.received($0) }, onEndOfInput: { self.connection?.close() },
            onClosed: { _ in self.closed(connection) })
        if timer == nil { timer = eventLoop.makeTimer { self.timeCame() } }
    }

    /// Sends checks and shakes hands until keys are there.
    func connect() async throws {
        try dial()
        client.start(at: eventLoop.now)
        timeCame()
        await wait { $0.isConnected }
    }

    private func closed(_ closed: TCPConnection) {
        if connection === closed { isClosed = true }
    }

    private func received(_ bytes: RawSpan) {
        let outcome = reader.read(bytes) { packet in
            client.received(packet.array, at: eventLoop.now)
            return true
        }
        #expect(outcome == .more, "the server's frames are sound")
        settle()
    }

    private func timeCame() {
        client.deadlineReached(at: eventLoop.now)
        settle()
    }

    private func settle() {
        for (_, packet) in client.outbox { put(packet) }
        client.outbox = []
        if let deadline = client.nextDeadline { timer?.schedule(at: deadline) }
        let waiting = waiters
        waiters = []
        for waiter in waiting {
            if waiter.isDone(client) { waiter.continuation.resume() } else { waiters.append(waiter) }
        }
    }

    private func put(_ packet: [UInt8]) {
        var frame: [UInt8] = []
        frame.append(bigEndian: UInt16(packet.count))
        _ = connection?.write(frame + packet)
    }

    func wait(until isDone: @escaping @Sendable (TestClient) -> Bool) async {
        guard !isDone(client) else { return }
        await withCheckedContinuation { waiters.append((isDone, $0)) }
    }

    /// Sends bytes as they are.
    func send(raw bytes: [UInt8]) { _ = connection?.write(bytes) }

    func send(framed packet: [UInt8]) { put(packet) }

    func send(rtp packets: [[UInt8]]) {
        for packet in packets { client.send(client.protected(rtp: packet)) }
        settle()
    }

    func check(password: String? = nil) -> [UInt8] { client.check(nominating: true, password: password) }

    /// The client takes nothing from the connection until told to go on.
    func stopReading() { connection?.pauseReading() }
    func goOnReading() { connection?.resumeReading() }

    func hangUp() { connection?.close() }

    var received: [[UInt8]] { client.receivedRTP }

    func stop() {
        timer?.cancel()
        timer = nil
        connection?.close()
        eventLoop.stop()
    }
}
