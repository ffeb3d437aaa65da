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

    /// The room's numbers go on while a session pauses, by however much.
    @Test(arguments: [1, 1_000, 32_767, 32_768, 40_000, 65_535] as [UInt16])
    func numbersGoOnAfterAPause(_ jump: UInt16) throws {
        let keys = try #require(RTSPSecurity.newKeys())
        let sender = try #require(RTSPSecurity(keys))
        let receiver = try Self.security()
        let media = try Self.media(keys)
        func send(_ number: UInt16) -> [UInt16] {
            var opened: [UInt16] = []
            let packet = RTSPServerTests.packet(number, isKeyframe: true)
            let isTaken = packet.withBytes {
                sender.protect($0) { sent in
                    receiver.open(sent, of: media, isControl: false) { received in
                        opened.append(received.integer(at: 2) ?? 0)
                        #expect(received.array.dropFirst(4) == packet.dropFirst(4))
                    }
                }
            }
            // A reader that takes nothing would lose what comes until a keyframe.
            #expect(isTaken)
            return opened
        }
        let ssrc = 0xABCD as UInt32
        #expect(sender.resume(ssrc) == nil)
        for number in 65_500..<65_510 as Range<UInt16> { #expect(send(number) == [number]) }
        var first = 65_509 &+ jump
        for round in 0..<3 as Range<UInt16> {
            let told = sender.resume(ssrc)
            #expect(told == 65_510 &+ 20 &* round)
            #expect(send(first) == [told].compactMap { $0 })
            // What is older than its new beginning is out of its time.
            #expect(send(first &- 1) == [])
            for step in 1..<20 as Range<UInt16> { #expect(send(first &+ step) == [65_510 &+ 20 &* round &+ step]) }
            first = first &+ 19 &+ jump
        }
    }

    @Test func withoutKeysNothingIsOpened() throws {
        let receiver = try Self.security()
        let media = try Self.media(nil)
        #expect(!Self.report.withBytes { receiver.open($0, of: media, isControl: true) { _ in } })
    }
}
