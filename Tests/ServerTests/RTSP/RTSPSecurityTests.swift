import Loop
import RTSP
import Secure
import Testing
import Wire

@testable import Server

/// RTSP-24: media that is encrypted by itself.
@Suite struct RTSPSecurityTests {
    private static func media(_ keys: RTSPMediaKeys?) throws -> RTSPServerSession.Media {
        let transports = try RTSPTransport.alternatives("RTP/SAVP;client_port=1-2")
        return RTSPServerSession.Media(track: 0, transport: try #require(transports.first), url: "", keys: keys)
    }

    private static func security() throws -> RTSPSecurity {
        let keys = try #require(RTSPSecurity.newKeys())
        return try #require(RTSPSecurity(keys))
    }

    private static let report: [UInt8] = [0x80, 201, 0, 1, 0, 0, 0, 9]

    @Test func whatOneSideProtectsTheOtherOpens() throws {
        let keys = try #require(RTSPSecurity.newKeys())
        let sender = try #require(RTSPSecurity(keys))
        let receiver = try Self.security()
        let media = try Self.media(keys)
        let packet = RTSPServerTests.packet(7, isKeyframe: true, size: 900)
        var sent: [UInt8] = []
        #expect(
            packet.withBytes {
                sender.protect($0) {
                    sent = $0.array
                    return true
                }
            })
        #expect(sent.count == packet.count + 10)
        var opened: [UInt8] = []
        #expect(sent.withBytes { receiver.open($0, of: media, isControl: false) { opened = $0.array } })
        #expect(opened == packet)
        // Again, it is a replay; changed, it is a forgery.
        #expect(!sent.withBytes { receiver.open($0, of: media, isControl: false) { _ in } })
        let control = try #require(sender.protectControl(Self.report))
        #expect(control.withBytes { receiver.open($0, of: media, isControl: true) { opened = $0.array } })
        #expect(opened == Self.report)
        var forged = control
        forged[12] ^= 1
        #expect(!forged.withBytes { receiver.open($0, of: media, isControl: true) { _ in } })
    }

    /// Axis-like identifiers of four bytes.
    @Test func identifiersInFrontOfTheTagAreTakenOut() throws {
        var keys = try #require(RTSPSecurity.newKeys())
        let sender = try #require(RTSPSecurity(keys))
        keys.identifier = [9, 8, 7, 6]
        let receiver = try #require(RTSPSecurity(keys))
        let media = try Self.media(keys)
        var sent: [UInt8] = []
        let packet = RTSPServerTests.packet(1, isKeyframe: false)
        #expect(
            packet.withBytes {
                sender.protect($0) {
                    sent = $0.array
                    return true
                }
            })
        #expect(!sent.withBytes { receiver.open($0, of: media, isControl: false) { _ in } })
        sent.insert(contentsOf: keys.identifier, at: sent.count - 10)
        var opened: [UInt8] = []
        #expect(sent.withBytes { receiver.open($0, of: media, isControl: false) { opened = $0.array } })
        #expect(opened == packet)
        for length in 0..<sent.count {
            #expect(
                !Array(sent[..<length]).withBytes { receiver.open($0, of: media, isControl: length % 2 == 0) { _ in } })
        }
    }

    @Test func withoutKeysNothingIsOpened() throws {
        let receiver = try Self.security()
        let media = try Self.media(nil)
        #expect(!Self.report.withBytes { receiver.open($0, of: media, isControl: true) { _ in } })
    }
}
