import RTSP
import Testing
import Wire

/// What the mode of a transport says against what the connection does (RFC 2326, section 12.39).
@Suite struct RTSPModeTests {
    @Test(arguments: ["record", "RECORD", "\"record\"", "receive"])
    func nothingIsRecordedThatWasNotAnnounced(_ mode: String) {
        let driver = MachineDriver()
        #expect(
            driver.ask("SETUP rtsp://h/cam1/trackID=0", "Transport: RTP/AVP/TCP;interleaved=0-1;mode=\(mode)") == 455)
        #expect(driver.session == nil)
    }

    @Test(arguments: ["play", "\"PLAY\""])
    func whatWasAnnouncedIsNotPlayed(_ mode: String) {
        let driver = MachineDriver()
        driver.enter(.announced)
        let url = "SETUP rtsp://h/cam1/streamid=0"
        #expect(driver.ask(url, "Transport: RTP/AVP/TCP;interleaved=0-1;mode=\(mode)") == 455)
        #expect(driver.session == nil)
        // Another alternative may fit.
        #expect(driver.ask(url, "Transport: RTP/AVP/TCP;mode=\(mode),RTP/AVP/TCP;interleaved=4-5;mode=record") == 200)
        #expect(driver.session?.role == .publisher)
        #expect(driver.session?.media.first?.transport.channels?.rtp == 4)
    }

    @Test(arguments: ["", ";mode=play", ";mode=\"PLAY\"", ";mode=unheard-of"])
    func readersSayWhatTheyLike(_ mode: String) {
        let driver = MachineDriver()
        #expect(driver.ask("SETUP rtsp://h/cam1/trackID=0", "Transport: RTP/AVP/TCP\(mode)") == 200)
        #expect(driver.session?.role == .reader)
    }

    @Test(arguments: ["", ";mode=record", ";mode=\"RECORD\"", ";mode=receive", ";mode=unheard-of"])
    func publishersSayWhatTheyLike(_ mode: String) {
        let driver = MachineDriver()
        driver.enter(.announced)
        #expect(driver.ask("SETUP rtsp://h/cam1/streamid=0", "Transport: RTP/AVP/TCP\(mode)") == 200)
        #expect(driver.session?.role == .publisher)
    }

    /// The track on which a client speaks to a camera.
    @Test(arguments: ["", ";mode=record", ";mode=play"])
    func aTrackTheClientSendsTakesEitherMode(_ mode: String) {
        let driver = MachineDriver()
        driver.grants = false
        driver.ask("SETUP rtsp://h/cam1/trackID=1", "Transport: RTP/AVP/TCP\(mode)")
        driver.machine.found(ssrcs: [1, nil])
        driver.run()
        #expect(driver.status == 200)
    }

    @Test func whatWasAnnouncedCanBeTakenBack() {
        let driver = MachineDriver()
        driver.enter(.announced)
        #expect(driver.ask("TEARDOWN rtsp://h/cam1") == 200)
        #expect(driver.operations.last == .tearDown)
        #expect(driver.ask("TEARDOWN rtsp://h/cam1") == 454)
        // The connection reads as any other now.
        #expect(driver.ask("SETUP rtsp://h/cam1/trackID=0", "Transport: RTP/AVP/TCP") == 200)
        #expect(driver.session?.role == .reader)
    }
}
