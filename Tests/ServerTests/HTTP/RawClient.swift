import Loop
import Wire

/// A TCP client that sends what it is told and waits for what comes, without knowing HTTP any better than a test needs.
actor RawClient: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private var connection: TCPConnection?
    private let waits: BoundedWaits
    private(set) var received: [UInt8] = []
    private(set) var hasEnded = false
    private(set) var isClosed = false

    init(on loop: EventLoop) {
        eventLoop = loop
        waits = BoundedWaits(on: loop)
    }

    /// Connects and begins to read.
    static func connected(to address: SocketAddress, on loop: EventLoop) async throws -> RawClient {
        let client = RawClient(on: loop)
        try await client.connect(to: address)
        return client
    }

    private func connect(to address: SocketAddress) throws {
        let connection = try TCPConnection.connect(to: address, on: eventLoop)
        self.connection = connection
        connection.start(
            onData: { self.took($0) },
            onEndOfInput: { self.ended() },
            onClosed: { _ in self.closed() })
    }

    private func took(_ bytes: RawSpan) {
        received.append(contentsOf: bytes)
        waits.settle()
    }

    private func ended() {
        hasEnded = true
        waits.settle()
    }

    private func closed() {
        hasEnded = true
        isClosed = true
        waits.settle()
    }

    private func wait(until isDone: @escaping () -> Bool) async {
        guard !isDone() else { return }
        await waits.wait(until: isDone)
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) { _ = connection?.write(bytes) }

    func finishSending() { connection?.finishWriting() }

    /// Goes away without a goodbye.
    func abort() { connection?.close() }

    func pauseReading() { connection?.pauseReading() }

    func resumeReading() { connection?.resumeReading() }

    /// Waits for one response with Content-Length, or for the end, and takes it.
    func response() async -> String {
        await wait { self.hasEnded || self.responseLength != nil }
        let length = responseLength ?? received.count
        defer { received.removeFirst(length) }
        return String(decoding: received.prefix(length), as: UTF8.self)
    }

    func status() async -> Int? {
        await response().split(separator: " ").dropFirst().first.flatMap { Int($0) }
    }

    /// Waits for something, and takes all there is; empty at the end.
    func takeReceived() async -> [UInt8] {
        await wait { self.hasEnded || !self.received.isEmpty }
        defer { received = [] }
        return received
    }

    /// Waits for so many bytes, or for the end, and takes them.
    func bytes(_ count: Int) async -> [UInt8] {
        await wait { self.hasEnded || self.received.count >= count }
        let taken = Array(received.prefix(count))
        received.removeFirst(taken.count)
        return taken
    }

    /// Waits until `pattern` has come, and takes everything up to and with it; nil when the end comes first.
    func text(through pattern: String) async -> String? {
        await wait { self.hasEnded || self.find(pattern) != nil }
        guard let end = find(pattern) else { return nil }
        defer { received.removeFirst(end) }
        return String(decoding: received.prefix(end), as: UTF8.self)
    }

    /// Waits for the server's end and takes everything.
    func everything() async -> String {
        await wait { self.hasEnded }
        defer { received = [] }
        return String(decoding: received, as: UTF8.self)
    }

    private func find(_ pattern: String) -> Int? {
        let needle = Array(pattern.utf8)
        guard received.count >= needle.count else { return nil }
        for start in 0...received.count - needle.count where received[start...].starts(with: needle) {
            return start + needle.count
        }
        return nil
    }

    private var responseLength: Int? {
        guard let headEnd = find("\r\n\r\n") else { return nil }
        let head = String(decoding: received.prefix(headEnd), as: UTF8.self)
        for line in head.split(separator: "\r\n") where line.hasPrefix("Content-Length: ") {
            guard let length = Int(line.dropFirst(16)) else { return nil }
            return received.count >= headEnd + length ? headEnd + length : nil
        }
        return headEnd
    }
}
