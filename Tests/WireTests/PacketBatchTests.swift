import TestKit
import Testing
import Wire

@Suite struct PacketBatchTests {
    @Test func packetsComeBackAsTheyWereWritten() {
        var random = SplitMix64(seed: 1)
        var batch = PacketBatch(byteCapacity: 10_000, packetCapacity: 8)
        let packets = (0..<20).map { _ in random.bytes(Int.random(in: 0...400, using: &random)) }
        for packet in packets {
            let fitted = packet.withBytes { batch.append(copying: $0) }
            #expect(fitted)
        }
        let read = (0..<batch.count).map { index in batch.withPacket(at: index) { $0.array } }
        #expect(read == packets)
        let total = batch.byteCount
        #expect(total == packets.reduce(0) { $0 + $1.count })
    }

    @Test func aPacketTakesOnlyTheRoomItWrote() {
        var batch = PacketBatch(byteCapacity: 10, packetCapacity: 4)
        let first = batch.append(maximumSize: 10) { $0.append(bigEndian: UInt16(0x0102)) }
        let second = batch.append(maximumSize: 8) { $0.append(bigEndian: UInt64(0x0304_0506_0708_090A)) }
        #expect(first && second)
        let read = (0..<2).map { index in batch.withPacket(at: index) { $0.array } }
        #expect(read == [[1, 2], [3, 4, 5, 6, 7, 8, 9, 10]])
    }

    @Test func aPacketThatDoesNotFitLeavesTheBatchAsItWas() {
        var batch = PacketBatch(byteCapacity: 4, packetCapacity: 4)
        let first = batch.append(maximumSize: 3) { $0.append(7) }
        let second = batch.append(maximumSize: 4) { _ in Issue.record("must not be asked to write") }
        let negative = batch.append(maximumSize: -1) { _ in Issue.record("must not be asked to write") }
        let third = batch.append(maximumSize: 3) { $0.append(8) }
        #expect(first && !second && !negative && third)
        let (count, bytes) = (batch.count, batch.byteCount)
        #expect(count == 2 && bytes == 2)
    }

    @Test func packetsMayBeChangedInPlace() {
        var batch = PacketBatch(byteCapacity: 100, packetCapacity: 4)
        for value: UInt8 in 1...3 {
            _ = batch.append(maximumSize: 4) { $0.append(bigEndian: UInt32(value)) }
        }
        batch.withMutablePacket(at: 1) { $0.set(bigEndian: UInt16(0xFFFF), at: 0) }
        let read = (0..<3).map { index in batch.withPacket(at: index) { $0.array } }
        #expect(read == [[0, 0, 0, 1], [0xFF, 0xFF, 0, 2], [0, 0, 0, 3]])
    }

    @Test func anEmptiedBatchIsUsedAgain() {
        var batch = PacketBatch(byteCapacity: 4, packetCapacity: 1)
        for round: UInt8 in 0..<3 {
            let fitted = batch.append(maximumSize: 4) { $0.append(round) }
            let read = batch.withPacket(at: 0) { $0.array }
            #expect(fitted && read == [round])
            batch.removeAll()
            let isEmpty = batch.isEmpty
            #expect(isEmpty)
        }
    }
}
