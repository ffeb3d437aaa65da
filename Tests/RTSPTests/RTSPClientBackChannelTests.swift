import RTSP
import Testing
import Wire

/// RTSP-26, RTSP-Q6: the back channel is asked for, and done without where cameras do not like the question.
@Suite struct RTSPClientBackChannelTests {
    private static let tag = "www.onvif.org/ver20/backchannel"
    private static let transport = "Transport: RTP/AVP/TCP;unicast;interleaved="

    private func driver() throws -> ClientDriver {
        let driver = try ClientDriver { $0.requiresBackChannel = true }
        driver.hasBackChannel = true
        return driver
    }

    @Test func theQuestionIsAskedWhereItBelongs() throws {
        let driver = try driver()
        driver.answer(200, "Public: DESCRIBE")
        #expect(driver.last == "DESCRIBE rtsp://h:554/cam1")
        #expect(driver.requests.last?.headers["Require"] == Self.tag)
        #expect(driver.mayFailOfBackChannel)
        driver.answer(200, body: "v=0")
        #expect(driver.requests.last?.headers["Require"] == nil, "the tracks to be read need nothing of it")
        driver.answer(200, "Session: S1", Self.transport + "0-1")
        #expect(driver.last == "SETUP rtsp://h:554/cam1/trackID=1")
        #expect(driver.requests.last?.headers["Require"] == Self.tag)
        driver.answer(200, Self.transport + "2-3")
        #expect(driver.last.hasPrefix("PLAY"))
        #expect(driver.requests.last?.headers["Require"] == Self.tag)
        driver.answer(200)
        #expect(driver.isPlaying && driver.transports.count == 2)
        #expect(!driver.mayFailOfBackChannel)
    }

    /// A camera that says no is asked again on the same connection, and the same request is not repeated.
    @Test(arguments: [551, 400, 500, 454])
    func aRefusedQuestionIsTakenBack(_ status: Int) throws {
        let driver = try driver()
        driver.hasBackChannel = false
        driver.answer(200, "Public: DESCRIBE")
        driver.answer(status)
        #expect(driver.failure == nil)
        #expect(driver.last == "DESCRIBE rtsp://h:554/cam1")
        #expect(driver.requests.last?.headers["Require"] == nil)
        #expect(!driver.mayFailOfBackChannel)
        driver.answer(status)
        #expect(driver.failure != nil)
    }

    @Test func aTrackThatIsRefusedIsDoneWithout() throws {
        let driver = try driver()
        driver.answer(200)
        driver.answer(200, body: "v=0")
        driver.answer(200, "Session: S1", Self.transport + "0-1")
        driver.answer(403)
        #expect(driver.last.hasPrefix("PLAY"))
        #expect(driver.requests.last?.headers["Require"] == nil)
        driver.answer(200)
        #expect(driver.isPlaying && driver.transports.count == 1)
    }

    /// A camera that never answers is not waited for as long as another.
    @Test func silenceIsTakenForAnAnswerSoon() throws {
        let driver = try driver()
        driver.answer(200)
        driver.pass(to: .seconds(13))
        #expect(driver.failure == nil)
        driver.pass(to: .seconds(14))
        #expect(driver.failure == .noAnswer(.describe))
        #expect(driver.mayFailOfBackChannel)
    }

    @Test func whoNeverAskedHasNothingToTakeBack() throws {
        let driver = try ClientDriver()
        driver.answer(200)
        driver.answer(551)
        #expect(driver.failure == .refused(.describe, RTSPStatus(551, "X")))
        #expect(!driver.mayFailOfBackChannel)
        let early = try self.driver()
        #expect(!early.mayFailOfBackChannel, "a server that is not there was asked for nothing")
    }
}
