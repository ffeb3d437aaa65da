import Foundation
import Loop
import Testing
import Wire

@testable import Server

/// A whole server on loopback ports, and clients that speak HTTP to it.
final class SignalingFixture: Sendable {
    struct Answer: Sendable {
        var status: Int
        var head: String
        var body: String

        init(_ text: String) {
            let parts = text.components(separatedBy: "\r\n\r\n")
            head = parts[0]
            body = parts.dropFirst().joined(separator: "\r\n\r\n")
            status = head.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        }

        /// The first field of this name.
        subscript(name: String) -> String? { all(name).first }

        func all(_ name: String) -> [String] {
            head.components(separatedBy: "\r\n").filter { $0.lowercased().hasPrefix(name.lowercased() + ": ") }
                .map { String($0.dropFirst(name.count + 2)) }
        }

        /// Everything but what names this very answer.
        var shape: String { head.components(separatedBy: "\r\n").filter { !$0.hasPrefix("Date: ") }.joined() + body }
    }

    let server: MartletServer
    let memory = InMemoryLog()
    let log: Log
    private let address: SocketAddress
    private let loop: EventLoop

    /// - Parameter yaml: settings beside those that give the server free loopback ports.
    init(_ yaml: String = "") async throws {
        log = Log(level: .debug, sinks: [memory], messagesPerSecond: 1_000)
        server = MartletServer(settings: try Self.settings(yaml), log: log)
        try await server.start()
        address = try #require(await server.httpAddresses.first)
        loop = try EventLoop(name: "client")
        try loop.start()
    }

    static func settings(_ yaml: String, version: UInt64 = 1) throws -> ServerSettings {
        let base = """
            webrtcAddress: 127.0.0.1:0
            webrtcLocalUDPAddress: 127.0.0.1:0
            metrics: no
            mediaLoops: 1
            webRoot: /nonexistent

            """
        return try SettingsLoader.load(yaml: Array((base + yaml).utf8), version: version).settings
    }

    func stop() async {
        await server.stop()
        loop.stop()
    }

    var logText: String {
        log.flush()
        return memory.text
    }

    static func offer(_ name: String) throws -> String {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Vectors/SDP/offers")
        return try String(contentsOf: folder.appending(path: name + ".sdp"), encoding: .utf8)
    }

    func request(
        _ method: String, _ path: String, _ body: String = "", type: String? = nil, token: String? = nil,
        fields: [String: String] = [:]
    ) async throws -> Answer {
        let client = try await RawClient.connected(to: address, on: loop)
        var text = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        if let type { text += "Content-Type: \(type)\r\n" }
        if let token { text += "Authorization: Bearer \(token)\r\n" }
        for (name, value) in fields { text += "\(name): \(value)\r\n" }
        if !body.isEmpty { text += "Content-Length: \(body.utf8.count)\r\n" }
        await client.send(text + "\r\n" + body)
        return Answer(await client.everything())
    }

    func post(_ path: String, _ offer: String, token: String? = nil, fields: [String: String] = [:]) async throws
        -> Answer
    {
        try await request("POST", path, offer, type: "application/sdp", token: token, fields: fields)
    }
}
