import RTSP
import Testing
import Wire

@testable import Server

/// RTSP-31: publishers whose NAT gives them other ports than they announced.
@Suite struct RTSPPortLatchTests {
    private static let server = RTSPPortPair(rtp: 8_000, rtcp: 8_001)
    private static let own = host("192.0.2.7")
    private static let stranger = host("192.0.2.8")

    private static func host(_ text: String) -> SocketAddress {
        SocketAddress(host: text, port: 0) ?? SocketAddress(ipv4: 0, port: 0)
    }

    private static func latch(_ peer: UInt64, _ payloadType: UInt8, ports: UInt16) -> RTSPPortLatch {
        let local = host("198.51.100.1")
        return RTSPPortLatch(
            peer: PeerID(peer), payloadType: payloadType,
            announced: RTSPTuples(
                rtp: TransportTuple(local: local.withPort(server.rtp), remote: own.withPort(ports)),
                rtcp: TransportTuple(local: local.withPort(server.rtcp), remote: own.withPort(ports + 1))))
    }

    private func rtp(_ payloadType: UInt8, ssrc: UInt32) -> [UInt8] {
        var packet: [UInt8] = [0x80, payloadType, 0, 1, 0, 0, 0, 0]
        packet.append(bigEndian: ssrc)
        return packet + [1]
    }

    private func report(ssrc: UInt32) -> [UInt8] {
        var packet: [UInt8] = [0x80, 200, 0, 6]
        packet.append(bigEndian: ssrc)
        return packet + Array(repeating: 0, count: 20)
    }

    /// Whose a datagram is: a peer, "refused" or "unknown".
    private func find(
        _ latches: inout RTSPPortLatches, _ datagram: [UInt8], from remote: SocketAddress, _ port: UInt16,
        to local: UInt16 = server.rtp, at milliseconds: UInt64
    ) -> String {
        let tuple = TransportTuple(local: Self.host("198.51.100.1").withPort(local), remote: remote.withPort(port))
        return datagram.withBytes { bytes in
            switch latches.find(bytes, on: tuple, at: .milliseconds(milliseconds)) {
            case .unknown: "unknown"
            case .refused: "refused"
            case .latched(let latch, let former):
                "\(latch.peer.value)" + (former.map { " from \($0.port)" } ?? "")
            }
        }
    }

    @Test func theFirstPacketsOfTheSessionsOwnAddressSayWhereItIs() {
        var latches = RTSPPortLatches()
        latches.add(Self.latch(1, 96, ports: 5_000))
        latches.add(Self.latch(1, 97, ports: 5_002))
        #expect(find(&latches, rtp(96, ssrc: 6), from: Self.stranger, 5_000, at: 0) == "unknown")
        // A report says nothing before its media has come.
        #expect(find(&latches, report(ssrc: 5), from: Self.own, 61_001, to: 8_001, at: 0) == "refused")
        #expect(find(&latches, rtp(96, ssrc: 5), from: Self.own, 61_000, at: 0) == "1")
        #expect(find(&latches, rtp(97, ssrc: 7), from: Self.own, 61_002, at: 0) == "1")
        #expect(find(&latches, report(ssrc: 5), from: Self.own, 61_001, to: 8_001, at: 0) == "1")
        #expect(find(&latches, rtp(98, ssrc: 8), from: Self.own, 61_004, at: 9_000) == "refused", "no such track")
        #expect(find(&latches, [0x80, 96], from: Self.own, 61_004, at: 9_000) == "refused")
        latches.remove(PeerID(1))
        #expect(latches.count == 0)
        #expect(find(&latches, rtp(96, ssrc: 5), from: Self.own, 61_000, at: 0) == "unknown")
    }

    @Test func anotherPortIsFollowedOnceTheOldOneIsSilent() {
        var latches = RTSPPortLatches()
        let latch = Self.latch(1, 96, ports: 5_000)
        latches.add(latch)
        #expect(find(&latches, rtp(96, ssrc: 5), from: Self.own, 61_000, at: 0) == "1")
        latch.heard(onPort: 8_000, at: .milliseconds(1_500))
        // Packets of the stream from elsewhere, while it still comes.
        #expect(find(&latches, rtp(96, ssrc: 5), from: Self.own, 62_000, at: 3_000) == "refused")
        #expect(find(&latches, rtp(96, ssrc: 9), from: Self.own, 62_000, at: 3_000) == "refused")
        #expect(find(&latches, rtp(96, ssrc: 5), from: Self.own, 62_000, at: 3_500) == "1 from 61000")
        // An encoder that began anew behind another port.
        #expect(find(&latches, rtp(96, ssrc: 9), from: Self.own, 63_000, at: 5_499) == "refused")
        #expect(find(&latches, rtp(96, ssrc: 9), from: Self.own, 63_000, at: 5_500) == "1 from 62000")
        #expect(find(&latches, rtp(96, ssrc: 5), from: Self.stranger, 63_000, at: 90_000) == "unknown")
    }

