import RTSP
import TestKit
import Testing
import Wire

@testable import RTSP

@Suite struct RTSPClientMachineTests {
    @Test func aSessionIsSetUpTrackByTrackAndPlays() throws {
        let driver = try ClientDriver()
        driver.play(timeout: " ; timeout = 30")
        #expect(
            driver.requests.map { "\($0.methodName) \($0.url)" } == [
                "OPTIONS rtsp://h:554/cam1", "DESCRIBE rtsp://h:554/cam1", "SETUP rtsp://h:554/cam1/trackID=0",
                "SETUP rtsp://h:554/cam1/trackID=1", "PLAY rtsp://h:554/cam1/",
            ])
        #expect(driver.requests.last?.headers["Session"] == "S1")
        #expect(driver.isPlaying)
        // RTSP-46: the server's channels count, not those that were asked for.
        driver.receive([0x24, 6, 0, 1, 9] + [0x24, 7, 0, 1, 8] + [0x24, 2, 0, 1, 7])
        #expect(driver.frames.map(\.track) == [1, 1])
        #expect(driver.frames.map(\.isControl) == [false, true])
    }

    /// The server's machine and the client's understand each other.
    @Test func clientAndServerPlayTogether() throws {
        let client = try ClientDriver("rtsp://h/cam1")
        let server = MachineDriver()
        var asked = 0
        var answered = 0
        while asked < client.requests.count {
            server.receive(client.requests[asked].serialized)
            asked += 1
            while answered < server.sent.count {
                client.receive(Array(server.sent[answered].utf8))
                answered += 1
            }
        }
        #expect(client.isPlaying)
        #expect(server.session?.activeTracks == [0, 1])
    }

    /// RTSP-42
    @Test func signsOfLifeAreSentBeforeTheSessionRunsOut() throws {
        let driver = try ClientDriver { $0.firstMediaTimeoutSeconds = 1_000 }
        driver.play(timeout: ";timeout=10")
        let before = driver.requests.count
        driver.pass(to: .milliseconds(17_999))
        #expect(driver.requests.count == before)
        driver.pass(to: .seconds(18))
        #expect(driver.last == "GET_PARAMETER rtsp://h:554/cam1/")
        // Some cameras refuse them, some never answer.
        driver.answer(501)
        driver.pass(to: .seconds(26))
        #expect(driver.requests.count == before + 2)
        driver.pass(to: .seconds(36))
        #expect(driver.failure == nil)
        #expect(driver.requests.count == before + 3)
    }

    /// RTSP-51
    @Test func aServerThatStopsSendingIsGivenUp() throws {
        let driver = try ClientDriver()
        driver.play()
        driver.now = .seconds(15)
        driver.receive([0x24, 0, 0, 1, 9])
        driver.pass(to: .seconds(24))
        #expect(driver.failure == nil)
        driver.pass(to: .seconds(25))
        #expect(driver.failure == .noMedia)
        #expect(driver.machine.nextEvent(at: driver.now) == nil)
    }

    /// RTSP-45
    @Test func challengesAreAnsweredOnceForEachRequest() throws {
        let driver = try ClientDriver()
        driver.answer(401, #"WWW-Authenticate: Basic realm="r""#, #"WWW-Authenticate: Digest realm="r", nonce="1""#)
        #expect(driver.requests.count == 2)
        #expect(driver.requests.last?.headers["Authorization"]?.hasPrefix("Digest username=\"u\"") == true)
        driver.answer(401, #"WWW-Authenticate: Digest realm="r", nonce="2", stale=TRUE"#)
        #expect(driver.requests.last?.headers["Authorization"]?.contains("nonce=\"2\"") == true)
        driver.answer(200)
        #expect(driver.last == "DESCRIBE rtsp://h:554/cam1")
        #expect(driver.requests.last?.headers["Authorization"] != nil)
        driver.answer(401, #"WWW-Authenticate: Digest realm="r", nonce="3""#)
        driver.answer(401, #"WWW-Authenticate: Digest realm="r", nonce="4""#)
        #expect(driver.failure == .unauthorized)
        let anonymous = try ClientDriver("rtsp://h/cam1")
        anonymous.answer(401, #"WWW-Authenticate: Basic realm="r""#)
        #expect(anonymous.failure == .unauthorized)
    }

    /// RTSP-47
    @Test func redirectionsKeepCredentialsToTheirHostAndNeverLoseSecurity() throws {
        let driver = try ClientDriver()
        driver.answer(302, "Location: rtsp://other/cam2")
        #expect(driver.redirection?.text == "rtsp://other/cam2")
        #expect(driver.redirection?.user == nil)
        let same = try ClientDriver()
        same.answer(301, "Location: rtsp://h:8554/cam2")
        #expect(same.redirection?.user == "u")
        let secure = try ClientDriver("rtsps://h/cam1")
        secure.answer(302, "Location: rtsp://h/cam1")
        #expect(secure.redirection == nil)
        #expect(secure.failure != nil)
    }

    @Test func refusalsAreToldWithTheirMethod() throws {
        let driver = try ClientDriver()
        driver.answer(501)
        driver.answer(404)
        #expect(driver.failure == .refused(.describe, RTSPStatus(404, "X")))
        let transport = try ClientDriver()
        transport.answer()
        transport.answer(200, body: "v=0")
        transport.answer(461)
        #expect(transport.failure == .transportRefused)
        let silent = try ClientDriver()
        silent.pass(to: .seconds(20))
        #expect(silent.failure == .noAnswer(.options))
        let foreign = try ClientDriver()
        foreign.receive(Array("HTTP/1.1 200 OK\r\n\r\n".utf8))
        #expect(foreign.failure != nil)
    }

    /// RTSP-Q1: relative, absolute, behind a NAT, none at all.
    @Test(arguments: [
        ("trackID=1", "rtsp://h/cam1/", "rtsp://h/cam1/trackID=1"),
        ("trackID=1", "rtsp://h/cam1", "rtsp://h/cam1/trackID=1"),
        ("trackID=1", "rtsp://h/cam1?a=b", "rtsp://h/cam1?a=b/trackID=1"),
        ("/trackID=1", "rtsp://h/cam1/", "rtsp://h/cam1/trackID=1"),
        ("?ctype=video", "rtsp://h/cam1/", "rtsp://h/cam1?ctype=video"), ("", "rtsp://h/cam1", "rtsp://h/cam1"),
        ("*", "rtsp://h/cam1/", "rtsp://h/cam1/"),
        ("rtsp://10.0.0.9:554/x/t1", "rtsp://h:8554/cam1/", "rtsp://h:8554/x/t1"),
    ])
    func controlsAreResolved(_ control: String, _ base: String, _ expected: String) {
        #expect(RTSPClientMachine.resolve(control, base: base) == expected)
    }

    /// RTSP-52
    @Test func goodbyeIsSaid() throws {
        let driver = try ClientDriver()
        driver.play()
        driver.machine.tearDown(at: driver.now)
        driver.run()
        #expect(driver.last == "TEARDOWN rtsp://h:554/cam1/")
        driver.answer(454)
        #expect(driver.hasEnded)
    }

    @Test func requestsOfTheServerAreAnswered() throws {
        let driver = try ClientDriver()
        driver.play()
        driver.receive(Array("REDIRECT rtsp://h/cam1 RTSP/1.0\r\nCSeq: 5\r\nLocation: rtsp://h/cam9\r\n\r\n".utf8))
        #expect(driver.redirection?.resource == "/cam9")
    }

    @Test func hostileServersNeverTrap() throws {
        var random = SplitMix64(seed: 9)
        let answers = [
            "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", "RTSP/1.0 401 X\r\nWWW-Authenticate: Digest nonce=\"a\"\r\n\r\n",
            "RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nv=0", "RTSP/1.0 200 OK\r\nSession: a;timeout=0\r\n\r\n",
            "RTSP/1.0 200 OK\r\nTransport: RTP/AVP/TCP;interleaved=255-0\r\n\r\n", "$\u{0}\u{0}\u{1}a",
            "RTSP/1.0 302 X\r\nLocation: rtsp://x\r\n\r\n", "OPTIONS * RTSP/1.0\r\n\r\n", "RTSP/1.0 999 \r\n\r\n",
        ]
        for _ in 0..<3_000 {
            let driver = try ClientDriver()
            for _ in 0..<10 {
                driver.receive(Array(answers[Int(random.next() % UInt64(answers.count))].utf8))
                if random.next() % 4 == 0 { driver.pass(to: driver.now.advanced(bySeconds: random.next() % 12)) }
            }
        }
    }
}
