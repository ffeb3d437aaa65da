import RTSP
import Testing
import Wire

/// RTSP-52: a server that has a session for the client is told that nobody wants it any more, whatever the end.
@Suite struct RTSPClientGoodbyeTests {
    private static let goodbye = "TEARDOWN rtsp://h:554/cam1/"

    /// A client whose first track is set up.
    private func withSession() throws -> ClientDriver {
        let driver = try ClientDriver()
        driver.answer(200, "Public: OPTIONS, DESCRIBE, SETUP, PLAY")
        driver.answer(200, "Content-Base: rtsp://h:554/cam1/", body: "v=0")
        driver.answer(200, "Session: S1", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        return driver
    }

    @Test func aServerThatSendsTheClientElsewhereIsLeft() throws {
        let driver = try ClientDriver()
        driver.play()
        driver.receive(Array("REDIRECT rtsp://h/cam1 RTSP/1.0\r\nCSeq: 5\r\nLocation: rtsp://h/cam9\r\n\r\n".utf8))
        #expect(driver.redirection?.resource == "/cam9")
        #expect(driver.last == Self.goodbye)
        #expect(driver.requests.last?.headers["Session"] == "S1")
        #expect(driver.machine.isOver && driver.machine.nextDeadline == nil)
        let answered = try withSession()
        answered.answer(302, "Location: rtsp://h/cam9")
        #expect(answered.redirection != nil && answered.last == Self.goodbye)
    }

    @Test func aServerThatRefusesAfterASessionBeganIsLeft() throws {
        let refused = try withSession()
        refused.answer(200, "Transport: RTP/AVP/TCP;unicast;interleaved=2-3")
        #expect(refused.last.hasPrefix("PLAY"))
        refused.answer(503)
        #expect(refused.failure == .refused(.play, RTSPStatus(503, "X")))
        #expect(refused.last == Self.goodbye)
        let unauthorized = try withSession()
        for _ in 0..<2 { unauthorized.answer(401, #"WWW-Authenticate: Digest realm="r", nonce="1""#) }
        #expect(unauthorized.failure == .unauthorized && unauthorized.last == Self.goodbye)
        let malformed = try withSession()
        malformed.answer(200, "Transport: x")
        #expect(malformed.failure != nil && malformed.last == Self.goodbye)
    }

    @Test func anOwnerThatGivesUpSaysSo() throws {
        let driver = try ClientDriver()
        driver.play()
        driver.machine.abandon()
        driver.run()
        #expect(driver.machine.isOver && driver.last == Self.goodbye)
        // Once is enough.
        let count = driver.requests.count
        driver.machine.abandon()
        driver.run()
        #expect(driver.requests.count == count)
    }

    @Test func oneThatHasSaidItDoesNotRepeatIt() throws {
        let driver = try ClientDriver()
        driver.play()
        driver.machine.tearDown(at: driver.now)
        driver.run()
        let count = driver.requests.count
        driver.receive(Array("nonsense\r\n\r\n".utf8))
        driver.machine.abandon()
        driver.run()
        #expect(driver.requests.count == count)
    }

    @Test func whereThereIsNoSessionThereIsNothingToLeave() throws {
        let driver = try ClientDriver()
        driver.answer(200)
        driver.answer(302, "Location: rtsp://h/cam9")
        #expect(driver.redirection != nil && driver.last.hasPrefix("DESCRIBE"))
        let refused = try ClientDriver()
        refused.answer(200)
        refused.answer(404)
        #expect(refused.last.hasPrefix("DESCRIBE"))
    }
}

/// RFC 2326, section C.1.1: what a description says of the URL by which all of it is controlled.
@Suite struct RTSPAggregateControlTests {
    @Test(arguments: [
        ("", "rtsp://h:554/cam1/"), ("*", "rtsp://h:554/cam1/"), ("trackID=9", "rtsp://h:554/cam1/"),
        ("rtsp://10.0.0.9/media/all?x=1", "rtsp://h:554/media/all?x=1"), ("rtsp://h:554/", "rtsp://h:554/"),
    ])
    func isWhatIsPlayedAndEnded(_ control: String, _ expected: String) throws {
        let driver = try ClientDriver()
        driver.aggregate = control
        driver.controls = ["rtsp://10.0.0.9/media/video"]
        driver.answer(200)
        driver.answer(200, "Content-Base: rtsp://h:554/cam1/", body: "v=0")
        #expect(driver.last == "SETUP rtsp://h:554/media/video")
        driver.answer(200, "Session: S1", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        #expect(driver.last == "PLAY \(expected)")
        driver.answer(200)
        driver.machine.tearDown(at: driver.now)
        driver.run()
        #expect(driver.last == "TEARDOWN \(expected)")
    }

    @Test func isWhatRelativeControlsCountFrom() throws {
        let driver = try ClientDriver()
        driver.aggregate = "rtsp://10.0.0.9/"
        driver.controls = ["audio"]
        driver.answer(200)
        driver.answer(200, "Content-Base: rtsp://h:554/cam1/", body: "v=0")
        #expect(driver.last == "SETUP rtsp://h:554/audio")
    }
}
