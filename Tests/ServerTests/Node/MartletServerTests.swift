import Loop
import Testing
import Wire

@testable import Server

@Suite struct MartletServerTests {
    static func settings() throws -> ServerSettings {
        var settings = ServerSettings()
        let any = try #require(ListenAddress("127.0.0.1:0"))
        settings.webrtcAddress = any
        settings.webrtcLocalUDPAddress = any
        settings.rtspAddress = any
        settings.rtpAddress = any
        settings.rtcpAddress = any
        settings.metrics = true
        settings.metricsAddress = any
        settings.mediaLoops = 2
        // Nobody here is silent on purpose; a test that waits for its turn on the machine is no broken link.
        settings.readTimeout = .seconds(180)
        settings.writeTimeout = .seconds(180)
        settings.rtspHalfOpenTimeout = .seconds(60)
        return settings
    }

    static func server(_ settings: ServerSettings) -> (MartletServer, InMemoryLog, Log) {
        let records = InMemoryLog()
        let log = Log(level: .debug, sinks: [records])
        return (MartletServer(settings: settings, log: log), records, log)
    }

    @Test func startsServesAndStops() async throws {
        let (server, records, _) = Self.server(try Self.settings())
        try await server.start()
        try await server.start()
        let address = try #require(await server.httpAddresses.first)
        #expect(await server.mediaAddresses.count == 1)
        #expect(await server.advertisedAddresses.map(\.isLoopback) == [true])

        let loop = try EventLoop(name: "client")
        try loop.start()
        defer { loop.stop() }
        let client = try await RawClient.connected(to: address, on: loop)
        await client.send("GET /rooms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        let answer = await client.everything()
        #expect(answer.hasPrefix("HTTP/1.1 200 "))
        #expect(answer.hasSuffix("{\"rooms\":[]}"))

        let asking = try await RawClient.connected(to: address, on: loop)
        await asking.send("GET /v1/ports HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        let port = try #require(await server.rtspAddresses.first).port
        #expect(await asking.everything().hasSuffix("{\"rtsp\":\(port),\"rtsps\":null}"))

        let metrics = try await RawClient.connected(to: try #require(await server.metricsAddresses.first), on: loop)
        await metrics.send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(await metrics.everything().contains("martlet_"))

        let before = MonotonicClock.now
        await server.stop()
        #expect(MonotonicClock.now.milliseconds(since: before) < 60_000)
        #expect(await server.httpAddresses.isEmpty)
        #expect(records.text.contains("server started"))
        #expect(records.text.contains("server stopping"))
        await server.stop()
    }

    @Test func portsForDatagramsHaveTheBufferThatIsSet() async throws {
        var settings = try Self.settings()
        for size in [64 << 10, 128 << 10] {
            settings.udpReadBufferSize = ByteCount(size)
            #expect(settings.udpSocketSettings(usual: 1).receiveBufferSize == size)
            let (server, records, log) = Self.server(settings)
            try await server.start()
            let sockets = try #require(await server.running?.media.sockets)
            #expect(sockets.allSatisfy { $0.receiveBufferSize == size })
            await server.stop()
            log.flush()
            // It is small because the operator wants it so.
            #expect(!records.text.contains("rmem_max"))
        }
        settings.udpReadBufferSize = ByteCount(0)
        #expect(settings.udpSocketSettings().receiveBufferSize == 4 << 20)
        #expect(settings.udpSocketSettings(usual: 2 << 20).receiveBufferSize == 2 << 20)
    }

    @Test func aServerStartsAgainOnItsPorts() async throws {
        var settings = try Self.settings()
        let (first, _, _) = Self.server(settings)
        try await first.start()
        settings.webrtcAddress = ListenAddress(
            host: SocketAddress(ipv4: 0x7F00_0001, port: 0), port: try #require(await first.httpAddresses.first).port)
        settings.webrtcLocalUDPAddress = ListenAddress(
            host: SocketAddress(ipv4: 0x7F00_0001, port: 0), port: try #require(await first.mediaAddresses.first).port)
        await first.stop()
        let (second, records, log) = Self.server(settings)
        for _ in 0..<3 {
            try await second.start()
            #expect(await second.metricsAddresses.count == 1)
            await second.stop()
        }
        log.flush()
        #expect(records.records.count { LogFormat.text($0).contains("server started") } == 3)
    }

    /// Media is worth more than numbers about it.
    @Test func aMetricsPortInUseIsSaidAndTheServerRuns() async throws {
        let (occupant, _, _) = Self.server(try Self.settings())
        try await occupant.start()
        let metrics = try #require(await occupant.metricsAddresses.first)
        var settings = try Self.settings()
        settings.metricsAddress = ListenAddress(host: metrics, port: metrics.port)
        let (server, records, log) = Self.server(settings)
        try await server.start()
        #expect(await !server.httpAddresses.isEmpty)
        #expect(await server.metricsAddresses.isEmpty)
        await server.stop()
        await occupant.stop()
        log.flush()
        #expect(records.records.contains { LogFormat.text($0).contains("metrics are not served") })
    }

    @Test(arguments: ["http", "media"])
    func aPortInUseIsNamedAndNothingIsLeft(_ which: String) async throws {
        let (occupant, _, _) = Self.server(try Self.settings())
        try await occupant.start()
        let http = try #require(await occupant.httpAddresses.first)
        let media = try #require(await occupant.mediaAddresses.first)
        let host = SocketAddress(ipv4: 0x7F00_0001, port: 0)
        var settings = try Self.settings()
        let taken: SocketAddress
        switch which {
        case "http":
            taken = http
            settings.webrtcAddress = ListenAddress(host: host, port: http.port)
        case "media":
            taken = media
            settings.webrtcLocalUDPAddress = ListenAddress(host: host, port: media.port)
        default:
            Issue.record("no such port")
            return
        }
        let (server, _, _) = Self.server(settings)
        do {
            try await server.start()
            Issue.record("two servers on one port")
        } catch {
            #expect(error.description.contains(":\(taken.port)"), "\(error.description)")
            #expect(error.description.contains("in use"))
        }
        #expect(await server.httpAddresses.isEmpty)
        #expect(await server.mediaAddresses.isEmpty)
        await server.stop()
        await occupant.stop()
        // With the port free the same server starts.
        try await server.start()
        await server.stop()
    }

    @Test func aMissingCertificateSaysWhatToDo() async throws {
        var settings = try Self.settings()
        settings.webrtcEncryption = true
        settings.webrtcServerCert = "/nonexistent/server.crt"
        let (server, _, _) = Self.server(settings)
        do {
            try await server.start()
            Issue.record("started without a certificate")
        } catch {
            #expect(error.description.contains("/nonexistent/server.crt"))
            #expect(error.description.contains("webrtcEncryption"))
        }
    }
}
