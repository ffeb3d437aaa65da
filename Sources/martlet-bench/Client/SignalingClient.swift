import HTTP
import Loop
import Wire

/// Sends offers to the server over HTTP, one connection each.
actor SignalingClient: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }
    private let server: SocketAddress

    init(on loop: EventLoop, server: SocketAddress) {
        eventLoop = loop
        self.server = server
    }

    /// - Parameter word: `whip` or `whep`.
    func answer(to offer: String, room: String, word: String) async throws -> SessionAnswer {
        let head =
            "POST /\(room)/\(word) HTTP/1.1\r\nHost: \(server)\r\nContent-Type: application/sdp\r\n"
            + "Content-Length: \(offer.utf8.count)\r\nConnection: close\r\n\r\n"
        let response = try await exchange(Array((head + offer).utf8))
        guard response.hasPrefix("HTTP/1.1 201") else {
            throw BenchmarkFault("the server refused a session: \(response)")
        }
        return try SessionAnswer(response)
    }

    private func exchange(_ request: [UInt8]) async throws -> String {
        let connection = try TCPConnection.connect(to: server, on: eventLoop)
        return try await withCheckedThrowingContinuation { continuation in
            var response: [UInt8] = []
            _ = connection.write(request)
            connection.start(
                onData: { response.append(contentsOf: $0) },
                onClosed: { reason in
                    guard response.isEmpty else {
                        return continuation.resume(returning: String(decoding: response, as: UTF8.self))
                    }
                    continuation.resume(throwing: BenchmarkFault("no answer from the server: \(reason)"))
                })
        }
    }
}
