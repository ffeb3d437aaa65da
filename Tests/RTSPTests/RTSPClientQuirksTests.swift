import RTSP
import TestKit
import Testing
import Wire

@testable import RTSP

/// What cameras and other servers answer in practice, one sentence of the protocol checklist at a time.
@Suite struct RTSPClientQuirksTests {
    private func udp(
        _ url: String = "rtsp://h:554/cam1", _ change: (inout RTSPClientMachine.Configuration) -> Void = { _ in }
    ) throws -> ClientDriver {
        try ClientDriver(url) {
            $0.delivery = .udp
            change(&$0)
        }
    }

    /// Answers OPTIONS and DESCRIBE.
    private func describe(_ driver: ClientDriver, base: String = "rtsp://h:554/cam1/") {
        driver.answer(200, "Public: OPTIONS, DESCRIBE, SETUP, PLAY")
        driver.answer(200, "Content-Base: \(base)", body: "v=0")
    }

    // MARK: transports

    /// RTSP-40, RTSP-41: the ports asked for are the owner's, and the way can be opened before the server is asked to play.
    @Test func datagramsAreAskedForAndTheWayIsOpenedBeforePlay() throws {
        let driver = try udp()
        describe(driver)
        #expect(driver.requests.last?.headers["Transport"] == "RTP/AVP;unicast;client_port=10000-10001")
        driver.answer(200, "Session: 1", "Transport: RTP/AVP;unicast;client_port=10000-10001;server_port=6970-6971")
        #expect(driver.requests.last?.headers["Transport"] == "RTP/AVP;unicast;client_port=10002-10003")
        #expect(driver.readyAfter == nil)
        driver.answer(200, "Transport: RTP/AVP/UDP;unicast;server_port=6972-6973")
        #expect(driver.readyAfter == 4)
        #expect(driver.last.hasPrefix("PLAY"))
        driver.answer()
        #expect(driver.transports.map(\.serverPorts?.rtp) == [6970, 6972])
        #expect(driver.transports.map(\.clientPorts?.rtp) == [10_000, 10_002])
    }

