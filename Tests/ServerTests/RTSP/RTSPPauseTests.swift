import Loop
import RTSP
import Streams
import Testing
import Wire

@testable import Server

/// What comes and goes around a PAUSE, looked at on the wire.
@Suite struct RTSPPauseTests {
    typealias Client = RTSPServerTests.Client

    private static let twoTracks =
        RTSPServerTests.description + "m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=control:streamid=1\r\n"

    /// Publishes a video and a sound, on the channels 0 and 2.
    static func publish(_ url: String, _ client: inout Client) async {
        _ = await client.ask("ANNOUNCE \(url)", "Content-Type: application/sdp", body: twoTracks)
        for track in 0..<2 {
            _ = await client.ask(
                "SETUP \(url)/streamid=\(track)",
                "Transport: RTP/AVP/TCP;interleaved=\(2 * track)-\(2 * track + 1);mode=record")
        }
        #expect(await client.ask("RECORD \(url)").hasPrefix(RTSPServerTests.success))
    }

    /// Sends a keyframe and, behind it, 20 ms of sound.
    private func send(_ number: UInt16, by publisher: Client) async {
        var sound: [UInt8] = [0x80, 8]
        sound.append(bigEndian: number)
        sound.append(bigEndian: UInt32(number) * 160)
        sound.append(bigEndian: UInt32(0xBEEF))
        sound += [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 160)
        await publisher.raw.send(
            RTSPServerTests.frame(RTSPServerTests.packet(number, isKeyframe: true))
                + RTSPServerTests.frame(sound, channel: 2))
    }

    private enum Element {
        case frame(channel: UInt8, [UInt8])
        case answer(String)
    }

    /// What comes next on a connection; nil at its end.
    private func next(of client: Client) async -> Element? {
        guard let first = await client.raw.bytes(1).first else { return nil }
        guard first == 0x24 else {
            return await client.raw.text(through: "\r\n\r\n").map { .answer(String(UnicodeScalar(first)) + $0) }
        }
        let head = await client.raw.bytes(3)
        guard head.count == 3 else { return nil }
        return .frame(channel: head[0], await client.raw.bytes(Int(head[1]) << 8 | Int(head[2])))
    }

    /// Whether a request succeeds; frames before its answer are passed over.
    private func does(_ request: String, _ client: Client) async -> Bool {
        await client.raw.send("\(request) RTSP/1.0\r\nCSeq: 99\r\n\r\n")
        while let element = await next(of: client) {
            if case .answer(let text) = element { return text.hasPrefix(RTSPServerTests.success) }
        }
        return false
    }

    /// The channels of the RTP packets that come up to the sound of `number`.
    private func channels(of reader: Client, through number: UInt16) async -> [UInt8] {
        var channels: [UInt8] = []
        while case .frame(let channel, let packet) = await next(of: reader) {
            if channel % 2 == 0 { channels.append(channel) }
            if channel == 2, packet.last == UInt8(truncatingIfNeeded: number) { return channels }
        }
        Issue.record("the sound of packet \(number) did not come")
        return channels
    }

    @Test func aTrackThatPausesIsNotSentUntilItPlaysAgain() async throws {
        try await RTSPServerTests.withServer { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            await Self.publish(url, &publisher)
            var reader = try await Client(address, loop)
            for track in 0..<2 {
                _ = await reader.ask(
                    "SETUP \(url)/trackID=\(track)",
                    "Transport: RTP/AVP/TCP;interleaved=\(2 * track)-\(2 * track + 1)")
            }
            #expect(await reader.ask("PLAY \(url)").hasPrefix(RTSPServerTests.success))
            var number: UInt16 = 1
            for phase in 0..<5 {
                if phase > 0 { #expect(await does("\(phase % 2 == 1 ? "PAUSE" : "PLAY") \(url)/trackID=0", reader)) }
                var channels: [UInt8] = []
                for _ in 0..<4 {
                    await send(number, by: publisher)
                    channels += await self.channels(of: reader, through: number)
                    number += 1
                }
                #expect(channels.count { $0 == 2 } == 4)
                // The last picture may be behind its sound still.
                if phase % 2 == 1 { #expect(!channels.contains(0)) } else { #expect(channels.count { $0 == 0 } >= 3) }
            }
        }
    }

    /// RFC 2326, section A.2
    @Test func aPublisherThatPausesIsSilentAndGoesOn() async throws {
        try await RTSPServerTests.withServer { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            await Self.publish(url, &publisher)
            let directory = try #require(await server.running?.directory)
            let room = try #require(await directory.room(named: "cam1")).room
            var reader = try await Client(address, loop)
            _ = await reader.ask("SETUP \(url)/trackID=1", "Transport: RTP/AVP/TCP;interleaved=2-3")
            #expect(await reader.ask("PLAY \(url)").hasPrefix(RTSPServerTests.success))
            for round in 0..<3 as Range<UInt16> {
                let first = 10 * round
                await send(first, by: publisher)
                #expect(await channels(of: reader, through: first) == [2])
                #expect(await does("PAUSE \(url)", publisher))
                await send(first + 1, by: publisher)
                #expect(await does("RECORD \(url)", publisher))
                await send(first + 2, by: publisher)
                #expect(await channels(of: reader, through: first + 2) == [2])
            }
            #expect(await room.snapshot.packetsReceived == 12)
            #expect(await does("TEARDOWN \(url)", publisher))
            #expect(await room.formats.isEmpty)
        }
    }
}
