import Codecs
import Loop
import RTSP
import Streams
import Synchronization
import Testing
import Wire

@testable import Server

/// What decides how and when other servers are connected to.
@Suite struct RTSPPullDecisionTests {
    /// RTSP-40: UDP, then TCP at once; what worked is kept.
    @Test func transportsAreTriedInOrderAndWhatWorkedIsKept() {
        typealias Step = (RTSPClientMachine.Failure?, hasPlayed: Bool, triesAnother: Bool, then: RTSPDelivery)
        let steps: [Step] = [
            // A server that is not there says nothing about UDP.
            (.noAnswer(.options), false, false, .udp), (nil, false, false, .udp), (.noFirstMedia, false, true, .tcp),
            (.noMedia, true, false, .tcp), (nil, false, false, .tcp),
            // The server changed: the next attempt is UDP's again, after a pause.
            (.transportRefused, false, false, .udp), (.transportRefused, false, true, .tcp),
        ]
        var choice = RTSPTransportChoice(.automatic, isSecure: false)
        #expect(choice.current == .udp && choice.isTrying)
        for (failure, hasPlayed, triesAnother, then) in steps {
            let another = choice.ended(with: failure, hasPlayed: hasPlayed)
            #expect(another == triesAnother)
            #expect(choice.current == then && choice.isTrying == (then == .udp))
        }
        var refused = RTSPTransportChoice(.automatic, isSecure: false)
        let another = refused.ended(with: .refused(.setup, .badRequest), hasPlayed: false)
        #expect(another)
    }

    @Test(arguments: [RTSPPullTransport.udp, .multicast, .tcp])
    func aTransportThatIsSetStays(_ setting: RTSPPullTransport) {
        var choice = RTSPTransportChoice(setting, isSecure: false)
        let another = choice.ended(with: .transportRefused, hasPlayed: false)
        #expect(!another && choice.current.rawValue == setting.rawValue && !choice.isTrying)
        #expect(RTSPTransportChoice(setting, isSecure: true).current == .tcp)
    }

    private enum End { case failed, failedOtherwise, began, opened }

    /// RTSP-Q6: each attempt's end, whether the camera is tried without the question at once, and whether the next one asks.
    private static func expect(_ steps: [(End, triesWithout: Bool, asks: Bool)]) {
        var question = RTSPBackChannelQuestion(isWanted: true)
        #expect(question.isAsked)
        for (number, step) in steps.enumerated() {
            var triesWithout = false
            switch step.0 {
            case .failed: triesWithout = question.failed(mayBeOfQuestion: question.isAsked)
            case .failedOtherwise: triesWithout = question.failed(mayBeOfQuestion: false)
            case .began: question.began(hasOpened: false)
            case .opened: question.began(hasOpened: true)
            }
            #expect(triesWithout == step.triesWithout, "step \(number)")
            #expect(question.isAsked == step.asks, "step \(number)")
        }
    }

    @Test func aQuestionThatIsTheCauseIsGivenUpForGood() {
        Self.expect([
            (.failedOtherwise, false, true), (.failed, true, false), (.began, false, false),
            (.failedOtherwise, false, false), (.failed, false, false), (.began, false, false),
        ])
    }

    @Test func aQuestionThatIsNotTheCauseIsAskedAgain() {
        Self.expect([
            (.failed, true, false), (.failed, false, true), (.failed, true, false), (.failedOtherwise, false, true),
            (.opened, false, true),
        ])
    }

    @Test func aQuestionThatWasAnsweredIsGivenUpAfterTwoFailuresInARow() {
        Self.expect([
            (.opened, false, true), (.failed, false, true), (.opened, false, true), (.failed, false, true),
            (.failedOtherwise, false, true), (.failed, false, true), (.failed, true, false), (.failed, false, true),
            (.failed, false, true), (.failed, true, false), (.began, false, false),
        ])
    }

