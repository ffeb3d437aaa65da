import Foundation
import Loop
import RTSP
import Secure
import Streams
import Synchronization
import Testing
import Wire

@testable import Server

/// Whole conversations with a running server, over the loopback.
@Suite struct RTSPServerTests {
    static let description = """
        v=0\r
        o=- 0 0 IN IP4 127.0.0.1\r
        s=test\r
        t=0 0\r
        m=video 0 RTP/AVP 96\r
        a=rtpmap:96 H264/90000\r
        a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHtkAoD2wEQAAAwABAAADADIPFi5I,aMuDyyA=\r
        a=control:streamid=0\r\n
        """

    /// One RTP packet with a whole picture: an IDR slice or another.
    static func packet(_ number: UInt16, isKeyframe: Bool, size: Int = 40) -> [UInt8] {
        var bytes: [UInt8] = [0x80, 0x80 | 96]
        bytes.append(bigEndian: number)
        bytes.append(bigEndian: UInt32(number) * 3_600)
        bytes.append(bigEndian: UInt32(0xABCD))
        // The slice begins with macroblock 0.
        bytes += [isKeyframe ? 0x65 : 0x41, 0x88]
        bytes += (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        return bytes
    }

    static func frame(_ packet: [UInt8], channel: UInt8 = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        packet.withBytes { InterleavedFrame.append($0, channel: channel, to: &bytes) }
        return bytes
    }

    /// A client that numbers its requests.
    struct Client {
        var raw: RawClient
        var number = 0

        init(_ address: SocketAddress, _ loop: EventLoop) async throws {
            raw = try await RawClient.connected(to: address, on: loop)
        }

        mutating func ask(_ line: String, _ fields: String..., body: String = "") async -> String {
            number += 1
            var text = "\(line) RTSP/1.0\r\nCSeq: \(number)\r\n" + fields.map { $0 + "\r\n" }.joined()
            if !body.isEmpty { text += "Content-Length: \(body.utf8.count)\r\n" }
            await raw.send(text + "\r\n" + body)
            return await raw.response()
        }

        mutating func publish(_ url: String, _ fields: String...) async -> [String] {
            let field = fields.first ?? "User-Agent: test"
            var answers = [
                await ask(
                    "ANNOUNCE \(url)", "Content-Type: application/sdp", field, body: RTSPServerTests.description)
            ]
            answers.append(await ask("SETUP \(url)/streamid=0", "Transport: RTP/AVP/TCP;interleaved=0-1;mode=record"))
            answers.append(await ask("RECORD \(url)"))
            return answers.map { String($0.prefix(12)) }
        }

        mutating func play(_ url: String, channels: String = "0-1") async -> [String] {
            var answers = [await ask("DESCRIBE \(url)", "Accept: application/sdp")]
            answers.append(await ask("SETUP \(url)/trackID=0", "Transport: RTP/AVP/TCP;interleaved=\(channels)"))
            answers.append(await ask("PLAY \(url)"))
            return answers.map { String($0.prefix(12)) }
        }

        /// The next RTP packet on `channel`, reports left out.
        func packet(channel: UInt8 = 0) async -> [UInt8] {
            while true {
                let head = await raw.bytes(4)
                guard head.count == 4, head[0] == 0x24 else { return head }
                let packet = await raw.bytes(Int(head[2]) << 8 | Int(head[3]))
                if head[1] == channel { return packet }
            }
        }
    }

    static let success = "RTSP/1.0 200"

    /// Runs `body` with a server and a loop for clients.
    static func withServer(
        _ change: (inout ServerSettings) -> Void = { _ in },
        _ body: (MartletServer, SocketAddress, EventLoop) async throws -> Void
    ) async throws {
        var settings = try MartletServerTests.settings()
        change(&settings)
        let (server, _, _) = MartletServerTests.server(settings)
        try await server.start()
        let loop = try EventLoop(name: "client")
        try loop.start()
        do {
            try await body(server, try #require(await server.rtspAddresses.first), loop)
        } catch {
            await server.stop()
            loop.stop()
            throw error
        }
        await server.stop()
        loop.stop()
    }

    /// Publishes keyframes as long as `body` runs, and no longer than tests wait for anything.
    static func feeding(_ publisher: Client, _ body: () async throws -> Void) async throws {
        let feed = Task {
            var number: UInt16 = 0
            _ = await eventually {
                await publisher.raw.send(frame(packet(number, isKeyframe: true)))
                number &+= 1
                return false
            }
        }
        defer { feed.cancel() }
        try await body()
    }

    @Test func whatIsRecordedIsPlayedToEveryReaderWithItsPayloadUntouched() async throws {
        try await Self.withServer { _, address, loop in
            var publisher = try await Client(address, loop)
            let url = "rtsp://\(address)/cam1"
            #expect(await publisher.publish(url) == Array(repeating: Self.success, count: 3))
            var readers = [try await Client(address, loop), try await Client(address, loop)]
            for index in readers.indices {
                let channels = ["0-1", "6-7"][index]
                #expect(await readers[index].play(url, channels: channels) == Array(repeating: Self.success, count: 3))
            }
            // Before the first keyframe nothing is sent.
            for number in 0..<6 as Range<UInt16> {
                await publisher.raw.send(Self.frame(Self.packet(number, isKeyframe: number == 2, size: 1_200)))
            }
            for (reader, channel) in zip(readers, [0, 6] as [UInt8]) {
                var previous: UInt16?
                for number in 2..<6 as Range<UInt16> {
                    let packet = await reader.packet(channel: channel)
                    #expect(packet.dropFirst(12) == Self.packet(number, isKeyframe: number == 2, size: 1_200)[12...])
                    #expect(packet[1] == 0x80 | 96)
                    let sequence = UInt16(packet[2]) << 8 | UInt16(packet[3])
                    if let previous { #expect(sequence == previous &+ 1) }
                    previous = sequence
                }
            }
        }
    }

    /// A camera cannot be asked for a keyframe; who comes later gets what came since the last one.
    @Test func aReaderThatComesBetweenKeyframesStartsWithTheLastOne() async throws {
        try await Self.withServer { _, address, loop in
            var publisher = try await Client(address, loop)
            let url = "rtsp://\(address)/cam1"
            _ = await publisher.publish(url)
            var first = try await Client(address, loop)
            _ = await first.play(url)
            for number in 0..<33 as Range<UInt16> {
                await publisher.raw.send(Self.frame(Self.packet(number, isKeyframe: number == 0)))
                _ = await first.packet()
            }
            var second = try await Client(address, loop)
            _ = await second.play(url)
            var timestamps: [UInt32] = []
            for number in 0..<33 as Range<UInt16> {
                let packet = await second.packet()
                #expect(packet.dropFirst(12) == Self.packet(number, isKeyframe: number == 0)[12...])
                timestamps.append(packet.withBytes { $0.integer(at: 4) ?? 0 })
            }
            // Sixteen times as fast, in order, and up to the live edge.
            #expect(timestamps == timestamps.sorted())
            #expect(timestamps[32] &- timestamps[0] == 32 * 3_600 / 16)
            await publisher.raw.send(Self.frame(Self.packet(33, isKeyframe: false)))
            let live = await second.packet()
            #expect(live == (await first.packet()))
            #expect(live.withBytes { $0.integer(at: 4) } == timestamps[32] &+ 3_600)
        }
    }

    /// The same for one before whom nobody read: it does not wait for the camera's next keyframe either.
    @Test func theFirstReaderStartsWithTheLastKeyframeToo() async throws {
        try await Self.withServer { server, address, loop in
            var publisher = try await Client(address, loop)
            let url = "rtsp://\(address)/cam1"
            _ = await publisher.publish(url)
            for number in 0..<33 as Range<UInt16> {
                await publisher.raw.send(Self.frame(Self.packet(number, isKeyframe: number == 0)))
            }
            let directory = try #require(await server.running?.directory)
            let room = try #require(await directory.room(named: "cam1")).room
            #expect(await eventually { await room.snapshot.packetsReceived == 33 })
            var reader = try await Client(address, loop)
            _ = await reader.play(url)
            var previous: (number: UInt16, timestamp: UInt32)?
            for number in 0..<33 as Range<UInt16> {
                let packet = await reader.packet()
                #expect(packet.dropFirst(12) == Self.packet(number, isKeyframe: number == 0)[12...])
                let own: (number: UInt16, timestamp: UInt32) = packet.withBytes {
                    ($0.integer(at: 2) ?? 0, $0.integer(at: 4) ?? 0)
                }
                if let previous {
                    #expect(own.number == previous.number &+ 1)
                    #expect(Int32(bitPattern: own.timestamp &- previous.timestamp) >= 0)
                }
                previous = own
            }
        }
    }

    /// RTSP-18
    @Test func descriptionsKeepTheParameterSetsAndRoomsThatAreNotThereAreNotFound() async throws {
        try await Self.withServer { _, address, loop in
            var publisher = try await Client(address, loop)
            let url = "rtsp://\(address)/a/b"
            _ = await publisher.publish(url)
            var reader = try await Client(address, loop)
            let answer = await reader.ask("DESCRIBE \(url)/")
            #expect(answer.contains("sprop-parameter-sets=Z0LAHtkAoD2wEQAAAwABAAADADIPFi5I,aMuDyyA="))
            #expect(answer.contains("a=rtpmap:96 H264/90000\r\n"))
            #expect(answer.contains("a=control:*\r\na=range:npt=now-\r\n"))
            #expect(answer.contains("a=control:trackID=0\r\n"))
            #expect(answer.contains("Content-Base: \(url)/\r\n"))
            #expect(await reader.ask("DESCRIBE rtsp://\(address)/c").hasPrefix("RTSP/1.0 404"))
            #expect(await reader.ask("DESCRIBE rtsp://\(address)/").hasPrefix("RTSP/1.0 404"))
            #expect(await reader.ask("SETUP \(url)/trackID=1", "Transport: RTP/AVP/TCP").hasPrefix("RTSP/1.0 404"))
        }
    }

    /// RTSP-23
    @Test func aRoomHasOnePublisherAtATime() async throws {
        try await Self.withServer { settings in
            settings.everyPath { $0.overridePublisher = false }
        } _: { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            var first = try await Client(address, loop)
            var second = try await Client(address, loop)
            #expect(await first.publish(url).last == Self.success)
            #expect(await second.publish(url).last == "RTSP/1.0 403")
            #expect(await first.ask("TEARDOWN \(url)").hasPrefix(Self.success))
            #expect(await second.ask("RECORD \(url)").hasPrefix(Self.success))
        }
    }

    /// RTSP-23: of two that come at the same instant.
    @Test func ofTwoPublishersAtOnceOneIsTaken() async throws {
        try await Self.withServer { settings in
            settings.everyPath { $0.overridePublisher = false }
        } _: { server, address, loop in
            let directory = try #require(await server.running?.directory)
            for round in 0..<20 {
                let url = "rtsp://\(address)/cam\(round)"
                var clients = [try await Client(address, loop), try await Client(address, loop)]
                for index in clients.indices {
                    _ = await clients[index].ask(
                        "ANNOUNCE \(url)", "Content-Type: application/sdp", body: Self.description)
                    _ = await clients[index].ask(
                        "SETUP \(url)/streamid=0", "Transport: RTP/AVP/TCP;interleaved=0-1;mode=record")
                }
                let statuses = await withTaskGroup { group in
                    for client in clients {
                        group.addTask {
                            var client = client
                            return String(await client.ask("RECORD \(url)").prefix(12))
                        }
                    }
                    return await group.reduce(into: [String]()) { $0.append($1) }
                }
                #expect(statuses.sorted() == [Self.success, "RTSP/1.0 403"])
                for client in clients { await client.raw.abort() }
                #expect(await eventually { await directory.room(named: "cam\(round)") == nil })
            }
        }
    }

    @Test func aNewPublisherTakesOverAndReadersStay() async throws {
        try await Self.withServer { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            var first = try await Client(address, loop)
            var second = try await Client(address, loop)
            var reader = try await Client(address, loop)
            _ = await first.publish(url)
            _ = await reader.play(url)
            await first.raw.send(Self.frame(Self.packet(1, isKeyframe: true)))
            let before = await reader.packet()
            #expect(await second.publish(url).last == Self.success)
            // Reports may have come; what counts is that the connection ends.
            _ = await first.raw.everything()
            await second.raw.send(Self.frame(Self.packet(900, isKeyframe: true)))
            let after = await reader.packet()
            #expect(after[2...3].elementsEqual([before[2], before[3] &+ 1]) || before[3] == 255)
        }
    }

    /// RTSP-20: Digest and Basic with the room's token; the first 401 is no failure.
    @Test func tokensAreAskedForAndTaken() async throws {
        try await Self.withServer { settings in
            settings.everyPath { $0.publishToken = AccessToken(.plain(Array("secret".utf8))) }
        } _: { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            var client = try await Client(address, loop)
            let refusal = await client.ask("ANNOUNCE \(url)", "Content-Type: application/sdp", body: Self.description)
            #expect(refusal.hasPrefix("RTSP/1.0 401"))
            let fields = refusal.split(separator: "\r\n").compactMap { line in
                line.hasPrefix("WWW-Authenticate: ") ? String(line.dropFirst(18)) : nil
            }
            #expect(fields.contains(#"Basic realm="Martlet""#))
            let challenge = try #require(RTSPChallenge.strongest(of: fields))
            let hash = RTSPHash(md5: { Digest.md5($0) }, sha256: { Digest.sha256($0) })
            func authorization(_ challenge: RTSPChallenge, _ password: String) -> String {
                "Authorization: "
                    + challenge.authorization(
                        user: "any", password: password, method: "ANNOUNCE", uri: url, clientNonce: "", hash: hash)
            }
            #expect(await client.publish(url, authorization(challenge, "wrong")).first == "RTSP/1.0 401")
            #expect(await client.publish(url, authorization(challenge, "secret")).last == Self.success)
            // Reading needs none here; another connection's nonce is worth nothing; Basic works too.
            var other = try await Client(address, loop)
            #expect(await other.publish(url, authorization(challenge, "secret")).first == "RTSP/1.0 401")
            #expect(await other.publish(url, authorization(.basic(realm: ""), "secret")).last == Self.success)
        }
    }

    /// RTSP-21: who guesses is answered no more for a while; others, and those who need no token, notice nothing.
    @Test func guessesAreLimitedAndOthersGoOn() async throws {
        try await Self.withServer { settings in
            settings.httpFailedAuthorizationBurst = 3
            settings.rtspFailedLoginDelay = .zero
            settings.everyPath { $0.publishToken = AccessToken(.plain(Array("secret".utf8))) }
        } _: { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            let wrong = "Authorization: Basic \(Data("x:wrong".utf8).base64EncodedString())"
            var guesser = try await Client(address, loop)
            var statuses: [String] = []
            // Guesses are allowed again with time, so on a busy machine more than the burst of them pass.
            repeat {
                statuses.append(await guesser.publish(url, wrong).first ?? "")
            } while statuses.last == "RTSP/1.0 401" && statuses.count < 200
            #expect(statuses.count > 3)
            #expect(statuses.last == "RTSP/1.0 503")
            var reader = try await Client(address, loop)
            #expect(await reader.ask("DESCRIBE \(url)").hasPrefix("RTSP/1.0 404"))
            #expect(await guesser.ask("OPTIONS *").hasPrefix(Self.success))
        }
    }

    /// RTSP-27: a reader gets a report at once, so that it can play sound and picture together.
    @Test func theFirstReportComesWithTheFirstPacket() async throws {
        try await Self.withServer { _, address, loop in
            var publisher = try await Client(address, loop)
            let url = "rtsp://\(address)/cam1"
            _ = await publisher.publish(url)
            var reader = try await Client(address, loop)
            _ = await reader.play(url)
            await publisher.raw.send(Self.frame(Self.packet(1, isKeyframe: true)))
            let packet = await reader.packet()
            let report = await reader.packet(channel: 1)
            #expect(report[1] == 200)
            #expect(report[4..<8] == packet[8..<12])
        }
    }

    /// Sessions of which only half is there: announced and never recorded, set up and never played, set up twice.
    @Test func halfOpenSessionsHoldNothingOfARoom() async throws {
        try await Self.withServer { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var half = try await Client(address, loop)
            _ = await half.ask("ANNOUNCE \(url)", "Content-Type: application/sdp", body: Self.description)
            _ = await half.ask("SETUP \(url)/streamid=0", "Transport: RTP/AVP/TCP;mode=record")
            let directory = try #require(await server.running?.directory)
            #expect(await directory.count == 0)
            var publisher = try await Client(address, loop)
            #expect(await publisher.publish(url).last == Self.success)
            var reader = try await Client(address, loop)
            var statuses: [String] = []
            for _ in 0..<3 {
                let answer = await reader.ask("SETUP \(url)/trackID=0", "Transport: RTP/AVP/TCP;interleaved=0-1")
                statuses.append(String(answer.prefix(12)))
            }
            #expect(statuses == [Self.success, "RTSP/1.0 455", "RTSP/1.0 455"])
            let room = try #require(await directory.room(named: "cam1")).room
            #expect(await room.snapshot.viewers.isEmpty)
            await half.raw.abort()
            await publisher.raw.send(Self.frame(Self.packet(1, isKeyframe: true)))
            #expect(await reader.ask("PLAY \(url)").hasPrefix(Self.success))
            #expect(await room.snapshot.viewers.count == 1)
        }
    }

    @Test func whatAClientTookIsGivenBackWhenItGoes() async throws {
        try await Self.withServer { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            var reader = try await Client(address, loop)
            _ = await publisher.publish(url)
            _ = await reader.play(url)
            let directory = try #require(await server.running?.directory)
            let room = try #require(await directory.room(named: "cam1")).room
            #expect(await room.snapshot.viewers.count == 1)
            #expect(await room.snapshot.origin == "rtsp")
            await reader.raw.abort()
            await publisher.raw.abort()
            let service = try #require(await server.running?.rtsp?.service)
            #expect(await eventually { await directory.count == 0 && service.connectionCount == 0 })
            #expect(await room.bridge(RTSPReaders.self) == nil)
        }
    }

    @Test func whatGoesNowhereIsCounted() async throws {
        try await Self.withServer { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            _ = await publisher.publish(url)
            var unknown = Self.packet(3, isKeyframe: true)
            unknown[1] = 0x80 | 97
            let packets = [
                Self.packet(1, isKeyframe: true), Self.packet(2, isKeyframe: true), Self.packet(2, isKeyframe: true),
                unknown, unknown, [0x40, 1, 2], [0x80, 96], [0x80],
            ]
            for packet in packets { await publisher.raw.send(Self.frame(packet)) }
            #expect(await publisher.ask("TEARDOWN \(url)").hasPrefix(Self.success))
            let counters = try #require(await server.running?.rtsp?.service.counters)
            #expect(counters.duplicateMedia.load(ordering: .relaxed) == 1)
            #expect(counters.unknownMedia.load(ordering: .relaxed) == 2)
            #expect(counters.malformedMedia.load(ordering: .relaxed) == 3)
        }
    }

    /// RTSP-28: one that does not read loses packets, the others lose nothing.
    @Test func aReaderThatStopsReadingDelaysNobody() async throws {
        try await Self.withServer { settings in
            settings.writeQueueSize = 64
        } _: { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            _ = await publisher.publish(url)
            var stalled = try await Client(address, loop)
            var reader = try await Client(address, loop)
            _ = await stalled.play(url)
            _ = await reader.play(url)
            await stalled.raw.pauseReading()
            // More than the kernel holds for a connection on the loopback.
            let count: UInt16 = 12_000
            var sent: UInt16 = 0
            while sent < count {
                for _ in 0..<100 {
                    let packet = Self.packet(sent, isKeyframe: sent % 100 == 0, size: 1_300)
                    await publisher.raw.send(Self.frame(packet))
                    sent += 1
                }
                for _ in 0..<100 { #expect(await reader.packet().count == 1_314) }
            }
            let directory = try #require(await server.running?.directory)
            let room = try #require(await directory.room(named: "cam1")).room
            let readers = try #require(await room.bridge(RTSPReaders.self))
            let statistics = await readers.statistics
            #expect(statistics.discarded > 0)
            #expect(statistics.packets + statistics.discarded == 2 * UInt64(count))
        }
    }
}
