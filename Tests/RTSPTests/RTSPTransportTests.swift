import RTSP
import TestKit
import Testing

/// The rows of table 12.6 that are about the text; T9 to T13, T15 and T16 are about the server's choice.
@Suite struct RTSPTransportTests {
    private func one(_ text: String) throws -> RTSPTransport { try #require(RTSPTransport.alternatives(text).first) }

    @Test func t1() throws {
        let transport = try one(#"RTP/AVP;unicast;client_port=3456-3457;mode="PLAY""#)
        #expect(transport.lower == .udp)
        #expect(transport.clientPorts == RTSPPortPair(rtp: 3456, rtcp: 3457))
        #expect(transport.mode == .play)
    }

    @Test func t2ASinglePortStandsForItAndTheNext() throws {
        #expect(
            try one("RTP/AVP/UDP;unicast;client_port=14186").clientPorts == RTSPPortPair(rtp: 14186, rtcp: 14187))
    }

    @Test func t3() throws {
        let transport = try one("RTP/AVP/TCP;interleaved=0-1")
        #expect(transport.lower == .tcp)
        #expect(transport.channels == RTSPTransport.Channels(rtp: 0, rtcp: 1))
    }

    @Test func t4ShortIdentifiersWithBlanksInFront() throws {
        #expect(try one("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=     D93FF").ssrc == 0xD93FF)
    }

    @Test func t5DecimalIdentifiersArePassedOver() throws {
        #expect(try one("RTP/AVP;unicast;client_port=1-2;ssrc=1449463210").ssrc == nil)
    }

    @Test func t6() throws {
        #expect(try one("RTP/AVP;unicast;source=;client_port=1-2").source == nil)
    }

    @Test func t7ReceiveMeansRecord() throws {
        #expect(try one("RTP/AVP/TCP;interleaved=0-1;mode=receive").mode == .record)
        #expect(try one("RTP/AVP/TCP;interleaved=0-1;mode=record").mode == .record)
    }

    @Test func t8() throws {
        let transport = try one("RTP/AVP;multicast;destination=225.219.201.15;port=7000-7001;ttl=127")
        #expect(transport.isMulticast)
        #expect(transport.destination == "225.219.201.15")
        #expect(transport.ports == RTSPPortPair(rtp: 7000, rtcp: 7001))
        #expect(transport.timeToLive == 127)
    }

    @Test func t11OneChannelForBothIsRefused() {
        #expect(throws: RTSPHeaderError.self) { try RTSPTransport.alternatives("RTP/AVP/TCP;interleaved=2-2") }
    }

    @Test func t13OtherProtocolsAreLeftOut() throws {
        #expect(try RTSPTransport.alternatives("RAW/RAW/UDP;unicast,MP2T/H2221/UDP").isEmpty)
    }

    @Test(arguments: ["0-1", "65536-65537", "65535", "-5", "a-b", "", "1-2-3", "99999999999"])
    func t14ImpossiblePortsAreRefused(_ ports: String) {
        #expect(throws: RTSPHeaderError.self) { try RTSPTransport.alternatives("RTP/AVP;client_port=\(ports)") }
    }

    @Test func t14OddPortsAreAllowed() throws {
        #expect(try one("RTP/AVP;unicast;client_port=3457-3458").clientPorts?.rtp == 3457)
    }

    /// RTSP-5: fields as clients really send them.
    @Test(arguments: [
        ("RTP/AVP/TCP;unicast;interleaved=0-1;mode=record", RTSPTransport.Lower.tcp),
        ("RTP/AVP/UDP;unicast;client_port=21036-21037", .udp),
        ("RTP/AVP;unicast;client_port=50000-50001;ssrc=", .udp),
        ("rtp/avp/tcp;UNICAST;Interleaved=4-5", .tcp),
        ("RTP/AVPF;unicast;client_port=5000-5001", .udp),
        ("RTP/SAVP/TCP;unicast;interleaved=0-1", .tcp),
        (" RTP/AVP/TCP ; unicast ; interleaved = 0-1 ", .tcp),
        (#"RTP/AVP/TCP;unicast;interleaved=0-1;mode="RECORD";append;layers=2"#, .tcp),
        (#"RTP/AVP/UDP;unicast;client_port=1000-1001;mode="PLAY,RECORD""#, .udp),
        ("RTP/AVP/TCP;interleaved=6", .tcp), (";,RTP/AVP/TCP", .tcp),
        ("RTP/AVP;unicast;destination=10.0.0.1;client_port=8000-8001", .udp),
        // FFmpeg, reading and publishing
        ("RTP/AVP/UDP;unicast;client_port=14186-14187", .udp),
        ("RTP/AVP/UDP;unicast;client_port=14186-14187;mode=record", .udp), ("RTP/AVP/UDP;multicast", .udp),
        ("RTP/AVP/TCP;unicast;interleaved=2-3", .tcp),
        // GStreamer, which lists what it may
        ("RTP/AVP;unicast;client_port=53702-53703,RTP/AVP;multicast,RTP/AVP/TCP;unicast;interleaved=0-1", .udp),
        ("RTP/AVPF;unicast;client_port=40006-40007", .udp), ("RTP/AVP;multicast", .udp),
        ("RTP/SAVP;unicast;client_port=35938-35939", .udp), ("RTP/SAVPF/TCP;unicast;interleaved=0-1", .tcp),
        (#"RTP/AVP/TCP;unicast;interleaved=0-1;mode="RECORD""#, .tcp),
        (#"RTP/AVP;unicast;client_port=5000-5001;mode="RECORD""#, .udp),
        // LIVE555 and what is built on it
        ("RTP/AVP;unicast;client_port=51372-51373", .udp), ("RTP/AVP;multicast;port=18888-18889", .udp),
        ("RTP/AVP/TCP;unicast;interleaved=0-1;mode=receive", .tcp), ("RTP/AVP;unicast;client_port=6970", .udp),
        // QuickTime, Helix and RealPlayer
        ("RTP/AVP;unicast;client_port=6970-6971;mode=play", .udp),
        (#"RTP/AVP/TCP;unicast;mode="PLAY""#, .tcp),
        ("x-real-rdt/mcast;client_port=6970;mode=play,RTP/AVP;unicast;client_port=6970-6971", .udp),
        // Windows Media
        ("RTP/AVP/UDP;unicast;client_port=3462-3463;mode=PLAY", .udp),
        ("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=5ef4a1d3;mode=PLAY", .tcp),
        // Recorders and cameras' clients
        ("RTP/AVP/TCP;unicast;interleaved=0-1;source=192.168.1.1", .tcp),
        ("RTP/AVP;unicast;client_port=10002-10003;ttl=127;layers=1", .udp),
        ("RTP/AVP/TCP;interleaved=0-1;timeout=60", .tcp), ("RTP/AVP/TCP;interleaved=254-255", .tcp),
        ("RTP/AVP;unicast;client_port = 9000 - 9001", .udp), ("RTP/AVP/UDP;unicast;client_port=65534-65535", .udp),
        ("RTP/AVP/TCP;unicast;interleaved=0-1;", .tcp),
    ])
    func realFieldsAreUnderstood(_ text: String, _ lower: RTSPTransport.Lower) throws {
        #expect(try one(text).lower == lower)
    }

    @Test func whatIsWrittenIsReadAsTheSame() throws {
        var transport = RTSPTransport(.udp)
        transport.clientPorts = RTSPPortPair(rtp: 5000, rtcp: 5001)
        transport.serverPorts = RTSPPortPair(rtp: 8000, rtcp: 8001)
        transport.ssrc = 0xABC
        #expect(transport.text == "RTP/AVP;unicast;client_port=5000-5001;server_port=8000-8001;ssrc=00000ABC")
        #expect(try one(transport.text) == transport)
    }

    @Test func hostileFieldsNeverTrap() {
        var random = SplitMix64(seed: 3)
        let seed = Array(#"RTP/AVP;unicast;client_port=3456-3457;mode="PLAY",RTP/AVP/TCP;interleaved=0-1;ssrc=AB"#.utf8)
        for _ in 0..<20_000 {
            var bytes = seed
            for _ in 0..<3 {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next() & 0x7F)
            }
            let text = String(decoding: bytes.prefix(Int(random.next() % UInt64(bytes.count))), as: UTF8.self)
            for transport in (try? RTSPTransport.alternatives(text)) ?? [] {
                #expect((try? RTSPTransport.alternatives(transport.text))?.count == 1)
            }
        }
    }
}