    @Test func aQuestionThatIsNotWantedIsNeverAsked() {
        var question = RTSPBackChannelQuestion(isWanted: false)
        question.began(hasOpened: false)
        let triesWithout = question.failed(mayBeOfQuestion: false)
        #expect(!triesWithout && !question.isAsked)
    }

    /// RTSP-44
    @Test func pausesGrowFromOneSecondToThirtyAndAreNeverTheSame() {
        var pause = ReconnectPause()
        let least = (0..<8).map { _ in pause.next(random: 0) }
        #expect(least == [1, 2, 4, 8, 16, 30, 30, 30].map { Duration.seconds($0) })
        pause.succeeded()
        let jittered = [249, 250].map { pause.next(random: $0) }
        #expect(jittered == [.milliseconds(1_249), .milliseconds(2_250)])
    }

    private func media(_ kind: MediaKind, _ name: String, isSendOnly: Bool = false) -> RTSPAnnouncedMedia {
        let format = TrackFormat(
            codec: kind == .video ? .otherVideo : .otherAudio, channels: 1, parameters: [], encodingName: name,
            clockRate: 8_000)
        return RTSPAnnouncedMedia(
            format: format, payloadType: 96, clockRate: 8_000, control: name, isSendOnly: isSendOnly)
    }

    /// RTSP-50, RTSP-Q7: metadata, back channels and second tracks are left out and named.
    @Test func tracksThatAreNotUnderstoodAreLeftOut() {
        let metadata = RTSPAnnouncedMedia(format: nil, payloadType: 107, clockRate: 90_000, control: "m")
        let choice = RTSPTrackChoice([
            metadata, media(.video, "V1"), media(.audio, "back", isSendOnly: true), media(.audio, "A1"),
            media(.audio, "A1"), media(.video, "V2"),
        ])
        #expect(choice.tracks.map(\.control) == ["V1", "A1"])
        #expect(choice.remarks.count == 4)
        // Some cameras call everything send-only.
        let all = RTSPTrackChoice([media(.video, "V", isSendOnly: true), media(.audio, "A", isSendOnly: true)])
        #expect(all.tracks.count == 2)
    }

    /// RTSP-Q7: clocks that jump begin anew; those that wrap, run too fast, or come after a pause do not.
    @Test(
        arguments: [
            (0, 3_600, 40, false), (UInt32.max - 1_000, 2_600, 40, false), (0, 720_000, 0, false),
            (0, 1_080_000, 12_000, false), (0, 0, 9_000, false), (900_000, 0, 40, true), (0, 900_000 * 60, 40, true),
            (500_000_000, 3, 40, true), (0, 0, 20_000, true),
        ] as [(UInt32, UInt32, UInt64, Bool)])
    func clocksThatJumpAreNoticed(_ first: UInt32, _ second: UInt32, _ milliseconds: UInt64, _ expected: Bool) {
        var watch = RTSPClockWatch(clockRates: [8_000, 90_000])
        let start = Instant.seconds(100)
        let steps = [
            watch.isJump(to: 5, track: 0, at: start), watch.isJump(to: first, track: 1, at: start),
            watch.isJump(to: second, track: 1, at: start.advanced(byMilliseconds: milliseconds)),
            watch.isJump(to: 9, track: 7, at: start),
        ]
        #expect(steps == [false, false, expected, false])
    }

    @Test func targetsNameTheirPath() throws {
        let url = try #require(RTSPURL("rtsp://u:p@h/live/$MTX_PATH?a=b"))
        #expect(ForwardTarget(url: url).url(forPath: "a/b").resource == "/live/a/b?a=b")
        #expect(ForwardTarget(url: url).url(forPath: "a").user == "u")
    }
}

/// One server pulls from and pushes to another, over the loopback.
@Suite struct RTSPPullTests {
    private func path(_ settings: inout ServerSettings, _ name: String, _ change: (inout PathSettings) -> Void) {
        var path = PathSettings()
        change(&path)
        settings.paths.insert(PathEntry(name: name, match: .name(name), settings: path), at: 0)
    }