    @Test func sessionsBehindOneAddressDoNotStealFromEachOther() {
        var latches = RTSPPortLatches()
        latches.add(Self.latch(1, 96, ports: 5_000))
        #expect(find(&latches, rtp(96, ssrc: 5), from: Self.own, 61_000, at: 0) == "1")
        latches.add(Self.latch(2, 96, ports: 5_000))
        // The first one's packets from another port are not the second one's.
        #expect(find(&latches, rtp(96, ssrc: 5), from: Self.own, 62_000, at: 500) == "refused")
        #expect(find(&latches, rtp(96, ssrc: 6), from: Self.own, 63_000, at: 500) == "2")
        // Both are silent: what is neither's for sure goes to neither.
        #expect(find(&latches, rtp(96, ssrc: 7), from: Self.own, 64_000, at: 9_000) == "refused")
        #expect(find(&latches, rtp(96, ssrc: 6), from: Self.own, 64_000, at: 9_000) == "2 from 63000")
        #expect(find(&latches, rtp(96, ssrc: 5), from: Self.own, 65_000, at: 9_000) == "1 from 61000")
        // Two that have not begun: the port that one of them announced tells.
        latches.add(Self.latch(3, 99, ports: 7_000))
        latches.add(Self.latch(4, 99, ports: 7_002))
        #expect(find(&latches, rtp(99, ssrc: 20), from: Self.own, 60_500, at: 9_000) == "refused")
        #expect(find(&latches, rtp(99, ssrc: 20), from: Self.own, 7_002, at: 9_000) == "4")
        #expect(find(&latches, rtp(99, ssrc: 21), from: Self.own, 60_500, at: 9_000) == "3")
    }

    /// Encoders are known whose streams all have the same SSRC, 0 for instance.
    @Test func streamsWithTheSameSSRCAreToldApart() {
        var latches = RTSPPortLatches()
        latches.add(Self.latch(1, 96, ports: 5_000))
        latches.add(Self.latch(1, 97, ports: 5_002))
        #expect(find(&latches, rtp(96, ssrc: 0), from: Self.own, 61_000, at: 0) == "1")
        #expect(find(&latches, rtp(97, ssrc: 0), from: Self.own, 61_002, at: 0) == "1")
        #expect(find(&latches, report(ssrc: 0), from: Self.own, 61_001, to: 8_001, at: 0) == "refused", "of either")
        #expect(find(&latches, report(ssrc: 0), from: Self.own, 5_003, to: 8_001, at: 0) == "1")
        // Another encoder of the same kind behind the same address comes from where it said.
        latches.add(Self.latch(2, 96, ports: 6_000))
        #expect(find(&latches, rtp(96, ssrc: 0), from: Self.own, 6_000, at: 10) == "2")
        // Both have fallen silent: nobody can say whose this is.
        #expect(find(&latches, rtp(96, ssrc: 0), from: Self.own, 64_000, at: 9_000) == "refused")
    }

    @Test func portsAreOneSessionsFromSetupToItsEnd() {
        let ports = RTSPClientPorts()
        let pair = RTSPPortPair(rtp: 5_000, rtcp: 5_001)
        #expect(ports.claim(pair, of: Self.own.withPort(40_000), for: PeerID(1)))
        #expect(ports.claim(pair, of: Self.own.withPort(40_000), for: PeerID(1)), "its own")
        #expect(!ports.claim(pair, of: Self.own.withPort(40_001), for: PeerID(2)))
        #expect(!ports.claim(RTSPPortPair(rtp: 5_001, rtcp: 5_002), of: Self.own, for: PeerID(2)))
        #expect(ports.claim(pair, of: Self.stranger, for: PeerID(3)), "another address")
        // A session without a connection makes way; what it leaves later is no longer its own.
        ports.set(isAbandoned: true, PeerID(1))
        #expect(ports.claim(pair, of: Self.own, for: PeerID(2)))
        ports.release(PeerID(1))
        #expect(!ports.claim(pair, of: Self.own, for: PeerID(4)))
        ports.set(isAbandoned: true, PeerID(2))
        ports.set(isAbandoned: false, PeerID(2))
        #expect(!ports.claim(pair, of: Self.own, for: PeerID(4)))
        for peer in 2...3 { ports.release(PeerID(UInt64(peer))) }
        #expect(ports.count == 0)
    }
}
