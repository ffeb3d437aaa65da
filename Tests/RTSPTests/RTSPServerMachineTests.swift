import RTSP
import TestKit
import Testing
import Wire

@Suite struct RTSPServerMachineTests {
    typealias State = MachineDriver.State

    /// RTSP-1: every method in every state.
    @Test(arguments: [
        (State.none, [200, 200, 200, 200, 454, 454, 455, 454]),
        (.readerReady, [200, 200, 455, 200, 200, 200, 455, 200]),
        (.playing, [200, 200, 455, 455, 200, 200, 455, 200]),
        (.announced, [200, 200, 200, 404, 454, 454, 454, 200]),
        (.publisherReady, [200, 200, 455, 404, 455, 455, 200, 200]),
        (.recording, [200, 200, 455, 455, 455, 200, 455, 200]),
    ])
    func everyMethodInEveryStateHasItsStatus(_ state: State, _ expected: [Int]) {
        let requests = [
            "OPTIONS *", "DESCRIBE rtsp://h/cam1", "ANNOUNCE rtsp://h/cam1", "SETUP rtsp://h/cam1/trackID=1",
            "PLAY rtsp://h/cam1", "PAUSE rtsp://h/cam1", "RECORD rtsp://h/cam1", "TEARDOWN rtsp://h/cam1",
        ]
        for (request, status) in zip(requests, expected) {
            let driver = MachineDriver()
            driver.enter(state)
            let body = request.hasPrefix("ANNOUNCE") ? "v=0" : ""
            let fields = request.hasPrefix("SETUP") ? "Transport: RTP/AVP/TCP" : "Accept: application/sdp"
            #expect(driver.ask(request, fields, body: body) == status, "\(request) in \(state)")
            #expect(!driver.isClosed)
        }
    }

    @Test func unknownMethodsAreNotImplemented() {
        let driver = MachineDriver()
        #expect(driver.ask("REDIRECT rtsp://h/cam1") == 501)
        #expect(driver.ask("FOO rtsp://h/cam1") == 501)
        #expect(driver.ask("OPTIONS *") == 200)
        #expect(driver.field("Public")?.contains("GET_PARAMETER") == true)
    }

    /// RTSP-2
    @Test func aRequestWithoutNumberEndsTheConnection() {
        let driver = MachineDriver()
        driver.receive(Array("OPTIONS * RTSP/1.0\r\n\r\n".utf8))
        #expect(driver.status == 400)
        #expect(driver.isClosed)
        let second = MachineDriver()
        second.ask("OPTIONS *")
        #expect(second.field("CSeq") == "1")
    }

    /// R1, RTSP-26
    @Test func requiredOptionsThatAreUnknownAreNamed() {
        let driver = MachineDriver()
        #expect(driver.ask("OPTIONS *", "Require: www.onvif.org/ver20/backchannel") == 200)
        #expect(driver.ask("OPTIONS *", "Require: www.onvif.org/ver20/backchannel, a.b, c") == 551)
        #expect(driver.field("Unsupported") == "a.b, c")
        #expect(driver.ask("OPTIONS *", "Proxy-Require: x") == 551)
        #expect(driver.field("Unsupported") == "x")
    }

    @Test func bytesThatAreNoRequestGetAStatusAndEndTheConnection() {
        let driver = MachineDriver()
        driver.receive(Array("\u{16}\u{3}\u{1}".utf8))
        #expect(driver.status == 400)
        #expect(driver.isClosed)
        driver.receive(Array("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".utf8))
        #expect(driver.sent.count == 1)
    }

    // MARK: sessions

    /// RTSP-10, RTSP-11, RTSP-29
    @Test func sessionsHaveIdentifiersOfLettersAndDigitsAndOthersAreRefused() throws {
        let driver = MachineDriver()
        driver.enter(.readerReady)
        let session = try #require(RTSPSessionHeader(driver.field("Session") ?? ""))
        #expect(session.timeoutSeconds == 60)
        #expect(session.id.utf8.count == 24)
        #expect(session.id.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) })
        #expect(driver.ask("PLAY rtsp://h/cam1", "Session: \(session.id)x") == 454)
        #expect(driver.ask("PLAY rtsp://h/cam1", "Session: ") == 454)
        #expect(driver.ask("PLAY rtsp://h/cam1", "Session: \(session.id);timeout=60") == 200)
        #expect(driver.ask("SETUP rtsp://h/other/trackID=1", "Transport: RTP/AVP/TCP") == 455)
    }

