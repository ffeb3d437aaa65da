import RTSP
import Streams
import Testing
import Wire

@testable import Server

/// RTSP-6: groups are lent for as long as somebody reads, and all readers of a track share one.
@Suite struct RTSPMulticastTests {
    private static func groups(_ range: String) throws -> RTSPMulticastGroups {
        RTSPMulticastGroups(try #require(AddressRange(range)), ports: RTSPPortPair(rtp: 8002, rtcp: 8003))
    }

    private static func key(_ room: UInt32, _ kind: MediaKind = .video) -> RTSPMulticastGroups.Key {
        RTSPMulticastGroups.Key(room: room, kind: kind, interface: SocketAddress(ipv4: 0xC000_0201, port: 0))
    }

    @Test func readersOfATrackShareAGroupAndOthersHaveTheirOwn() throws {
        let groups = try Self.groups("224.1.0.0/16")
        let first = try #require(groups.lease(Self.key(1)))
        let second = try #require(groups.lease(Self.key(1)))
        let audio = try #require(groups.lease(Self.key(1, .audio)))
        #expect(first.group == second.group)
        #expect(first.group.address == "224.1.0.1")
        #expect(audio.group.address == "224.1.0.2")
        #expect(audio.group.ports == RTSPPortPair(rtp: 8002, rtcp: 8003))
        #expect(groups.count == 2)
        #expect(groups.placeholder == "224.1.0.0")
    }

    @Test func theLastLeaseFreesTheGroupAndTheLongestUnusedIsLentNext() throws {
        let groups = try Self.groups("239.0.0.4/30")
        var leases = (1...3).map { groups.lease(Self.key($0)) }
        #expect(leases.compactMap { $0?.group.address } == ["239.0.0.5", "239.0.0.6", "239.0.0.7"])
        #expect(groups.lease(Self.key(4)) == nil)
        leases[1] = nil
        #expect(groups.count == 2)
        #expect(groups.lease(Self.key(4))?.group.address == "239.0.0.6")
        leases = []
        #expect(groups.count == 0)
    }

    /// R15: the stream to a group begins with its first reader, is shared, and ends with the last.
    @Test func aGroupIsSentToWhileSomebodyReadsIt() async throws {
        try await RTSPServerTests.withServer { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await RTSPServerTests.Client(address, loop)
            _ = await publisher.publish(url)
            var readers = [
                try await RTSPServerTests.Client(address, loop), try await RTSPServerTests.Client(address, loop),
            ]
            var transports: Set<String> = []
            for index in readers.indices {
                let described = await readers[index].ask("DESCRIBE \(url)?vlcmulticast")
                #expect(described.contains("c=IN IP4 224.1.0.0/16\r\n"))
                let answer = await readers[index].ask("SETUP \(url)/trackID=0", "Transport: RTP/AVP;multicast")
                let field = answer.split(separator: "\r\n").first { $0.hasPrefix("Transport:") }
                transports.insert(String(field ?? ""))
                #expect(await readers[index].ask("PLAY \(url)").hasPrefix(RTSPServerTests.success))
            }
            #expect(transports.count == 1)
            #expect(transports.first?.contains(";destination=224.1.0.1;port=8002-8003;ttl=16") == true)
            let directory = try #require(await server.running?.directory)
            let room = try #require(await directory.room(named: "cam1")).room
            let bridge = try #require(await room.bridge(RTSPReaders.self))
            #expect(await bridge.groupCount == 1)
            // Both read, and a packet is sent once.
            await publisher.raw.send(RTSPServerTests.frame(RTSPServerTests.packet(1, isKeyframe: true)))
            #expect(await eventually { await bridge.statistics.packets > 0 })
            #expect(await bridge.statistics.packets == 1)
            let groups = try #require(await server.running?.rtsp?.service.datagrams?.groups)
            #expect(await readers[0].ask("PAUSE \(url)").hasPrefix(RTSPServerTests.success))
            #expect(await readers[0].ask("TEARDOWN \(url)").hasPrefix(RTSPServerTests.success))
            #expect(await bridge.groupCount == 1)
            #expect(await readers[1].ask("TEARDOWN \(url)").hasPrefix(RTSPServerTests.success))
            #expect(await bridge.groupCount == 0)
            #expect(await eventually { groups.count == 0 })
        }
    }
}
