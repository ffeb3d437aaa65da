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
    private let driver: ClientDriver
    private var connection: TCPConnection?
    private var reader = StreamFrameReader()
    private(set) var isClosed = false

    /// - Parameter answer: the server's; everything is read from it.
    init(answer: String) throws {
        let line = try #require(answer.split(whereSeparator: \.isNewline).first { $0.contains(" tcptype passive") })
        let words = line.split(separator: " ")
        eventLoop = try EventLoop(name: "tcp client")
        try eventLoop.start()
        let port = try #require(UInt16(words[5]))
        server = try #require(SocketAddress(host: words[4], port: port))
        driver = try ClientDriver(answer: answer, on: eventLoop)
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
        driver.begin({ self.put($0) }, timeCame: { self.driver.timeCame() })
    }

    /// Sends checks and shakes hands until keys are there.
    func connect() async throws {
        try dial()
        await driver.connect()
    }

    private func closed(_ closed: TCPConnection) {
        if connection === closed { isClosed = true }
    }

    private func received(_ bytes: RawSpan) {
        let outcome = reader.read(bytes) { packet in
            driver.client.received(packet.array, at: eventLoop.now)
            return true
        }
        #expect(outcome == .more, "the server's frames are sound")
        driver.settle()
    }

    private func put(_ packet: [UInt8]) {
        var frame: [UInt8] = []
        frame.append(bigEndian: UInt16(packet.count))
        _ = connection?.write(frame + packet)
    }

    func wait(until isDone: @escaping @Sendable (TestClient) -> Bool) async {
        await driver.wait(until: isDone)
    }

    /// Sends bytes as they are.
    func send(raw bytes: [UInt8]) { _ = connection?.write(bytes) }

    func send(framed packet: [UInt8]) { put(packet) }

    func send(rtp packets: [[UInt8]]) { driver.send(rtp: packets) }

    func check(password: String? = nil) -> [UInt8] { driver.client.check(nominating: true, password: password) }

    /// The client takes nothing from the connection until told to go on.
    func stopReading() { connection?.pauseReading() }
    func goOnReading() { connection?.resumeReading() }

    func hangUp() { connection?.close() }

    var received: [[UInt8]] { driver.client.receivedRTP }

    func stop() {
        driver.stop()
        connection?.close()
        eventLoop.stop()
    }
}