    /// RTSP-14: a second SETUP need not name the session.
    @Test func aSecondTrackJoinsTheSessionOfTheConnection() {
        let driver = MachineDriver()
        driver.enter(.readerReady)
        let session = driver.field("Session")
        #expect(driver.ask("SETUP rtsp://h/cam1/trackID=1", "Transport: RTP/AVP/TCP;interleaved=2-3") == 200)
        #expect(driver.field("Session") == session)
        #expect(driver.ask("SETUP rtsp://h/cam1/trackID=1", "Transport: RTP/AVP/TCP;interleaved=4-5") == 455)
        #expect(driver.session?.media.map(\.track) == [0, 1])
    }

    /// RTSP-10: what belongs to the session's owner is handed over whole: the request, and what came behind it.
    @Test func aRequestForASessionOfAnotherConnectionIsHandedOver() {
        let driver = MachineDriver()
        driver.grants = false
        let request = "GET_PARAMETER rtsp://h/cam1 RTSP/1.0\r\nCSeq: 7\r\nSession: ABC\r\nContent-Length: 2\r\n\r\nhi"
        driver.receive(Array((request + "PLAY rtsp").utf8))
        #expect(driver.operations == [.resume(session: "ABC")])
        let bytes = driver.machine.unfinished
        #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("\r\n\r\nhiPLAY rtsp"))
        let owner = MachineDriver()
        _ = setUp(owner, "RTP/AVP;unicast;client_port=1000-1001")
        owner.receive(Array("TEARDOWN rtsp://h".utf8))
        owner.machine.reconnected(at: owner.now)
        // What the old connection had begun to say is forgotten.
        owner.receive(Array("PLAY rtsp://h/cam1 RTSP/1.0\r\nCSeq: 8\r\n\r\n".utf8))
        #expect(owner.status == 200)
        #expect(owner.session?.isActive == true)
    }

