import Streams
import Testing
import Wire

@testable import Server

/// One voice at a time, and one stream of all of them.
@Suite struct RTSPTalkTests {
    private let first = PeerID(1)
    private let second = PeerID(2)

    @Test func theTurnIsOfWhoeverSpeaksUntilSilent() {
        var turn = RTSPTalkTurn(silenceMilliseconds: 2_000)
        let steps: [(PeerID, UInt64, RTSPTalkTurn.Outcome)] = [
            (first, 0, .begins), (second, 100, .waits), (first, 1_900, .goesOn), (second, 3_899, .waits),
            (second, 3_900, .begins), (first, 3_900, .waits), (second, 20_000, .goesOn), (first, 21_999, .waits),
            (first, 22_000, .begins),
        ]
        for (peer, milliseconds, expected) in steps {
            let outcome = turn.heard(peer, at: Instant.seconds(5).advanced(byMilliseconds: milliseconds))
            #expect(outcome == expected, "after \(milliseconds) ms")
        }
    }

    @Test func whoLeavesIsNotWaitedFor() {
        var turn = RTSPTalkTurn(silenceMilliseconds: 2_000)
        _ = turn.heard(first, at: .seconds(1))
        turn.left(second)
        var outcome = turn.heard(second, at: .seconds(1))
        #expect(outcome == .waits)
        turn.left(first)
        outcome = turn.heard(second, at: .seconds(1))
        #expect(outcome == .begins)
    }

    private func packet(_ number: UInt16, _ timestamp: UInt32, marker: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = [0x80, marker ? 0x80 | 97 : 97]
        bytes.append(bigEndian: number)
        bytes.append(bigEndian: timestamp)
        bytes.append(bigEndian: UInt32(0xABCD))
        return bytes + [1, 2, 3]
    }

    private func written(_ bytes: [UInt8]) -> [UInt64] {
        bytes.withBytes { bytes in
            let number: UInt16 = bytes.integer(at: 2) ?? 0
            let timestamp: UInt32 = bytes.integer(at: 4) ?? 0
            return [UInt64(number), UInt64(timestamp)]
        }
    }

    @Test func talkersMakeOneStream() throws {
        var rewriter = RTSPTalkRewriter(ssrc: 0x0102_0304, payloadType: 8, clockRate: 8_000, firstNumber: 65_535)
        let start = Instant.seconds(5)
        func rewrite(_ packet: [UInt8], _ begins: Bool, _ milliseconds: UInt64) throws -> [UInt8] {
            let result = packet.withBytes {
                rewriter.rewrite($0, begins: begins, at: start.advanced(byMilliseconds: milliseconds))
            }
            return try #require(result)
        }
        let one = try rewrite(packet(10, 1_000, marker: true), true, 0)
        #expect(one == [0x80, 0x88, 0xFF, 0xFF, 0, 0, 0x03, 0xE8, 1, 2, 3, 4, 1, 2, 3])
        // A packet that is missing stays missing, and one that comes late keeps its place.
        #expect(written(try rewrite(packet(12, 1_320), false, 40)) == [1, 1_320])
        #expect(written(try rewrite(packet(11, 1_160), false, 41)) == [0, 1_160])
        // Another talker goes on behind the last number; its time is what has passed since.
        #expect(written(try rewrite(packet(500, 99), true, 3_041)) == [2, 1_160 + 24_000])
        #expect(written(try rewrite(packet(501, 259), false, 3_061)) == [3, 1_160 + 24_160])
    }

    @Test(arguments: [[], [0x80, 97, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1], Array(repeating: 0, count: 40)] as [[UInt8]])
    func whatIsNoPacketGoesNowhere(_ bytes: [UInt8]) {
        var rewriter = RTSPTalkRewriter(ssrc: 1, payloadType: 0, clockRate: 8_000, firstNumber: 0)
        let result = bytes.withBytes { rewriter.rewrite($0, begins: true, at: .seconds(1)) }
        #expect(result == nil)
    }
}
