import Loop
import RTSP
import Testing
import Wire

@testable import Server

/// PAY-8: readers get the parameter sets that a publisher only describes, unless they know them already.
@Suite struct RTSPParameterSetTests {
    typealias Client = RTSPServerTests.Client

    private static let other = RTSPServerTests.description.replacing(
        "Z0LAHtkAoD2wEQAAAwABAAADADIPFi5I,aMuDyyA=", with: "Z0IAHpWoKA9k,aM48gA==")
    /// What stands first in the payload: an aggregation of parameter sets, or the keyframe itself.
    private static let sets: UInt8 = 0x78
    private static let keyframe: UInt8 = 0x65

    private static func publish(_ url: String, _ description: String, _ client: inout Client) async {
        _ = await client.ask("ANNOUNCE \(url)", "Content-Type: application/sdp", body: description)
        _ = await client.ask("SETUP \(url)/streamid=0", "Transport: RTP/AVP/TCP;interleaved=0-1;mode=record")
        #expect(await client.ask("RECORD \(url)").hasPrefix(RTSPServerTests.success))
    }

    /// A publisher comes, sends one keyframe without its parameter sets, and goes.
    private static func appear(
        _ url: String, _ description: String, _ address: SocketAddress, _ loop: EventLoop, keyframe number: UInt16,
        meanwhile: () async throws -> Void = {}
    ) async throws {
        var publisher = try await Client(address, loop)
        await publish(url, description, &publisher)
        try await meanwhile()
        await publisher.raw.send(RTSPServerTests.frame(RTSPServerTests.packet(number, isKeyframe: true)))
        #expect(await publisher.ask("TEARDOWN \(url)").contains(RTSPServerTests.success))
    }

    /// The first bytes of the payloads that come up to the next keyframe.
    private static func heads(_ reader: Client) async -> [UInt8] {
        var heads: [UInt8] = []
        while heads.last != keyframe {
            let packet = await reader.packet()
            guard packet.count > 12 else { break }
            heads.append(packet[12])
        }
        return heads
    }

    @Test func aReaderThatStaysGetsTheSetsOfAnotherDescription() async throws {
        try await RTSPServerTests.withServer { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            var reader = try await Client(address, loop)
            try await Self.appear(url, RTSPServerTests.description, address, loop, keyframe: 1) {
                _ = await reader.play(url)
            }
            #expect(await Self.heads(reader) == [Self.keyframe], "it was told these")
            try await Self.appear(url, RTSPServerTests.description, address, loop, keyframe: 30)
            #expect(await Self.heads(reader) == [Self.keyframe], "it was told these")
            try await Self.appear(url, Self.other, address, loop, keyframe: 60)
            #expect(await Self.heads(reader) == [Self.sets, Self.keyframe])
            // By now its decoder has the others.
            try await Self.appear(url, RTSPServerTests.description, address, loop, keyframe: 90)
            #expect(await Self.heads(reader) == [Self.sets, Self.keyframe])
        }
    }

    /// Sets in the stream take the place of those that were told.
    @Test func setsInTheStreamCountMoreThanThoseOfTheDescription() async throws {
        try await RTSPServerTests.withServer { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            var reader = try await Client(address, loop)
            var publisher = try await Client(address, loop)
            await Self.publish(url, RTSPServerTests.description, &publisher)
            _ = await reader.play(url)
            var set = RTSPServerTests.packet(1, isKeyframe: false)
            set[1] = 96
            set.replaceSubrange(12..., with: [0x67, 0x42, 0, 0x1E, 0x95, 0xA8, 0x28, 0x0F, 0x64])
            await publisher.raw.send(RTSPServerTests.frame(set))
            var keyframe = RTSPServerTests.packet(2, isKeyframe: true)
            keyframe.replaceSubrange(4..<8, with: set[4..<8])
            await publisher.raw.send(RTSPServerTests.frame(keyframe))
            #expect(await Self.heads(reader) == [0x67, Self.keyframe])
            _ = await publisher.ask("TEARDOWN \(url)")
            try await Self.appear(url, RTSPServerTests.description, address, loop, keyframe: 60)
            #expect(await Self.heads(reader) == [Self.sets, Self.keyframe])
        }
    }

    @Test func readersThatWereToldDifferentSetsAllGetThem() async throws {
        try await RTSPServerTests.withServer { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            var readers = [try await Client(address, loop), try await Client(address, loop)]
            for (index, description) in [RTSPServerTests.description, Self.other].enumerated() {
                var publisher = try await Client(address, loop)
                await Self.publish(url, description, &publisher)
                _ = await readers[index].play(url)
                #expect(await publisher.ask("TEARDOWN \(url)").hasPrefix(RTSPServerTests.success))
            }
            try await Self.appear(url, RTSPServerTests.description, address, loop, keyframe: 7)
            for reader in readers { #expect(await Self.heads(reader) == [Self.sets, Self.keyframe]) }
        }
    }
}
