import HTTP
import Testing
import Wire

@testable import Server

@Suite(.timeLimit(.minutes(5))) struct DoctorTests {
    @Test(arguments: [
        ("http://192.0.2.1:8889", "192.0.2.1", 8889), ("http://example.org/", "example.org", 80),
        ("localhost", "localhost", 8889), ("localhost:99", "localhost", 99), ("[::1]:5", "::1", 5),
        ("http://[2001:db8::1]/check?x", "2001:db8::1", 80),
    ])
    func addressesAreReadAsPeopleWriteThem(url: String, host: String, port: UInt16) throws {
        let doctor = try Doctor(url)
        #expect(doctor.host == host && doctor.port == port)
    }

    @Test(arguments: ["", "http://", "http://a:b", "a:99999", "[::1", "user@host", "a b", "a\r\nX: y", ":80"])
    func whatIsNoAddressIsRefused(url: String) {
        #expect(throws: Doctor.Fault.unusableURL(url)) { try Doctor(url) }
    }

    @Test func httpsIsLeftToOthers() {
        #expect(throws: Doctor.Fault.secureURL("https://h/check")) { try Doctor("https://h") }
    }

    @Test(arguments: [
        ("", Doctor.Fault.noAnswer), ("SSH-2.0-x\r\n\r\n", .notMartlet), ("HTTP/1.1 200 OK\r\n\r\nhello", .notMartlet),
        ("HTTP/1.1 404 Not Found\r\n\r\n", .refused(status: 404)),
        ("HTTP/1.1 200 OK\r\nMartlet-Check: great\r\n\r\n", .notMartlet),
    ])
    func answersOfOthersAreTold(answer: String, fault: Doctor.Fault) {
        #expect(throws: fault) { try Doctor.read(Array(answer.utf8)) }
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
