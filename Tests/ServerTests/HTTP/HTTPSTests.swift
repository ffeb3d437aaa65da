import Foundation
import HTTP
import Loop
import Secure
import Server
import Testing
import Wire

/// A certificate for localhost made for one test, in a folder that goes with it.
final class TestCertificate: Sendable {
    let folder: URL
    var certificateFile: String { folder.appending(path: "server.crt").path }

    init() async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "martlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let result = try await Command(
            "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout", folder.appending(path: "server.key").path, "-out", certificateFile,
            ]
        ).finish()
        try #require(result.status == 0)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func context() throws -> TLSServerContext {
        try TLSServerContext(
            certificatePEM: Array(Data(contentsOf: folder.appending(path: "server.crt"))),
            privateKeyPEM: Array(Data(contentsOf: folder.appending(path: "server.key"))))
    }
}

extension Command {
    fileprivate static func curl(_ certificate: TestCertificate, _ arguments: [String]) throws -> Command {
        try Command("/usr/bin/curl", ["-s", "--max-time", "180", "--cacert", certificate.certificateFile] + arguments)
    }
}

@Suite(.timeLimit(.minutes(5))) struct HTTPSTests {
    private let loopback = SocketAddress(ipv4: 0x7F00_0001, port: 0)

    private func url(_ address: SocketAddress, _ path: String) -> String { "https://localhost:\(address.port)\(path)" }

    @Test func aRealClientUsesOneConnectionForSeveralRequests() async throws {
        let certificate = try await TestCertificate()
        let fixture = try await HTTPServerFixture()
        let address = try await fixture.server.listen(on: loopback, tls: certificate.context())
        let result = try await Command.curl(
            certificate,
            [
                "--data-binary", String(repeating: "x", count: 900), "-w", " %{num_connects} %{http_code} ",
                url(address, "/a/whip"), url(address, "/a/whip"),
            ]
        ).finish()
        #expect(result.status == 0)
        #expect(result.text == "a 900 1 201 a 900 0 201 ")
        await fixture.server.idle()
        await fixture.stop()
    }

    @Test func aLargeBodyArrivesWhole() async throws {
        let certificate = try await TestCertificate()
        var router = Router()
        router.add(.get, "/big") { _ in
            HTTPResponse(status: 200, body: .bytes([UInt8](repeating: 0x61, count: 3_000_000)))
        }
        let fixture = try await HTTPServerFixture(router)
        let address = try await fixture.server.listen(on: loopback, tls: certificate.context())
        let result = try await Command.curl(
            certificate, ["-o", "/dev/null", "-w", "%{size_download}", url(address, "/big")]
        ).finish()
        #expect(result.text == "3000000")
        await fixture.stop()
    }

    @Test func newConnectionsSeeTheNewCertificateAndOldOnesLiveOn() async throws {
        let old = try await TestCertificate()
        let new = try await TestCertificate()
        let streams = Recorder<HTTPBodyStream>()
        var router = HTTPServerFixture.echo()
        router.add(.get, "/notifications") { _ in
            let stream = HTTPBodyStream()
            streams.add(stream)
            return .eventStream(stream)
        }
        let fixture = try await HTTPServerFixture(router)
        let address = try await fixture.server.listen(on: loopback, tls: old.context())
        let listener = try Command.curl(old, ["-N", url(address, "/notifications")])
        let stream = await streams.first(1)[0]
        stream.send(bytes("before\n"))
        await fixture.server.replaceTLS(try new.context())
        let request = ["-o", "/dev/null", url(address, "/address")]
        #expect(try await Command.curl(new, request).finish().status == 0)
        // 60: the peer's certificate cannot be authenticated.
        #expect(try await Command.curl(old, request).finish().status == 60)
        stream.send(bytes("after\n"))
        stream.finish()
        let result = try await listener.finish()
        #expect(result.status == 0)
        #expect(result.text == "before\nafter\n")
        await fixture.stop()
    }

    @Test func theProducerLearnsThatASecureClientHasGone() async throws {
        let certificate = try await TestCertificate()
        let streams = Recorder<HTTPBodyStream>()
        let cancelled = Recorder<Bool>()
        var router = Router()
        router.add(.get, "/notifications") { _ in
            let stream = HTTPBodyStream { cancelled.add(true) }
            streams.add(stream)
            return .eventStream(stream)
        }
        let fixture = try await HTTPServerFixture(router)
        let address = try await fixture.server.listen(on: loopback, tls: certificate.context())
        let client = try Command.curl(certificate, ["-N", url(address, "/notifications")])
        _ = await streams.first(1)
        client.kill()
        #expect(await cancelled.first(1) == [true])
        await fixture.server.idle()
        await fixture.stop()
    }

    @Test func whatIsNotTLSIsTurnedAway() async throws {
        let certificate = try await TestCertificate()
        let fixture = try await HTTPServerFixture()
        let address = try await fixture.server.listen(on: loopback, tls: certificate.context())
        for hostile in ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "\u{16}\u{3}\u{1}\u{0}\u{2}xx", "\u{0}\u{0}\u{0}"] {
            let client = try await RawClient.connected(to: address, on: fixture.clientLoop)
            await client.send(hostile)
            await client.finishSending()
            #expect(await client.everything().utf8.count < 100)
            await client.abort()
        }
        await fixture.server.idle()
        #expect(await fixture.server.statistics.requests == 0)
        await fixture.stop()
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
}