    /// RTSP-40: each of these means that another transport may do.
    @Test(arguments: [
        (461, ""), (400, ""), (405, ""), (200, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"),
        (200, "Transport: RTP/AVP;multicast;destination=239.0.0.1;port=5000-5001"),
    ])
    func aServerWithoutDatagramsIsAskedForAnotherTransport(_ status: Int, _ field: String) throws {
        let driver = try udp()
        describe(driver)
        if field.isEmpty { driver.answer(status) } else { driver.answer(status, field) }
        #expect(driver.failure?.isOfTransport == true)
    }

    /// RTSP-40: nothing arrives although the server agreed to play. The server is told (RTSP-52).
    @Test func silenceAtTheBeginningIsTheTransportsFault() throws {
        let driver = try udp { $0.firstMediaTimeoutSeconds = 4 }
        describe(driver)
        driver.answer(200, "Session: 1", "Transport: RTP/AVP;unicast;server_port=6970-6971")
        driver.answer(200, "Transport: RTP/AVP;unicast;server_port=6972-6973")
        driver.answer()
        driver.pass(to: .milliseconds(13_999))
        #expect(driver.failure == nil)
        driver.pass(to: .seconds(14))
        #expect(driver.failure == .noFirstMedia)
        #expect(driver.failure?.isOfTransport == true)
        #expect(driver.last.hasPrefix("TEARDOWN"))
        #expect(driver.machine.nextDeadline == nil)
    }

    /// RTSP-51: once media came the long timeout counts, and the transport is not to blame.
    @Test func silenceLaterIsTheServersFault() throws {
        let driver = try udp { $0.firstMediaTimeoutSeconds = 4 }
        describe(driver)
        driver.answer(200, "Session: 1", "Transport: RTP/AVP;unicast;server_port=6970-6971")
        driver.answer(200, "Transport: RTP/AVP;unicast;server_port=6972-6973")
        driver.answer()
        driver.now = .seconds(13)
        driver.machine.heardMedia(at: driver.now)
        driver.pass(to: .milliseconds(22_999))
        #expect(driver.failure == nil)
        driver.pass(to: .seconds(23))
        #expect(driver.failure == .noMedia)
        #expect(driver.failure?.isOfTransport == false)
        #expect(driver.last.hasPrefix("TEARDOWN"))
    }

    /// RTSP-46: what servers leave out or write in their own way.
    @Test(arguments: [
        "Transport: RTP/AVP;unicast;client_port=10000-10001",
        "Transport: RTP/AVP;unicast;source=;server_port=6970-6971",
        "Transport: RTP/AVP/UDP;unicast;server_port=6970-6971;ssrc=1449463210;mode=play",
        "Transport: rtp/avp ; unicast ; server_port = 6970-6971", "X-Nothing: 1",
    ])
    func answersToSetupMayLackAlmostEverything(_ field: String) throws {
        let driver = try udp()
        driver.controls = ["trackID=0"]
        describe(driver)
        driver.answer(200, "Session: 1234  ;timeout = 60", field)
        #expect(driver.failure == nil)
        #expect(driver.requests.last?.headers["Session"] == "1234")
        driver.answer()
        #expect(driver.isPlaying)
        #expect(driver.transports.first?.clientPorts?.rtp == 10_000)
    }

    /// RTSP-46: cameras that send from any port say 0, which is no port.
    @Test(
        arguments: [
            ("server_port=0-0", nil), ("server_port=0-1", nil), ("server_port=0", nil), ("server_port=", nil),
            ("client_port=0-0;server_port=6970-6971", RTSPPortPair(rtp: 6_970, rtcp: 6_971)),
            ("server_port=6970", RTSPPortPair(rtp: 6_970, rtcp: 6_971)),
        ] as [(String, RTSPPortPair?)])
    func portsThatCannotBeCountAsNotNamed(_ parameters: String, _ ports: RTSPPortPair?) throws {
        let driver = try udp()
        driver.controls = ["trackID=0"]
        describe(driver)
        driver.answer(200, "Session: 1", "Transport: RTP/AVP;unicast;\(parameters)")
        #expect(driver.failure == nil)
        driver.answer()
        #expect(driver.isPlaying)
        #expect(driver.transports.first?.serverPorts == ports)
        #expect(driver.transports.first?.clientPorts?.rtp == 10_000)
    }

    /// RTSP-46: over TCP too; the channels of the answer count when it has some.
    @Test(
        arguments: [
            ("Transport: RTP/AVP/TCP;unicast", 0), ("Transport: RTP/AVP/TCP;interleaved=4-5", 4),
            ("Transport: RTP/AVP;unicast;interleaved=6-7", 6), ("X-Nothing: 1", 0),
        ] as [(String, UInt8)])
    func channelsAreTheServersOrThoseAskedFor(_ field: String, _ channel: UInt8) throws {
        let driver = try ClientDriver()
        driver.controls = ["trackID=0"]
        describe(driver)
        driver.answer(200, "Session: 1", field)
        driver.answer()
        driver.receive([0x24, channel, 0, 1, 9])
        #expect(driver.frames.count == 1)
    }

    /// RTSP-49
    @Test func groupsAreTakenFromTheAnswer() throws {
        let driver = try ClientDriver { $0.delivery = .multicast }
        driver.controls = ["trackID=0"]
        describe(driver)
        #expect(driver.requests.last?.headers["Transport"] == "RTP/AVP;multicast")
        driver.answer(
            200, "Session: 1",
            "Transport: RTP/AVP;multicast;destination=239.1.1.1;port=5000-5001;ttl=16;ssrc=00C0FFEE;source=10.0.0.1")
        driver.answer()
        let transport = try #require(driver.transports.first)
        #expect(transport.destination == "239.1.1.1" && transport.ports?.rtp == 5_000 && transport.ssrc == 0xC0FFEE)
        let nameless = try ClientDriver { $0.delivery = .multicast }
        describe(nameless)
        nameless.answer(200, "Session: 1", "Transport: RTP/AVP;multicast")
        #expect(nameless.failure != nil)
        let unicast = try ClientDriver { $0.delivery = .multicast }
        describe(unicast)
        unicast.answer(200, "Session: 1", "Transport: RTP/AVP;unicast;server_port=6970-6971")
        #expect(unicast.failure == .transportRefused)
    }

    // MARK: signs of life

    /// RTSP-42: at four fifths of the timeout, by the method the server knows, and whatever it answers or does not.
    @Test(arguments: [
        ("Public: OPTIONS, GET_PARAMETER", "GET_PARAMETER", 200), ("Public: OPTIONS, DESCRIBE", "OPTIONS", 200),
        ("X-Nothing: 1", "OPTIONS", 200), ("Public: GET_PARAMETER", "GET_PARAMETER", 405),
        ("Public: GET_PARAMETER", "GET_PARAMETER", 501), ("Public: GET_PARAMETER", "GET_PARAMETER", 454),
        ("Public: GET_PARAMETER", "GET_PARAMETER", 401), ("Public: GET_PARAMETER", "GET_PARAMETER", 0),
    ])
    func signsOfLife(_ field: String, _ method: String, _ status: Int) throws {
        let driver = try ClientDriver {
            $0.mediaTimeoutSeconds = 100_000
            $0.firstMediaTimeoutSeconds = 100_000
        }
        driver.controls = ["trackID=0"]
        driver.answer(200, field)
        driver.answer(200, "Content-Base: rtsp://h:554/cam1/", body: "v=0")
        driver.answer(200, "Session: 1;timeout=10", "Transport: RTP/AVP/TCP;interleaved=0-1")
        driver.answer()
        let before = driver.requests.count
        // Half an hour of them.
        for round in 1...225 {
            driver.pass(to: .seconds(10 + 8 * UInt64(round)))
            #expect(driver.last == "\(method) rtsp://h:554/cam1/")
            #expect(driver.requests.last?.headers["Session"] == "1")
            if status != 0 { driver.answer(status) }
        }
        #expect(driver.requests.count == before + 225)
        #expect(driver.failure == nil)
    }

    // MARK: credentials

    private func authorization(_ challenges: [String], _ url: String = "rtsp://u:p@h/cam1") throws -> String? {
        let driver = try ClientDriver(url)
        let fields = challenges.map { "WWW-Authenticate: \($0)\r\n" }.joined()
        driver.receive(Array("RTSP/1.0 401 X\r\nCSeq: 1\r\n\(fields)\r\n".utf8))
        return driver.failure == nil ? driver.requests.last?.headers["Authorization"] : nil
    }

    /// RTSP-45: the strongest that is offered, in whatever order, and what is not known is passed over.
    @Test(arguments: [
        ([#"Basic realm="r""#, #"Digest realm="r", nonce="1""#], "Digest", false),
        ([#"Digest realm="r", nonce="1""#, #"Digest realm="r", nonce="2", algorithm=SHA-256"#], "Digest", true),
        ([#"Digest realm="r", nonce="2", algorithm="SHA-256""#, #"Basic realm="r""#], "Digest", true),
        (
            [#"Digest realm="r", nonce="1", algorithm=SHA-512-256"#, #"Digest realm="r", nonce="1", algorithm=md5"#],
            "Digest", false
        ),
        ([#"Basic realm="r""#], "Basic", false), ([#"Negotiate"#, #"Basic realm="a \"b\", c""#], "Basic", false),
    ])
    func theStrongestChallengeIsAnswered(_ challenges: [String], _ scheme: String, _ isSHA256: Bool) throws {
        let field = try #require(try authorization(challenges))
        #expect(field.hasPrefix(scheme))
        #expect(field.contains("SHA-256") == isSHA256)
    }

    /// RTSP-45: without quality of protection as with it, and with a realm that needs care.
    @Test func digestsAreMadeAsTheChallengeAsks() throws {
        let plain = try #require(try authorization([#"Digest realm="IP Camera(23:45)", nonce="n""#]))
        #expect(!plain.contains("qop") && !plain.contains("cnonce"))
        guard case .digest(let old) = RTSPCredentials(plain) else {
            Issue.record("no digest")
            return
        }
        #expect(old.realm == "IP Camera(23:45)")
        #expect(old.isMade(with: "p", method: "OPTIONS", hash: testHash))
        let odd = try #require(try authorization([#"Digest realm="a \"b\" \\ é, c", nonce="n", qop="auth,auth-int""#]))
        guard case .digest(let new) = RTSPCredentials(odd) else {
            Issue.record("no digest")
            return
        }
        #expect(new.qop == "auth" && new.nonceCount == "00000001")
        #expect(new.isMade(with: "p", method: "OPTIONS", hash: testHash))
    }

    /// RTSP-45: a nonce is not used twice with the same count, and a new one counts from the start.
    @Test func answersToAChallengeAreCounted() throws {
        let driver = try ClientDriver()
        driver.answer(401, #"WWW-Authenticate: Digest realm="r", nonce="1", qop="auth""#)
        #expect(driver.requests.last?.headers["Authorization"]?.contains("nc=00000001") == true)
        driver.answer(200)
        #expect(driver.requests.last?.headers["Authorization"]?.contains("nc=00000002") == true)
        driver.answer(401, #"WWW-Authenticate: Digest realm="r", nonce="2", qop="auth", stale=true"#)
        #expect(driver.requests.last?.headers["Authorization"]?.contains("nc=00000001") == true)
    }

    /// RTSP-45: who was asked for a digest once never gives the password away in the clear.
    @Test func theServerCannotGoBackToBasic() throws {
        let driver = try ClientDriver()
        driver.answer(401, #"WWW-Authenticate: Digest realm="r", nonce="1""#)
        driver.answer(200)
        driver.answer(401, #"WWW-Authenticate: Basic realm="r""#)
        #expect(driver.failure == .unauthorized)
        #expect(!driver.requests.contains { $0.headers["Authorization"]?.hasPrefix("Basic") == true })
    }

    /// RTSP-45: in the middle of a session too.
    @Test func aNewNonceInMidSessionIsTaken() throws {
        let driver = try ClientDriver {
            $0.mediaTimeoutSeconds = 1_000
            $0.firstMediaTimeoutSeconds = 1_000
        }
        driver.play(timeout: ";timeout=10")
        driver.pass(to: .seconds(18))
        let before = driver.requests.count
        driver.answer(401, #"WWW-Authenticate: Digest realm="r", nonce="9", stale=true"#)
        #expect(driver.requests.count == before + 1)
        #expect(driver.last.hasPrefix("GET_PARAMETER"))
        #expect(driver.requests.last?.headers["Authorization"]?.contains("nonce=\"9\"") == true)
        #expect(driver.failure == nil)
    }

    // MARK: addresses

    /// RTSP-Q1: a camera behind a NAT knows itself by another address than it is reached by.
    @Test(
        arguments: [
            ("rtsp://192.168.1.9/cam1/", "rtsp://h:554/cam1/"), ("rtsp://h:554/other/", "rtsp://h:554/other/"),
            ("/cam1/", "rtsp://h:554/cam1/"), ("nonsense", "rtsp://h:554/cam1"), (nil, "rtsp://h:554/cam1"),
        ] as [(String?, String)])
    func requestsGoToTheHostThatWasAsked(_ field: String?, _ expected: String) throws {
        let url = try #require(RTSPURL("rtsp://h:554/cam1"))
        #expect(RTSPClientMachine.base(field, of: url) == expected)
    }

    /// RTSP-47: whatever the host's name looks like.
    @Test func credentialsGoToNoOtherHost() throws {
        let same = try ClientDriver()
        same.answer(302, "Location: rtsp://H/cam2")
        #expect(same.redirection?.user == "u")
        for other in ["rtsp://h.example/cam2", "rtsp://x:y@other/cam2", "rtsps://hh/cam2"] {
            let driver = try ClientDriver()
            driver.answer(302, "Location: \(other)")
            #expect(driver.redirection?.user == nil && driver.redirection?.password == nil)
            #expect(driver.redirection != nil)
        }
    }

    /// RTSP-Q6: nothing is required of a server that not all of them know.
    @Test func noRequestRequiresAnything() throws {
        let driver = try ClientDriver()
        driver.play()
        #expect(driver.requests.allSatisfy { $0.headers["Require"] == nil && $0.headers["Proxy-Require"] == nil })
    }

    // MARK: ends

    /// RTSP-52: also when the server never answers, which the owner bounds; without a session there is nothing to say.
    @Test func whoHasNoSessionSaysNoGoodbye() throws {
        let driver = try ClientDriver()
        let before = driver.requests.count
        driver.machine.tearDown(at: driver.now)
        driver.run()
        #expect(driver.machine.isOver && driver.requests.count == before)
        let playing = try ClientDriver()
        playing.play()
        playing.machine.tearDown(at: playing.now)
        playing.run()
        #expect(!playing.machine.isOver && playing.last.hasPrefix("TEARDOWN"))
        playing.answer(401, #"WWW-Authenticate: Digest realm="r", nonce="9""#)
        #expect(playing.hasEnded)
    }

    // MARK: pushing

    private func pusher(_ change: (inout RTSPClientMachine.Configuration) -> Void = { _ in }) throws -> ClientDriver {
        try ClientDriver("rtsp://h/in") {
            $0.purpose = .publish(description: Array("v=0\r\n".utf8), controls: ["trackID=0", "trackID=1"])
            change(&$0)
        }
    }

    @Test func whatIsAnnouncedIsSetUpAndRecorded() throws {
        let driver = try pusher()
        driver.answer(200, "Public: ANNOUNCE, SETUP, RECORD, GET_PARAMETER")
        #expect(driver.last == "ANNOUNCE rtsp://h/in")
        #expect(driver.requests.last?.body == Array("v=0\r\n".utf8))
        #expect(driver.requests.last?.headers["Content-Type"] == "application/sdp")
        driver.answer(200)
        #expect(driver.last == "SETUP rtsp://h/in/trackID=0")
        #expect(driver.requests.last?.headers["Transport"] == "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record")
        driver.answer(200, "Session: 5;timeout=10", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record")
        driver.answer(200, "Transport: RTP/AVP/TCP;unicast;interleaved=2-3")
        #expect(driver.last == "RECORD rtsp://h/in")
        #expect(driver.requests.last?.headers["Session"] == "5")
        driver.answer(200)
        #expect(driver.isPlaying)
        #expect(driver.transports.map { $0.channels?.rtp } == [0, 2])
        // Nothing is expected to come back; signs of life go on.
        driver.pass(to: .seconds(18))
        driver.pass(to: .seconds(500))
        #expect(driver.failure == nil)
        #expect(driver.last == "GET_PARAMETER rtsp://h/in")
    }

    @Test func announcementsAreRefusedWithTheirStatusAndAnsweredWithCredentials() throws {
        let driver = try pusher()
        driver.answer(200)
        driver.answer(403)
        #expect(driver.failure == .refused(.announce, RTSPStatus(403, "X")))
        let guarded = try ClientDriver("rtsp://u:p@h/in") {
            $0.purpose = .publish(description: Array("v=0\r\n".utf8), controls: ["trackID=0"])
        }
        guarded.answer(200)
        guarded.answer(401, #"WWW-Authenticate: Digest realm="r", nonce="1""#)
        #expect(guarded.last == "ANNOUNCE rtsp://h/in")
        #expect(guarded.requests.last?.body == Array("v=0\r\n".utf8))
    }

    /// The server's machine takes what the client's pushes.
    @Test func clientAndServerRecordTogether() throws {
        let client = try ClientDriver("rtsp://h/in") {
            $0.purpose = .publish(description: Array("v=0\r\n".utf8), controls: ["streamid=0", "streamid=1"])
        }
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
        #expect(server.session?.role == .publisher)
    }
}
