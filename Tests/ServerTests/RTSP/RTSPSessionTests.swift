import Loop
import RTSP
import Secure
import Streams
import Testing
import Wire

@testable import Server

/// Sessions over several connections, where playing begins, and where clients are sent.
@Suite struct RTSPSessionTests {
    typealias Client = RTSPServerTests.Client

    private static func field(_ name: String, of answer: String) -> String? {
        answer.split(separator: "\r\n").first { $0.hasPrefix(name + ": ") }.map {
            String($0.dropFirst(name.utf8.count + 2))
        }
    }

    private static func readers(_ server: MartletServer) async throws -> RTSPReaders? {
        let directory = try #require(await server.running?.directory)
        return await directory.room(named: "cam1")?.room.bridge(RTSPReaders.self)
    }

    /// RTSP-10, RTSP-13: what travels over UDP outlives its connection, and the same client may go on over another.
    @Test func aSessionOverUDPGoesOnOverAnotherConnection() async throws {
        try await RTSPServerTests.withServer { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            _ = await publisher.publish(url)
            var first = try await Client(address, loop)
            let answer = await first.ask("SETUP \(url)/trackID=0", "Transport: RTP/AVP;unicast;client_port=40000-40001")
            let session = try #require(Self.field("Session", of: answer)?.split(separator: ";").first)
            #expect(await first.ask("PLAY \(url)").hasPrefix(RTSPServerTests.success))
            await first.raw.abort()
            var second = try await Client(address, loop)
            // The request, and one right behind it.
            await second.raw.send(
                "GET_PARAMETER \(url) RTSP/1.0\r\nCSeq: 50\r\nSession: \(session)\r\n\r\n"
                    + "PAUSE \(url) RTSP/1.0\r\nCSeq: 51\r\nSession: \(session)\r\n\r\n")
            #expect(Self.field("CSeq", of: await second.raw.response()) == "50")
            #expect(Self.field("CSeq", of: await second.raw.response()) == "51")
            #expect(await second.ask("PLAY \(url)", "Session: \(session)").hasPrefix(RTSPServerTests.success))
            #expect(try await Self.readers(server) != nil)
            // A third connection takes over from one that is still open.
            var third = try await Client(address, loop)
            #expect(await third.ask("OPTIONS *", "Session: \(session)").hasPrefix(RTSPServerTests.success))
            _ = await second.raw.everything()
            #expect(await third.ask("TEARDOWN \(url)", "Session: \(session)").hasPrefix(RTSPServerTests.success))
            #expect(try await Self.readers(server) == nil)
            #expect(await third.ask("PLAY \(url)", "Session: \(session)").hasPrefix("RTSP/1.0 454"))
        }
    }