    /// RTSP-40, RTSP-46, RTSP-48: by every way, and one connection upstream for all readers.
    @Test(arguments: [RTSPPullTransport.automatic, .udp, .tcp])
    func whatAnotherServerPlaysIsPulledOnDemand(_ transport: RTSPPullTransport) async throws {
        try await RTSPServerTests.withServer { origin, originAddress, loop in
            var publisher = try await RTSPServerTests.Client(originAddress, loop)
            _ = await publisher.publish("rtsp://\(originAddress)/cam")
            try await RTSPServerTests.feeding(publisher) {
                try await RTSPServerTests.withServer { settings in
                    path(&settings, "pulled") {
                        $0.source = RTSPURL("rtsp://\(originAddress)/cam").map { .rtsp($0) } ?? .publisher
                        $0.sourceOnDemand = true
                        $0.rtspTransport = transport
                    }
                } _: { server, address, loop in
                    for _ in 0..<2 {
                        var reader = try await RTSPServerTests.Client(address, loop)
                        #expect(
                            await reader.play("rtsp://\(address)/pulled")
                                == Array(repeating: RTSPServerTests.success, count: 3))
                        #expect(await reader.packet().count == 54)
                    }
                    let counters = try #require(await server.running?.rtsp?.service.clientCounters)
                    #expect(counters.pullAttempts.load(ordering: .relaxed) == 1)
                    #expect(counters.playing.load(ordering: .relaxed) == 1)
                    let directory = try #require(await origin.running?.directory)
                    let room = try #require(await directory.room(named: "cam")).room
                    #expect(await room.snapshot.viewers.count == 1)
                    // What is pulled is told from what is published.
                    let pulled = try #require(await server.running?.directory.room(named: "pulled")).room
                    #expect(await room.snapshot.origin == "rtsp")
                    #expect(await pulled.snapshot.origin == "rtspSource")
                    // RTSP-41: one datagram at least to each of the server's ports.
                    let datagrams = try #require(await origin.running?.rtsp?.service.datagrams)
                    let received = await datagrams.receiver.statistics.datagrams
                    #expect(transport == .tcp ? received == 0 : received >= 2)
                }
            }
        }
    }

    /// FFmpeg leaves at a BYE: a source that goes and comes tells RTSP readers of no end.
    @Test func readersHearNoGoodbyeOfASourceThatComesBack() async throws {
        try await RTSPServerTests.withServer { _, address, loop in
            let url = "rtsp://\(address)/cam"
            var reader = try await RTSPServerTests.Client(address, loop)
            for number in [1, 2] as [UInt16] {
                var publisher = try await RTSPServerTests.Client(address, loop)
                _ = await publisher.publish(url)
                if number == 1 { _ = await reader.play(url) }
                await publisher.raw.send(RTSPServerTests.frame(RTSPServerTests.packet(number, isKeyframe: true)))
                while true {
                    let head = await reader.raw.bytes(4)
                    try #require(head.count == 4)
                    let packet = await reader.raw.bytes(Int(head[2]) << 8 | Int(head[3]))
                    if head[1] == 0 { break }
                    #expect(
                        !packet.withBytes { span in
                            var offset = 0
                            while let length: UInt16 = span.integer(at: offset + 2) {
                                if span.integer(at: offset + 1, as: UInt8.self) == 203 { return true }
                                offset += 4 * (Int(length) + 1)
                            }
                            return false
                        })
                }
                #expect(await publisher.ask("TEARDOWN \(url)").contains("200 OK"))
            }
        }
    }

    /// What a URL has behind its host may be a secret; the operator is told the host.
    @Test func theLogShowsNoSecretsOfURLs() async throws {
        try await RTSPServerTests.withServer { settings in
            settings.everyPath { $0.publishToken = AccessToken(.plain(Array("secret".utf8))) }
        } _: { _, targetAddress, _ in
            var settings = try MartletServerTests.settings()
            let secrets = "rtsp://hidden:hidden@\(targetAddress)/hidden?token=hidden"
            path(&settings, "pulled") { $0.source = RTSPURL(secrets).map { .rtsp($0) } ?? .publisher }
            path(&settings, "cam") { path in path.forward = RTSPURL(secrets).map { [ForwardTarget(url: $0)] } ?? [] }
            let (server, records, log) = MartletServerTests.server(settings)
            try await server.start()
            let loop = try EventLoop(name: "client")
            try loop.start()
            defer { loop.stop() }
            let address = try #require(await server.rtspAddresses.first)
            var publisher = try await RTSPServerTests.Client(address, loop)
            _ = await publisher.publish("rtsp://\(address)/cam")
            #expect(
                await eventually {
                    log.flush()
                    return records.text.contains("the room is not pushed") && records.text.contains("does not play")
                })
            await server.stop()
            log.flush()
            #expect(records.text.contains("rtsp://\(targetAddress)"))
            #expect(!records.text.contains("hidden"))
        }
    }

    /// RTSP-40: a server without UDP is pulled from over TCP at once.
    @Test func aServerWithoutDatagramsIsPulledFromOverTCP() async throws {
        try await RTSPServerTests.withServer { settings in
            settings.rtspTransports = [.tcp]
        } _: { _, originAddress, loop in
            var publisher = try await RTSPServerTests.Client(originAddress, loop)
            _ = await publisher.publish("rtsp://\(originAddress)/cam")
            try await RTSPServerTests.feeding(publisher) {
                try await RTSPServerTests.withServer { settings in
                    path(&settings, "pulled") {
                        $0.source = RTSPURL("rtsp://\(originAddress)/cam").map { .rtsp($0) } ?? .publisher
                    }
                } _: { server, address, loop in
                    var reader = try await RTSPServerTests.Client(address, loop)
                    #expect(await reader.play("rtsp://\(address)/pulled").last == RTSPServerTests.success)
                    #expect(await reader.packet().count == 54)
                    let counters = try #require(await server.running?.rtsp?.service.clientCounters)
                    #expect(counters.fallbacks.load(ordering: .relaxed) == 1)
                }
            }
        }
    }

    /// What is published is pushed on, and the push ends with the publication.
    @Test(arguments: [ForwardTarget.Transport.tcp, .udp])
    func aRoomIsPushedWhileSomebodyPublishes(_ transport: ForwardTarget.Transport) async throws {
        try await RTSPServerTests.withServer { target, targetAddress, targetLoop in
            try await RTSPServerTests.withServer { settings in
                path(&settings, "cam") {
                    guard let url = RTSPURL("rtsp://\(targetAddress)/copy/$MTX_PATH") else { return }
                    $0.forward = [ForwardTarget(url: url)]
                    $0.forward[0].transport = transport
                }
            } _: { server, address, loop in
                var publisher = try await RTSPServerTests.Client(address, loop)
                _ = await publisher.publish("rtsp://\(address)/cam")
                let directory = try #require(await target.running?.directory)
                try await RTSPServerTests.feeding(publisher) {
                    #expect(await eventually { await directory.room(named: "copy/cam")?.room.formats.isEmpty == false })
                    var reader = try await RTSPServerTests.Client(targetAddress, targetLoop)
                    #expect(await reader.play("rtsp://\(targetAddress)/copy/cam").last == RTSPServerTests.success)
                    #expect(await reader.packet().count == 54)
                }
                // A forward is no viewer.
                let source = try #require(await server.running?.directory.room(named: "cam"))
                #expect(await source.room.snapshot.viewers.isEmpty)
                #expect(await publisher.ask("TEARDOWN rtsp://\(address)/cam").hasPrefix(RTSPServerTests.success))
                #expect(await eventually { await directory.room(named: "copy/cam")?.room.formats.isEmpty != false })
                let counters = try #require(await server.running?.rtsp?.service.clientCounters)
                #expect(counters.pushAttempts.load(ordering: .relaxed) == 1)
                #expect(counters.pushing.load(ordering: .relaxed) == 0)
            }
        }
    }
}