    /// R4, R13: the server's own requests name the session, and the clients' answers to them change nothing.
    @Test func theServerTellsClientsWhatChanged() {
        let driver = MachineDriver()
        driver.enter(.playing)
        let id = driver.session?.id ?? ""
        driver.machine.tell(.redirect, [("Location", "rtsp://other/cam1")])
        driver.machine.tell(.announce, [("Content-Type", "application/sdp")], body: Array("v=0".utf8))
        driver.run()
        #expect(
            driver.sent.suffix(2) == [
                "REDIRECT rtsp://h/cam1 RTSP/1.0\r\nCSeq: 1\r\nSession: \(id)\r\nLocation: rtsp://other/cam1\r\n\r\n",
                "ANNOUNCE rtsp://h/cam1 RTSP/1.0\r\nCSeq: 2\r\nSession: \(id)\r\nContent-Type: application/sdp\r\n"
                    + "Content-Length: 3\r\n\r\nv=0",
            ])
        driver.receive(Array("RTSP/1.0 501 Not Implemented\r\nCSeq: 1\r\n\r\n".utf8))
        #expect(driver.ask("PAUSE rtsp://h/cam1") == 200)
    }

    @Test func afterTeardownAConnectionCanBeginAgain() {
        let driver = MachineDriver()
        driver.enter(.playing)
        #expect(driver.ask("TEARDOWN rtsp://h/cam1") == 200)
        #expect(driver.session == nil)
        #expect(driver.ask("PLAY rtsp://h/cam1") == 454)
        driver.enter(.recording)
        #expect(driver.session?.role == .publisher)
    }

    // MARK: transports, table 12.6

    private func setUp(_ driver: MachineDriver, _ transport: String, track: Int = 0) -> Int {
        driver.ask("SETUP rtsp://h/cam1/trackID=\(track)", "Transport: \(transport)")
    }

    /// RTSP-7: no `source`, which would be wrong behind a NAT; `ssrc` in eight digits, and only to those who play.
    @Test func udpIsAnsweredWithTheServersPortsAndTheStreamsIdentifier() {
        let driver = MachineDriver()
        #expect(setUp(driver, #"RTP/AVP;unicast;client_port=3456-3457;mode="PLAY""#) == 200)
        #expect(
            driver.field("Transport")
                == "RTP/AVP;unicast;client_port=3456-3457;server_port=8000-8001;ssrc=00000001")
    }

    /// RTSP-8
    @Test func channelsMayBeAnyPairAndAreChosenWhenNoneAreAskedFor() {
        let driver = MachineDriver()
        #expect(setUp(driver, "RTP/AVP/TCP;unicast;interleaved=9-4") == 200)
        #expect(driver.field("Transport")?.contains("interleaved=9-4") == true)
        #expect(setUp(driver, "RTP/AVP/TCP;unicast", track: 1) == 200)
        #expect(driver.field("Transport")?.contains("interleaved=0-1") == true)
    }

    @Test func t9ProfilesWithoutKeysAreUnsupported() {
        #expect(setUp(MachineDriver(), "RTP/SAVP;unicast;client_port=1000-1001") == 461)
    }

    /// RTSP-32
    @Test func portsOfAnotherTrackAreRefused() {
        for ports in ["4000-4001", "4000", "4001-4002", "3999-4000"] {
            let driver = MachineDriver()
            #expect(setUp(driver, "RTP/AVP;unicast;client_port=4000-4001") == 200)
            #expect(setUp(driver, "RTP/AVP;unicast;client_port=\(ports)", track: 1) == 400)
            #expect(setUp(driver, "RTP/AVP;unicast;client_port=4002-4003", track: 1) == 200)
        }
    }

    /// Nobody is asked about a room that the session is not about.
    @Test func aSessionIsAboutOnePath() {
        for state in [State.readerReady, .playing] {
            let driver = MachineDriver()
            driver.enter(state)
            if state == .playing { driver.ask("PAUSE rtsp://h/cam1") }
            let operations = driver.operations
            #expect(driver.ask("SETUP rtsp://h/cam2/trackID=1", "Transport: RTP/AVP/TCP") == 455)
            #expect(driver.operations == operations)
            #expect(driver.ask("SETUP rtsp://h/cam1/trackID=1", "Transport: RTP/AVP/TCP") == 200)
        }
    }

    /// RFC 2326, section A.2: what comes while a publisher pauses is nobody's.
    @Test func aRecordingPausesAndGoesOn() {
        let driver = MachineDriver()
        driver.enter(.publisherReady)
        #expect(driver.ask("PAUSE rtsp://h/cam1") == 455)
        #expect(driver.ask("RECORD rtsp://h/cam1") == 200)
        for _ in 0..<2 {
            driver.frames = []
            driver.receive([0x24, 0, 0, 1, 1])
            #expect(driver.frames.count == 1)
            #expect(driver.ask("PAUSE rtsp://h/cam1/streamid=0") == 200)
            #expect(driver.session?.isActive == false)
            driver.receive([0x24, 0, 0, 1, 2, 0x24, 2, 0, 1, 2])
            #expect(driver.frames.count == 1)
            #expect(driver.ask("RECORD rtsp://h/cam1") == 200)
            #expect(driver.session?.activeTracks == [0, 1])
        }
    }

    @Test func t10ChannelsOfAnotherTrackAreRefused() {
        let driver = MachineDriver()
        #expect(setUp(driver, "RTP/AVP/TCP;interleaved=4-5") == 200)
        #expect(setUp(driver, "RTP/AVP/TCP;interleaved=4-5", track: 1) == 400)
        #expect(setUp(driver, "RTP/AVP/TCP;interleaved=5-6", track: 1) == 400)
        #expect(setUp(driver, "RTP/AVP/TCP;interleaved=6-7", track: 1) == 200)
    }

    @Test func t12TheFirstAlternativeThatIsAllowedIsTaken() {
        let alternatives = "RTP/AVP/UDP;unicast;client_port=1000-1001,RTP/AVP/TCP;unicast;interleaved=0-1"
        let both = MachineDriver()
        #expect(setUp(both, alternatives) == 200)
        #expect(both.field("Transport")?.hasPrefix("RTP/AVP;") == true)
        let onlyTCP = MachineDriver { $0.deliveries = [.tcp] }
        #expect(setUp(onlyTCP, alternatives) == 200)
        #expect(onlyTCP.field("Transport")?.hasPrefix("RTP/AVP/TCP;") == true)
    }

    @Test func t13OtherProtocolsAreUnsupported() {
        #expect(setUp(MachineDriver(), "RAW/RAW/UDP;unicast") == 461)
        #expect(setUp(MachineDriver(), "MP2T/H2221/UDP") == 461)
        #expect(setUp(MachineDriver(), "RTP/AVP;multicast") == 461)
    }

    @Test func t14ImpossiblePortsAreBadRequests() {
        for ports in ["0-1", "65536", "-1"] {
            #expect(setUp(MachineDriver(), "RTP/AVP;unicast;client_port=\(ports)") == 400)
        }
        #expect(setUp(MachineDriver(), "RTP/AVP/TCP;interleaved=2-2") == 400)
        #expect(MachineDriver().ask("SETUP rtsp://h/cam1/trackID=0") == 400)
    }

    /// RTSP-34
    @Test func t15OtherDestinationsAreRefused() {
        #expect(setUp(MachineDriver(), "RTP/AVP;unicast;destination=1.2.3.4;client_port=1000-1001") == 461)
        #expect(setUp(MachineDriver(), "RTP/AVP;unicast;destination=192.0.2.7;client_port=1000-1001") == 200)
    }

    @Test func t16WithoutPortsOfItsOwnTheServerHasNoUDP() {
        #expect(setUp(MachineDriver { $0.serverPorts = nil }, "RTP/AVP;unicast;client_port=1000-1001") == 461)
        #expect(setUp(MachineDriver { $0.deliveries = [.tcp] }, "RTP/AVP;unicast;client_port=1000-1001") == 461)
    }

    /// T8, RTSP-6: the server says which group it is, whatever the client proposes.
    @Test func t8MulticastIsAnsweredWithTheServersGroup() {
        let driver = MachineDriver { $0.deliveries = [.udp, .multicast, .tcp] }
        driver.groups[0] = RTSPMulticastGroup(
            address: "224.1.0.1", ports: RTSPPortPair(rtp: 8002, rtcp: 8003), timeToLive: 16)
        #expect(setUp(driver, "RTP/AVP;multicast;destination=225.219.201.15;port=7000-7001;ttl=127") == 200)
        #expect(
            driver.field("Transport")
                == "RTP/AVP;multicast;destination=224.1.0.1;port=8002-8003;ttl=16;ssrc=00000001")
        #expect(driver.session?.delivery == .multicast)
        // The other track has none left.
        #expect(setUp(driver, "RTP/AVP;multicast", track: 1) == 461)
        #expect(setUp(driver, "RTP/AVP;unicast;client_port=1000-1001", track: 1) == 461)
    }

    @Test func nobodyPublishesByMulticast() {
        let driver = MachineDriver { $0.deliveries = [.udp, .multicast, .tcp] }
        driver.enter(.announced)
        #expect(driver.ask("SETUP rtsp://h/cam1/streamid=0", "Transport: RTP/AVP;multicast;mode=record") == 461)
    }

    @Test func tracksOfOneSessionTravelAlike() {
        let driver = MachineDriver()
        #expect(setUp(driver, "RTP/AVP/TCP;interleaved=0-1") == 200)
        #expect(setUp(driver, "RTP/AVP;unicast;client_port=1000-1001", track: 1) == 461)
    }

    @Test func tracksThatAreNotThereAreNotFound() {
        #expect(setUp(MachineDriver(), "RTP/AVP/TCP", track: 2) == 404)
        #expect(MachineDriver().ask("SETUP rtsp://h/cam1", "Transport: RTP/AVP/TCP") == 459)
        #expect(MachineDriver().ask("SETUP rtsp://h/nothing/trackID=0", "Transport: RTP/AVP/TCP") == 404)
    }

    // MARK: playing

    /// RTSP-15, RTSP-16
    @Test func playTellsWhereItBegins() {
        let driver = MachineDriver()
        driver.enter(.readerReady)
        #expect(driver.ask("PLAY rtsp://h/cam1", "Range: npt=0.000-") == 200)
        #expect(driver.field("RTP-Info") == "url=rtsp://h/cam1/trackID=0;seq=7;rtptime=9")
        #expect(driver.field("Range") == "npt=0-")
        #expect(driver.ask("PLAY rtsp://h/cam1", "Range: clock=20260101T000000Z-") == 200)
        #expect(driver.ask("PLAY rtsp://h/cam1", "Range: npt=now-") == 200)
        #expect(driver.field("Range") == "npt=now-")
    }

    /// RTSP-17
    @Test func pauseAndPlayMayBeRepeatedForAllOrOneTrack() {
        let driver = MachineDriver()
        driver.enter(.readerReady)
        driver.ask("SETUP rtsp://h/cam1/trackID=1", "Transport: RTP/AVP/TCP;interleaved=2-3")
        for request in ["PLAY", "PLAY", "PAUSE", "PAUSE", "PLAY"] {
            #expect(driver.ask("\(request) rtsp://h/cam1") == 200)
        }
        #expect(driver.session?.activeTracks == [0, 1])
        #expect(driver.ask("PAUSE rtsp://h/cam1/trackID=1") == 200)
        #expect(driver.operations.last == .pause(tracks: [1]))
        #expect(driver.session?.activeTracks == [0])
        #expect(driver.ask("PAUSE rtsp://h/cam1/trackID=7") == 404)
        #expect(driver.ask("PLAY rtsp://h/cam1") == 200)
        #expect(driver.session?.activeTracks == [0, 1])
    }

    // MARK: publishing

    /// RTSP-7
    @Test func publishersAreToldNoIdentifierAndNoSource() {
        let driver = MachineDriver()
        driver.enter(.announced)
        let field = "Transport: RTP/AVP/UDP;unicast;client_port=5000-5001;source=1.2.3.4;ssrc=AB;mode=record"
        #expect(driver.ask("SETUP rtsp://h/cam1/streamid=0", field) == 200)
        #expect(driver.field("Transport") == "RTP/AVP;unicast;client_port=5000-5001;server_port=8000-8001")
    }

    /// RTSP-22
    @Test func recordingNeedsAllAnnouncedTracks() {
        let driver = MachineDriver()
        driver.enter(.announced)
        driver.ask("SETUP rtsp://h/cam1/streamid=1", "Transport: RTP/AVP/TCP;interleaved=2-3;mode=record")
        #expect(driver.ask("RECORD rtsp://h/cam1") == 400)
        driver.ask("SETUP rtsp://h/cam1/streamid=0", "Transport: RTP/AVP/TCP;interleaved=0-1;mode=record")
        #expect(driver.ask("RECORD rtsp://h/cam1") == 200)
        #expect(driver.session?.track(onChannel: 3)?.isControl == true)
        #expect(driver.session?.track(onChannel: 3)?.track == 1)
    }

    @Test func descriptionsHaveTheirType() {
        let driver = MachineDriver()
        #expect(driver.ask("ANNOUNCE rtsp://h/cam1", "Content-Type: text/plain", body: "v=0") == 415)
        #expect(driver.ask("ANNOUNCE rtsp://h/cam1", "Content-Type: application/sdp") == 400)
        #expect(driver.ask("ANNOUNCE rtsp://h/cam1", "Content-Type: Application/SDP; charset=x", body: "v=0") == 200)
    }

    /// RTSP-9, RTSP-Q4: frames right behind RECORD wait for its answer, and are not lost.
    @Test func framesBehindARequestWaitForItsAnswer() {
        let driver = MachineDriver()
        driver.enter(.publisherReady)
        driver.grants = false
        driver.receive(Array("RECORD rtsp://h/cam1 RTSP/1.0\r\nCSeq: 99\r\n\r\n".utf8) + [0x24, 0, 0, 2, 7, 8])
        #expect(driver.frames.isEmpty)
        let isWorking = driver.machine.isWorking
        #expect(isWorking)
        driver.grant(.record)
        driver.run()
        #expect(driver.status == 200)
        #expect(driver.frames.map(\.bytes) == [[7, 8]])
    }

    @Test func framesOfOtherChannelsAndOfSessionsThatDoNotRunAreDropped() {
        let driver = MachineDriver()
        driver.enter(.publisherReady)
        driver.receive([0x24, 0, 0, 1, 1])
        driver.ask("RECORD rtsp://h/cam1")
        driver.receive([0x24, 9, 0, 1, 1] + [0x24, 3, 0, 1, 2])
        #expect(driver.frames.map(\.channel) == [3])
        #expect(!driver.isClosed)
    }

    // MARK: parameters

    @Test func parametersAreReadAndThoseThatAreUnknownNamed() {
        let driver = MachineDriver()
        #expect(driver.ask("GET_PARAMETER rtsp://h/cam1") == 200)
        #expect(driver.operations.isEmpty)
        #expect(driver.ask("GET_PARAMETER rtsp://h/cam1", body: "packets_received\r\njitter\r\n") == 200)
        #expect(driver.sent.last?.hasSuffix("packets_received: 5\r\njitter: 0\r\n") == true)
        #expect(driver.ask("GET_PARAMETER rtsp://h/cam1", body: "jitter\r\ncolour\r\n") == 451)
        #expect(driver.sent.last?.hasSuffix("\r\n\r\ncolour\r\n") == true)
        #expect(driver.ask("SET_PARAMETER rtsp://h/cam1", body: "volume: 11\r\n") == 451)
        #expect(driver.sent.last?.hasSuffix("\r\n\r\nvolume\r\n") == true)
        #expect(driver.ask("SET_PARAMETER rtsp://h/cam1") == 200)
    }

    /// RTSP-24: what is told of the keys goes with the session.
    @Test func eachSessionIsToldKeysOfItsOwn() throws {
        let driver = MachineDriver { $0.keyMessage = { _ in [1, 2, 3] } }
        let keys = try #require(
            RTSPMediaKeys(key: Array(repeating: 1, count: 16), salt: Array(repeating: 2, count: 14)))
        let message = MIKEYMessage(keys: keys, bundle: 1, ssrcs: []).serialized(ntp: 0, random: [])
        let own = "KeyMgmt: " + RTSPKeyManagement.field(message, url: "rtsp://h/cam1/trackID=0")
        func setUp() -> String? {
            driver.ask("SETUP rtsp://h/cam1/trackID=0", "Transport: RTP/SAVP;unicast;client_port=1000-1001", own)
            return driver.field("KeyMgmt")
        }
        #expect(setUp()?.contains("data=\"AQID\"") == true)
        #expect(driver.ask("TEARDOWN rtsp://h/cam1") == 200)
        driver.machine.use { _ in [4, 5, 6] }
        #expect(setUp()?.contains("data=\"BAUG\"") == true)
    }

    // MARK: time

    /// RTSP-11, RTSP-12, RTSP-13
    @Test func sessionsOverUDPLiveAsLongAsSomethingIsHeard() {
        let driver = MachineDriver()
        _ = setUp(driver, "RTP/AVP;unicast;client_port=1000-1001")
        driver.ask("PLAY rtsp://h/cam1")
        let deadline = driver.machine.nextDeadline
        #expect(deadline == Instant.seconds(75))
        driver.now = .seconds(70)
        driver.machine.heard(at: driver.now)
        driver.machine.deadlineReached(at: .seconds(75))
        driver.run()
        #expect(!driver.isClosed)
        driver.now = .seconds(135)
        driver.machine.deadlineReached(at: driver.now)
        driver.run()
        #expect(driver.isClosed)
    }

    /// RTSP-11, RTSP-12: five minutes of a client that asks exactly when it was told to.
    @Test(arguments: ["OPTIONS *", "GET_PARAMETER rtsp://h/cam1", "PLAY rtsp://h/cam1", "PAUSE rtsp://h/cam1"])
    func anyRequestAtTheLimitKeepsASessionAlive(_ request: String) throws {
        let driver = MachineDriver()
        _ = setUp(driver, "RTP/AVP;unicast;client_port=1000-1001")
        driver.ask("PLAY rtsp://h/cam1")
        let timeout = try #require(RTSPSessionHeader(driver.field("Session") ?? "")?.timeoutSeconds)
        for _ in 0..<5 {
            driver.now = driver.now.advanced(bySeconds: UInt64(timeout))
            driver.machine.deadlineReached(at: driver.now)
            driver.run()
            #expect(!driver.isClosed)
            #expect(driver.ask(request) == 200)
        }
        driver.now = driver.now.advanced(bySeconds: UInt64(timeout) + 5)
        driver.machine.deadlineReached(at: driver.now)
        driver.run()
        #expect(driver.isClosed)
    }

    /// RTSP-12: FFmpeg sends no requests while it publishes over UDP; its packets are signs of life.
    @Test func publishersOverUDPLiveByTheirPackets() {
        let driver = MachineDriver()
        driver.enter(.announced)
        for track in 0...1 {
            driver.ask(
                "SETUP rtsp://h/cam1/streamid=\(track)",
                "Transport: RTP/AVP;unicast;client_port=\(5000 + 2 * track)-\(5001 + 2 * track);mode=record")
        }
        #expect(driver.ask("RECORD rtsp://h/cam1") == 200)
        for _ in 0..<60 {
            driver.now = driver.now.advanced(bySeconds: 5)
            driver.machine.heard(at: driver.now)
            driver.machine.deadlineReached(at: driver.now)
        }
        driver.run()
        #expect(!driver.isClosed)
        driver.now = driver.now.advanced(bySeconds: 10)
        driver.machine.deadlineReached(at: driver.now)
        driver.run()
        #expect(driver.isClosed)
    }

    /// Bytes that make up no request, frames included, are not enough to stay.
    @Test(arguments: [[], Array("OPTIONS * RTSP/1.0\r\n".utf8), [0x24, 0, 0, 1, 7]] as [[UInt8]])
    func whoNeverAsksForAnythingIsEndedSoon(_ bytes: [UInt8]) {
        let driver = MachineDriver { $0.firstRequestMilliseconds = 3_000 }
        let deadline = driver.machine.nextDeadline
        #expect(deadline == .seconds(13))
        driver.now = .seconds(12)
        driver.receive(bytes)
        driver.machine.deadlineReached(at: driver.now)
        driver.run()
        #expect(!driver.isClosed)
        driver.now = .seconds(13)
        driver.machine.deadlineReached(at: driver.now)
        driver.run()
        #expect(driver.isClosed)
    }

    @Test func theFirstRequestEndsTheHaste() {
        let driver = MachineDriver { $0.firstRequestMilliseconds = 3_000 }
        #expect(driver.ask("OPTIONS *") == 200)
        let deadline = driver.machine.nextDeadline
        #expect(deadline == .seconds(75))
    }

    @Test func readersOverTheConnectionNeedNoSignsOfLife() {
        let driver = MachineDriver()
        driver.enter(.playing)
        let deadline = driver.machine.nextDeadline
        #expect(deadline == nil)
    }

    @Test func publishersThatFallSilentAreEnded() {
        let driver = MachineDriver()
        driver.enter(.recording)
        let first = driver.machine.nextDeadline
        #expect(first == Instant.seconds(20))
        driver.now = .seconds(15)
        driver.receive([0x24, 0, 0, 1, 1])
        let moved = driver.machine.nextDeadline
        #expect(moved == Instant.seconds(25))
    }

    @Test func aRequestThatDoesNotEndIsNotWaitedForLong() {
        let driver = MachineDriver()
        driver.receive(Array("OPTIONS * RT".utf8))
        let deadline = driver.machine.nextDeadline
        #expect(deadline == Instant.seconds(20))
        driver.now = .seconds(19)
        driver.receive(Array("SP/1.0\r\nCS".utf8))
        driver.now = .seconds(20)
        driver.machine.deadlineReached(at: driver.now)
        driver.run()
        #expect(driver.isClosed)
    }

    // MARK: authentication and hostility

    @Test func challengesAndRedirectsAnswerTheRequest() {
        let driver = MachineDriver()
        driver.grants = false
        driver.ask("DESCRIBE rtsp://h/cam1")
        driver.machine.challenge([
            .digest(realm: "r", nonce: "n", algorithm: .md5, qop: false, isStale: false, opaque: nil),
            .basic(realm: "r"),
        ])
        driver.run()
        #expect(driver.status == 401)
        #expect(driver.field("WWW-Authenticate") == #"Digest realm="r", nonce="n""#)
        driver.ask("DESCRIBE rtsp://h/cam1")
        driver.machine.redirect(to: "rtsp://other/cam1")
        driver.run()
        #expect(driver.status == 302)
        #expect(driver.field("Location") == "rtsp://other/cam1")
    }

    @Test func theBaseOfADescriptionEndsInASlashAndHidesCredentials() {
        let driver = MachineDriver()
        driver.ask("DESCRIBE rtsp://u:p@h:8554/cam1?x=1")
        #expect(driver.field("Content-Base") == "rtsp://h:8554/cam1?x=1/")
    }

    /// RTSP-3: whatever is said, it means the same byte by byte.
    @Test func aWholeConversationMayComeByteByByte() {
        let requests = [
            "OPTIONS * RTSP/1.0\nCSeq: 1\n\n",
            "ANNOUNCE rtsp://h/cam1 RTSP/1.0\r\ncseq: 2\r\nContent-Length: 3\r\n\r\nv=0",
            "SETUP rtsp://h/cam1/streamid=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;mode=record\r\n\r\n",
            "SETUP rtsp://h/cam1/streamid=1 RTSP/1.0\r\nCSeq: 4\r\nTransport: RTP/AVP/TCP;\r\n mode=record\r\n\r\n",
            "RECORD rtsp://h/cam1 RTSP/1.0\r\nCSeq: 5\r\n\r\n",
        ]
        var bytes = Array(requests.joined().utf8)
        bytes += [0x24, 0, 0, 3, 1, 2, 3]
        bytes += Array("OPTIONS * RTSP/1.0\r\nCSeq: 6\r\n\r\n".utf8)
        let whole = MachineDriver()
        whole.receive(bytes)
        let pieces = MachineDriver()
        for byte in bytes { pieces.receive([byte]) }
        #expect(whole.sent.count == 6)
        #expect(whole.sent == pieces.sent)
        #expect(whole.frames.map(\.bytes) == [[1, 2, 3]])
        #expect(pieces.frames.map(\.bytes) == [[1, 2, 3]])
    }

    /// A frame that promises more than comes holds only its own connection, and not for ever.
    @Test func framesWithWrongLengthsEndInTheirOwnConnection() {
        let driver = MachineDriver()
        driver.enter(.recording)
        driver.receive([0x24, 0, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 1_000))
        driver.ask("OPTIONS *")
        #expect(driver.frames.isEmpty)
        driver.now = .seconds(20)
        driver.machine.deadlineReached(at: driver.now)
        driver.run()
        #expect(driver.isClosed)
        // One that promises less leaves bytes that are no request.
        let second = MachineDriver()
        second.enter(.recording)
        second.receive([0x24, 0, 0, 1, 1, 0x80, 0x60, 0, 1])
        #expect(second.status == 400)
        #expect(second.isClosed)
    }

    @Test func hostileConversationsNeverTrap() {
        var random = SplitMix64(seed: 11)
        let lines = [
            "OPTIONS *", "DESCRIBE rtsp://h/cam1", "ANNOUNCE rtsp://h/cam1", "SETUP rtsp://h/cam1/trackID=0",
            "SETUP rtsp://h/cam1/streamid=1", "PLAY rtsp://h/cam1", "PAUSE rtsp://h/cam1/trackID=0",
            "RECORD rtsp://h/cam1", "TEARDOWN rtsp://h/cam1", "GET_PARAMETER *", "SET_PARAMETER *", "FOO bar",
        ]
        let transports = [
            "RTP/AVP/TCP", "RTP/AVP/TCP;interleaved=0-1", "RTP/AVP;unicast;client_port=5-6", "x",
            "RTP/AVP;client_port=0",
        ]
        for _ in 0..<2_000 {
            let driver = MachineDriver()
            for _ in 0..<12 {
                let line = lines[Int(random.next() % UInt64(lines.count))]
                let transport = transports[Int(random.next() % UInt64(transports.count))]
                driver.now = driver.now.advanced(bySeconds: random.next() % 10)
                let status = driver.ask(line, "Transport: \(transport)", body: random.next() % 2 == 0 ? "v=0" : "")
                #expect(driver.isClosed || (200..<600).contains(status))
                driver.receive([0x24, UInt8(truncatingIfNeeded: random.next() & 3), 0, 1, 0])
            }
            driver.machine.deadlineReached(at: driver.now.advanced(bySeconds: 100))
        }
    }
}