    /// RTSP-29, RTSP-10: a session inside a connection belongs to it alone.
    @Test func aSessionInsideAConnectionIsNobodyElses() async throws {
        try await RTSPServerTests.withServer { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            _ = await publisher.publish(url)
            var reader = try await Client(address, loop)
            let answer = await reader.ask("SETUP \(url)/trackID=0", "Transport: RTP/AVP/TCP;interleaved=0-1")
            let session = try #require(Self.field("Session", of: answer))
            _ = await reader.ask("PLAY \(url)")
            var thief = try await Client(address, loop)
            for request in ["PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SETUP"] {
                #expect(await thief.ask("\(request) \(url)", "Session: \(session)").hasPrefix("RTSP/1.0 454"))
            }
            // Two sessions in one connection.
            #expect(
                await reader.ask("SETUP \(url)2/trackID=0", "Transport: RTP/AVP/TCP", "Session: other")
                    .hasPrefix("RTSP/1.0 454"))
            await publisher.raw.send(RTSPServerTests.frame(RTSPServerTests.packet(1, isKeyframe: true)))
            #expect(await reader.packet().count == 54)
        }
    }

    /// RTSP-32: a client that lost its connection and begins anew has its ports back; another has not.
    @Test func portsOfASessionWithoutConnectionAreFree() async throws {
        try await RTSPServerTests.withServer { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            let transport = "Transport: RTP/AVP;unicast;client_port=40010-40011"
            var publisher = try await Client(address, loop)
            _ = await publisher.publish(url)
            var first = try await Client(address, loop)
            _ = await first.ask("SETUP \(url)/trackID=0", transport)
            #expect(await first.ask("PLAY \(url)").hasPrefix(RTSPServerTests.success))
            var second = try await Client(address, loop)
            #expect(await second.ask("SETUP \(url)/trackID=0", transport).hasPrefix("RTSP/1.0 400"))
            await first.raw.abort()
            let service = try #require(await server.running?.rtsp?.service)
            var isDisconnected = false
            while !isDisconnected {
                for connection in service.all where await connection.isDisconnected { isDisconnected = true }
            }
            #expect(await second.ask("SETUP \(url)/trackID=0", transport).hasPrefix(RTSPServerTests.success))
            #expect(await second.ask("PLAY \(url)").hasPrefix(RTSPServerTests.success))
        }
    }

    /// A session stays with its path, playing or not, and gives all of it back.
    @Test(arguments: [true, false])
    func aSessionIsAboutOnePath(_ plays: Bool) async throws {
        try await RTSPServerTests.withServer { server, address, loop in
            let urls = ["cam1", "cam2"].map { "rtsp://\(address)/\($0)" }
            for url in urls {
                var publisher = try await Client(address, loop)
                #expect(await publisher.publish(url).last == RTSPServerTests.success)
            }
            let directory = try #require(await server.running?.directory)
            let rooms = [
                try #require(await directory.room(named: "cam1")).room,
                try #require(await directory.room(named: "cam2")).room,
            ]
            var reader = try await Client(address, loop)
            let transport = "Transport: RTP/AVP/TCP"
            _ = await reader.ask("SETUP \(urls[0])/trackID=0", transport)
            if plays {
                #expect(await reader.ask("PLAY \(urls[0])").hasPrefix(RTSPServerTests.success))
                #expect(await reader.ask("PAUSE \(urls[0])").hasPrefix(RTSPServerTests.success))
            }
            #expect(await reader.ask("SETUP \(urls[1])/trackID=0", transport).hasPrefix("RTSP/1.0 455"))
            #expect(await reader.ask("PLAY \(urls[0])").hasPrefix(RTSPServerTests.success))
            #expect(await rooms[0].snapshot.viewers.count == 1)
            #expect(await rooms[1].snapshot.viewers.isEmpty)
            #expect(await reader.ask("TEARDOWN \(urls[0])").hasPrefix(RTSPServerTests.success))
            for room in rooms {
                #expect(await room.snapshot.viewers.isEmpty)
                #expect(await room.bridge(RTSPReaders.self) == nil)
            }
        }
    }

    /// What the client sends of a track that it added to its session is known to be its own.
    @Test func datagramsOfATrackThatCameAfterAPauseBelongToTheSession() async throws {
        try await RTSPServerTests.withServer { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            await RTSPPauseTests.publish(url, &publisher)
            let receiver = try #require(await server.running?.rtsp?.service.datagrams?.receiver)
            var reader = try await Client(address, loop)
            for track in 0..<2 {
                let ports = "\(40_020 + 2 * track)-\(40_021 + 2 * track)"
                #expect(
                    await reader.ask("SETUP \(url)/trackID=\(track)", "Transport: RTP/AVP;unicast;client_port=\(ports)")
                        .hasPrefix(RTSPServerTests.success))
                #expect(await reader.ask("PLAY \(url)").hasPrefix(RTSPServerTests.success))
                #expect(await receiver.registeredCount == 2 * (track + 1))
                if track == 0 { #expect(await reader.ask("PAUSE \(url)").hasPrefix(RTSPServerTests.success)) }
            }
            _ = await reader.ask("TEARDOWN \(url)")
            #expect(await eventually { await receiver.registeredCount == 0 })
        }
    }

    /// RTSP-15: a reader is told the number and the time of the packet that it gets first.
    @Test func playTellsTheFirstPacketOfAReaderThatStartsWithAKeyframe() async throws {
        try await RTSPServerTests.withServer { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            _ = await publisher.publish(url)
            var first = try await Client(address, loop)
            _ = await first.ask("SETUP \(url)/trackID=0", "Transport: RTP/AVP/TCP;interleaved=0-1")
            #expect(Self.field("RTP-Info", of: await first.ask("PLAY \(url)")) == nil)
            for number in 0..<5 as Range<UInt16> {
                await publisher.raw.send(RTSPServerTests.frame(RTSPServerTests.packet(number, isKeyframe: number == 0)))
                _ = await first.packet()
            }
            var second = try await Client(address, loop)
            _ = await second.ask("SETUP \(url)/trackID=0", "Transport: RTP/AVP/TCP;interleaved=0-1")
            let info = Self.field("RTP-Info", of: await second.ask("PLAY \(url)"))
            let packet = await second.packet()
            let number = packet.withBytes { $0.integer(at: 2, as: UInt16.self) } ?? 0
            let timestamp = packet.withBytes { $0.integer(at: 4, as: UInt32.self) } ?? 0
            #expect(info == "url=\(url)/trackID=0;seq=\(number);rtptime=\(timestamp)")
        }
    }

    /// R11: what a reader reported about its link is what it is told of it.
    @Test func readersAreToldWhatTheyReported() async throws {
        try await RTSPServerTests.withServer { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            _ = await publisher.publish(url)
            var reader = try await Client(address, loop)
            _ = await reader.play(url)
            await publisher.raw.send(RTSPServerTests.frame(RTSPServerTests.packet(1, isKeyframe: true)))
            let packet = await reader.packet()
            let report: [UInt8] =
                [0x81, 201, 0, 7, 0, 0, 0, 9] + packet[8..<12] + [64, 0, 0, 3] + [0, 0, 0, 1] + [0, 0, 0, 77]
                + [UInt8](repeating: 0, count: 8)
            await reader.raw.send(RTSPServerTests.frame(report, channel: 1))
            var answer = ""
            while !answer.contains("packets_lost: 3") {
                await reader.raw.send(
                    "GET_PARAMETER \(url) RTSP/1.0\r\nCSeq: 9\r\nContent-Length: 24\r\n\r\njitter\r\npackets_lost\r\n\r\n"
                )
                answer = await reader.raw.text(through: "packets_lost: ") ?? "packets_lost: 3"
                answer += String(decoding: await reader.raw.bytes(3), as: UTF8.self)
            }
            #expect(answer.contains("jitter: 77\r\n"))
            var second = try await Client(address, loop)
            _ = await second.ask("SETUP \(url)/trackID=0", "Transport: RTP/AVP/TCP")
            #expect(
                await second.ask("GET_PARAMETER \(url)", body: "round_trip_time\r\nspeed\r\n").hasPrefix("RTSP/1.0 451")
            )
            #expect(await second.ask("SET_PARAMETER \(url)", body: "speed: 2\r\n").hasSuffix("\r\n\r\nspeed\r\n"))
        }
    }

    /// R11: what was sent is known without any report.
    @Test func readersAreToldWhatTheyWereSent() async throws {
        try await RTSPServerTests.withServer { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            let names = "packets_received\r\npackets_sent\r\npackets_lost\r\njitter\r\n"
            var publisher = try await Client(address, loop)
            _ = await publisher.publish(url)
            var reader = try await Client(address, loop)
            _ = await reader.ask("SETUP \(url)/trackID=0", "Transport: RTP/AVP/TCP;interleaved=0-1")
            #expect(await reader.ask("GET_PARAMETER \(url)", body: names).contains("packets_received: 0\r\n"))
            _ = await reader.ask("PLAY \(url)")
            for number in 1...3 as ClosedRange<UInt16> {
                await publisher.raw.send(RTSPServerTests.frame(RTSPServerTests.packet(number, isKeyframe: true)))
                _ = await reader.packet()
            }
            await reader.raw.send(
                "GET_PARAMETER \(url) RTSP/1.0\r\nCSeq: 9\r\nContent-Length: \(names.utf8.count)\r\n\r\n\(names)")
            let answer = await reader.raw.text(through: "jitter: 0\r\n") ?? ""
            #expect(answer.contains(" 200 OK\r\n"))
            #expect(answer.hasSuffix("packets_received: 3\r\npackets_sent: 3\r\npackets_lost: 0\r\njitter: 0\r\n"))
        }
    }

    /// RTSP-33, R13
    @Test func readersAreSentWhereThePathLeads() async throws {
        try await RTSPServerTests.withServer { settings in
            settings.paths.insert(
                PathEntry(name: "gone", match: .name("gone"), settings: Self.redirection), at: 0)
        } _: { server, address, loop in
            var reader = try await Client(address, loop)
            for request in ["DESCRIBE rtsp://\(address)/gone", "SETUP rtsp://\(address)/gone/trackID=0"] {
                let answer = await reader.ask(request, "Transport: RTP/AVP/TCP")
                #expect(answer.hasPrefix("RTSP/1.0 302"))
                #expect(Self.field("Location", of: answer) == "rtsp://192.0.2.9:8554/elsewhere")
            }
            var publisher = try await Client(address, loop)
            #expect(await publisher.publish("rtsp://\(address)/gone").first == "RTSP/1.0 404")
            // A path that begins to lead elsewhere while it is read.
            let url = "rtsp://\(address)/cam1"
            _ = await publisher.publish(url)
            _ = await reader.play(url)
            var settings = try MartletServerTests.settings()
            settings.paths.insert(PathEntry(name: "cam1", match: .name("cam1"), settings: Self.redirection), at: 0)
            await server.reload(settings)
            let told = await reader.raw.everything()
            #expect(told.hasPrefix("REDIRECT \(url) RTSP/1.0\r\n"))
            #expect(Self.field("Location", of: told) == "rtsp://192.0.2.9:8554/elsewhere")
        }
    }

    /// A path that leads elsewhere asks for a token of its own or for none, whatever others do.
    @Test func aPathThatLeadsElsewhereAsksForItsOwnToken() async throws {
        try await RTSPServerTests.withServer { settings in
            settings.rtspFailedLoginDelay = .zero
            var guarded = Self.redirection
            guarded.readToken = AccessToken(.plain(Array("secret".utf8)))
            settings.everyPath { $0.readToken = AccessToken(.plain(Array("other".utf8))) }
            settings.paths.insert(PathEntry(name: "gone", match: .name("gone"), settings: Self.redirection), at: 0)
            settings.paths.insert(PathEntry(name: "guarded", match: .name("guarded"), settings: guarded), at: 0)
        } _: { _, address, loop in
            var reader = try await Client(address, loop)
            func basic(_ token: String) -> String {
                "Authorization: "
                    + RTSPChallenge.basic(realm: "").authorization(
                        user: "x", password: token, method: "", uri: "", clientNonce: "", hash: Self.hash)
            }
            #expect(await reader.ask("DESCRIBE rtsp://\(address)/gone").hasPrefix("RTSP/1.0 302"))
            #expect(await reader.ask("DESCRIBE rtsp://\(address)/guarded").hasPrefix("RTSP/1.0 401"))
            #expect(await reader.ask("DESCRIBE rtsp://\(address)/guarded", basic("other")).hasPrefix("RTSP/1.0 403"))
            #expect(await reader.ask("DESCRIBE rtsp://\(address)/guarded", basic("secret")).hasPrefix("RTSP/1.0 302"))
            #expect(await reader.ask("DESCRIBE rtsp://\(address)/cam1").hasPrefix("RTSP/1.0 401"))
        }
    }

    private static let hash = RTSPHash(md5: { Digest.md5($0) }, sha256: { Digest.sha256($0) })

    /// RTSP-10: whoever cannot have a session is told so, and asks on.
    @Test func aSessionThatCannotBeTakenUpNowIsRefused() async throws {
        try await RTSPServerTests.withServer { settings in
            settings.rtspFailedLoginDelay = .seconds(5)
            var locked = PathSettings()
            locked.readToken = AccessToken(.plain(Array("secret".utf8)))
            settings.paths.insert(PathEntry(name: "locked", match: .name("locked"), settings: locked), at: 0)
        } _: { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            let service = try #require(await server.running?.rtsp?.service)
            var publisher = try await Client(address, loop)
            _ = await publisher.publish(url)
            var first = try await Client(address, loop)
            let answer = await first.ask("SETUP \(url)/trackID=0", "Transport: RTP/AVP;unicast;client_port=40060-40061")
            let session = try #require(Self.field("Session", of: answer)?.split(separator: ";").first)
            #expect(await first.ask("PLAY \(url)").hasPrefix(RTSPServerTests.success))
            // While it waits for an answer of its own.
            await first.raw.send(
                "DESCRIBE rtsp://\(address)/locked RTSP/1.0\r\nCSeq: 9\r\nAuthorization: Basic eDp5\r\n\r\n")
            #expect(await eventually { service.failedLogins.count == 1 })
            var second = try await Client(address, loop)
            #expect(await second.ask("PAUSE \(url)", "Session: \(session)").hasPrefix("RTSP/1.0 454"))
            #expect(await second.ask("OPTIONS *").hasPrefix(RTSPServerTests.success))
            #expect(await second.ask("DESCRIBE \(url)").hasPrefix(RTSPServerTests.success))
            #expect(service.failedLogins.count == 1, "the session's own request was answered before the other")
        }
    }

    /// What was found for a track that could not be set up is not what the room has later.
    @Test func aTrackThatCouldNotBeSetUpIsLookedUpAgain() async throws {
        try await RTSPServerTests.withServer { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            var reader = try await Client(address, loop)
            var publisher = try await Client(address, loop)
            _ = await publisher.publish(url)
            #expect(await reader.ask("SETUP \(url)/trackID=0", "Transport: RTP/SAVP/TCP").hasPrefix("RTSP/1.0 461"))
            #expect(await reader.ask("SETUP \(url)/trackID=1", "Transport: RTP/AVP/TCP").hasPrefix("RTSP/1.0 404"))
            #expect(await publisher.ask("TEARDOWN \(url)").hasPrefix(RTSPServerTests.success))
            await RTSPPauseTests.publish(url, &publisher)
            #expect(
                await reader.ask("SETUP \(url)/trackID=1", "Transport: RTP/AVP/TCP").hasPrefix(RTSPServerTests.success))
        }
    }

    private static var redirection: PathSettings {
        var settings = PathSettings()
        settings.source = .redirect
        settings.sourceRedirect = RTSPURL("rtsp://192.0.2.9:8554/elsewhere")
        return settings
    }
}
