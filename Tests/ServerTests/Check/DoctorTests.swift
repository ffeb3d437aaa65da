import HTTP
import Loop
import Secure
import Testing
import Wire

@testable import Server

@Suite(.timeLimit(.minutes(5))) struct DoctorTests {
    @Test(arguments: [
        ("http://192.0.2.1:8889", "192.0.2.1", 8889), ("http://example.org/", "example.org", 80),
        ("https://h", "h", 443), ("https://h:8443/check", "h", 8443),
        ("localhost", "localhost", 8889), ("localhost:99", "localhost", 99), ("[::1]:5", "::1", 5),
        ("http://[2001:db8::1]/check?x", "2001:db8::1", 80),
    ])
    func addressesAreReadAsPeopleWriteThem(url: String, host: String, port: UInt16) throws {
        let doctor = try Doctor(url)
        #expect(doctor.host == host && doctor.port == port)
        #expect(doctor.isSecure == url.hasPrefix("https"))
    }

    @Test(arguments: ["", "http://", "http://a:b", "a:99999", "[::1", "user@host", "a b", "a\r\nX: y", ":80"])
    func whatIsNoAddressIsRefused(url: String) {
        #expect(throws: Doctor.Fault.unusableURL(url)) { try Doctor(url) }
    }

    /// The certificate is its own authority, which the system does not know.
    @Test func anUntrustedCertificateIsNamedAndShownNoToken() async throws {
        var router = Router()
        router.add(.get, "/check") { request in
            var response = HTTPResponse.text("token \(request.headers["Authorization"] ?? "-")\n")
            response.headers[CheckRoutes.statusField] = "ok"
            return response
        }
        let fixture = try await HTTPServerFixture(router)
        let certificate = try await TestCertificate()
        let address = try await fixture.server.listen(
            on: SocketAddress(ipv4: 0x7F00_0001, port: 0), tls: certificate.context())
        let diagnosis = try await Doctor("https://localhost:\(address.port)").examine(token: "secret")
        #expect(diagnosis.status == .warn && diagnosis.text.hasSuffix("token -\n"))
        #expect(diagnosis.text.hasPrefix("warn  the certificate of this server is not trusted: self"))
        #expect(diagnosis.text.contains("the token was not sent"))
        // Plain HTTP on a port of TLS, and TLS on a plain one, are answered by nobody.
        await #expect(throws: Doctor.Fault.self) {
            try await Doctor("http://127.0.0.1:\(address.port)").examine()
        }
        await #expect(throws: Doctor.Fault.self) {
            try await Doctor("https://127.0.0.1:\(fixture.address.port)").examine()
        }
        await fixture.stop()
    }

    @Test(arguments: [
        ("", Doctor.Fault.noAnswer), ("SSH-2.0-x\r\n\r\n", .notMartlet), ("HTTP/1.1 200 OK\r\n\r\nhello", .notMartlet),
        ("HTTP/1.1 404 Not Found\r\n\r\n", .refused(status: 404)),
        ("HTTP/1.1 200 OK\r\nMartlet-Check: great\r\n\r\n", .notMartlet),
    ])
    func answersOfOthersAreTold(answer: String, fault: Doctor.Fault) {
        #expect(throws: fault) { try Doctor.read(Array(answer.utf8)) }
    }

    /// A name's first address may be black-holed on the way: the others are asked as well.
    @Test func anAddressThatIsSilentIsNotTheLast() async throws {
        var router = Router()
        router.add(.get, "/check") { _ in
            var response = HTTPResponse.text("fine\n")
            response.headers[CheckRoutes.statusField] = "ok"
            return response
        }
        let fixture = try await HTTPServerFixture(router)
        let loop = try EventLoop(name: "silent")
        try loop.start()
        defer { loop.stop() }
        let silent = try await SilentListener(on: loop).address
        let doctor = try Doctor("http://host.example:\(fixture.address.port)")
        let diagnosis = try await doctor.examine(at: [silent, fixture.address], firstTimeoutMilliseconds: 100)
        #expect(diagnosis == Doctor.Diagnosis(status: .ok, text: "fine\n"))
        await fixture.stop()
    }

    @Test func theServersWordsAndStatusComeBack() async throws {
        var router = Router()
        router.add(.get, "/check") { request in
            var response = HTTPResponse.text("token \(request.headers["Authorization"] ?? "-")\n")
            response.headers[CheckRoutes.statusField] = "warn"
            return response
        }
        let fixture = try await HTTPServerFixture(router)
        let doctor = try Doctor("http://127.0.0.1:\(fixture.address.port)")
        #expect(try await doctor.examine() == Doctor.Diagnosis(status: .warn, text: "token -\n"))
        #expect(try await doctor.examine(token: "t").text == "token Bearer t\n")
        await fixture.stop()
        await #expect(throws: Doctor.Fault.self) { try await doctor.examine() }
    }
}

/// Takes connections and says nothing.
private actor SilentListener: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }
    private var listener: TCPListener?

    init(on eventLoop: EventLoop) { self.eventLoop = eventLoop }

    var address: SocketAddress {
        get throws {
            let listener = try TCPListener(on: eventLoop, address: SocketAddress(ipv4: 0x7F00_0001, port: 0)) { _ in }
            self.listener = listener
            return listener.localAddress
        }
    }
}
