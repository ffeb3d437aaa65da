import TestKit
import Testing
import Wire

@testable import Streams

@Suite struct PacketHistoryTests {
    private func packet(_ number: Int, size: Int = 1200) -> [UInt8] {
        [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
            + Array(repeating: UInt8(truncatingIfNeeded: number), count: size - 2)
    }

    @Test func packetsAreThereForTwoSecondsWhateverTheBitrate() {
        // 1000 packets of 1200 bytes a second: 9.6 Mbit/s.
        var history = PacketHistory(.video)
        for number in 0..<5000 {
            let now = Instant.milliseconds(UInt64(number))
            let position = packet(number).withBytes { history.append($0, at: now) }
            #expect(position == Int64(number))
            guard number % 100 == 0 else { continue }
            for age in [0, 500, 1999] where number >= age {
                let found = history.withPacket(at: Int64(number - age), now: now) { $0.array }
                #expect(found == packet(number - age))
            }
            let expired = history.withPacket(at: Int64(number - 2001), now: now) { $0.byteCount }
            #expect(expired == nil)
        }
        let capacity = history.byteCapacity
        #expect(capacity == 4 << 20)
    }

    /// What a viewer's small link lets wait for three seconds is asked for only then.
    @Test func packetsThatWaitForTheirTurnAreThereForAsMuchLonger() {
        var history = PacketHistory(.video)
        history.packetsWait = true
        for number in 0..<6000 where number % 10 == 0 {
            _ = packet(number).withBytes { history.append($0, at: .milliseconds(UInt64(number))) }
        }
        let now = Instant.milliseconds(6_000)
        let kept = history.withPacket(at: 100, now: now) { $0.array }
        #expect(kept == packet(1_000))
        let gone = history.withPacket(at: 99, now: now) { $0.byteCount }
        #expect(gone == nil)
        history.packetsWait = false
        let old = history.withPacket(at: 399, now: now) { $0.byteCount }
        let young = history.withPacket(at: 400, now: now) { $0.byteCount }
        #expect(old == nil && young == 1_200)
    }

    @Test func memoryFollowsTheBitrate() {
        var history = PacketHistory(.video)
        for number in 0..<2000 {
            let now = Instant.milliseconds(UInt64(number) * 40)
            _ = packet(number, size: 900).withBytes { history.append($0, at: now) }
        }
        let (capacity, count) = (history.byteCapacity, history.count)
        #expect(capacity == PacketHistory.initialByteCapacity)
        #expect(count <= 52)
    }

    @Test func packetsAndBytesAreBounded() {
        var history = PacketHistory(.video)
        for number in 0..<20_000 {
            _ = packet(number, size: 1400).withBytes { history.append($0, at: .milliseconds(5)) }
        }
        let (capacity, count) = (history.byteCapacity, history.count)
        #expect(capacity <= 8 << 20)
        #expect(count == 2500)
        let huge = [UInt8](repeating: 0, count: 9 << 20).withBytes { history.append($0, at: .milliseconds(6)) }
        #expect(huge == nil)
    }

    @Test func aQuietTrackStillForgets() {
        var history = PacketHistory(.audio)
        _ = packet(1).withBytes { history.append($0, at: .milliseconds(0)) }
        let fresh = history.withPacket(at: 0, now: .milliseconds(1000)) { $0.byteCount }
        let old = history.withPacket(at: 0, now: .milliseconds(1001)) { $0.byteCount }
        #expect(fresh == 1200 && old == nil)
        history.removeAll()
        let position = packet(2).withBytes { history.append($0, at: .milliseconds(1002)) }
        #expect(position == 1)
    }
}
