import TestKit
import Testing
import Wire

@testable import Streams

@Suite struct SentPacketMapTests {
    /// PROP-3: every number sent in the window leads to its packet, a number never sent to none.
    @Test func everyNumberSentLeadsToItsPacketAndNoOther() {
        var random = SplitMix64(seed: 3)
        var map = SentPacketMap()
        var sent: [Int64: PacketRecord] = [:]
        var next: Int64 = 32_700
        var held: [Int64] = []
        for step in 0..<60_000 {
            let now = Instant.milliseconds(UInt64(step) * 2)
            // Gaps, and packets that come late into some of them.
            if Int.random(in: 0..<12, using: &random) == 0 {
                let gap = Int64.random(in: 1...5, using: &random)
                for number in next..<next + gap where Bool.random(using: &random) { held.append(number) }
                next += gap
            }
            var numbers = [next]
            next += 1
            if let late = held.first, Bool.random(using: &random) {
                held.removeFirst()
                numbers.append(late)
            }
            for number in numbers {
                let packet = PacketRecord(
                    position: Int64(step) * 3 + number % 3, timestamp: UInt32(truncatingIfNeeded: random.next()),
                    picture: SentPictureNumbers(pictureID: UInt16(truncatingIfNeeded: number)))
                map.sent(packet, extendedSequenceNumber: number, at: now)
                sent[number] = packet
            }
            guard step % 50 == 0 else { continue }
            for _ in 0..<20 {
                let number = next - Int64.random(in: -40...900, using: &random)
                let extended = map.extend(UInt16(truncatingIfNeeded: number))
                #expect(extended == (number < next ? number : nil) || extended == nil && number >= next)
                guard let extended else { continue }
                let found = map[extended]
                #expect(found?.position == sent[extended]?.position)
                #expect(found?.timestamp == sent[extended]?.timestamp)
                #expect(found?.picture == sent[extended]?.picture)
            }
        }
        #expect(map.capacity == 1024 || map.capacity == 2048)
    }

    @Test func itGrowsOnlyForPacketsThatMayBeAskedFor() {
        var slow = SentPacketMap()
        var fast = SentPacketMap()
        for number in 0..<20_000 as Range<Int64> {
            let packet = PacketRecord(position: number, timestamp: 0)
            slow.sent(packet, extendedSequenceNumber: number, at: .milliseconds(UInt64(number) * 10))
            fast.sent(packet, extendedSequenceNumber: number, at: .milliseconds(UInt64(number) / 10))
        }
        #expect(slow.capacity == SentPacketMap.initialCapacity)
        #expect(fast.capacity == SentPacketMap.maximumCapacity)
        #expect(fast[17_952]?.position == 17_952)
        #expect(fast[17_951] == nil)
        #expect(slow[19_800]?.position == 19_800)
    }

    @Test func numbersFromBeforeTheStartAreNotFound() {
        var map = SentPacketMap()
        #expect(map.extend(5) == nil)
        map.sent(PacketRecord(position: 9, timestamp: 1), extendedSequenceNumber: 5, at: .milliseconds(0))
        #expect(map.extend(4) == 4)
        #expect(map[4] == nil)
        #expect(map.extend(6) == nil)
        #expect(map[6] == nil)
        #expect(map[5]?.position == 9)
        map.sent(PacketRecord(position: 1, timestamp: 1), extendedSequenceNumber: -2000, at: .milliseconds(0))
        #expect(map[-2000] == nil)
    }
}
