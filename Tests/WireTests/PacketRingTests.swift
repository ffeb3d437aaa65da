import TestKit
import Testing
import Wire

@Suite struct PacketRingTests {
    @Test func theLatestPacketsAreThereAndNoOthers() {
        var random = SplitMix64(seed: 7)
        var ring = PacketRing(byteCapacity: 3000, packetCapacity: 32)
        var written: [[UInt8]] = []
        for step in 0..<4000 {
            let packet = random.bytes(Int.random(in: 1...(step % 7 == 0 ? 1200 : 90), using: &random))
            let position = packet.withBytes { ring.append(copying: $0) }
            #expect(position == Int64(written.count))
            written.append(packet)
            if step % 97 == 0 { ring.removeFirst() }
            let count = ring.count
            #expect(count <= 32)
            for back in 0..<count {
                let index = written.count - 1 - back
                let read = ring.withPacket(at: Int64(index)) { $0.array }
                #expect(read == written[index])
            }
            let older = ring.withPacket(at: Int64(written.count - count - 1)) { $0.byteCount }
            #expect(older == nil)
        }
    }

    @Test func whatFitsPushesNothingOut() {
        var random = SplitMix64(seed: 8)
        var ring = PacketRing(byteCapacity: 2000, packetCapacity: 16)
        for _ in 0..<5000 {
            let packet = random.bytes(Int.random(in: 1...400, using: &random))
            let count = ring.count
            let fits = ring.hasRoom(forByteCount: packet.count)
            _ = packet.withBytes { ring.append(copying: $0) }
            let after = ring.count
            #expect((after == count + 1) == fits)
            if Int.random(in: 0..<3, using: &random) == 0 { ring.removeFirst() }
        }
    }

    @Test func growingKeepsPacketsAndPositions() {
        var ring = PacketRing(byteCapacity: 40, packetCapacity: 16)
        for value in UInt8(0)..<10 {
            _ = Array(repeating: value, count: 12).withBytes { ring.append(copying: $0) }
        }
        let before = ring.count
        ring.grow(toByteCapacity: 400)
        let read = (7..<10).map { position in ring.withPacket(at: Int64(position)) { $0.array } }
        #expect(before == 3)
        #expect(read == (UInt8(7)..<10).map { Array(repeating: $0, count: 12) })
        for value in UInt8(10)..<20 {
            _ = Array(repeating: value, count: 12).withBytes { ring.append(copying: $0) }
        }
        let oldest = ring.withPacket(at: 7) { $0.array }
        #expect(oldest == Array(repeating: 7, count: 12))
    }

    @Test func impossiblePacketsAndPositionsAreRefused() {
        var ring = PacketRing(byteCapacity: 10, packetCapacity: 2)
        let empty = [UInt8]().withBytes { ring.append(copying: $0) }
        let large = [UInt8](repeating: 1, count: 11).withBytes { ring.append(copying: $0) }
        #expect(empty == nil && large == nil)
        _ = [1].withBytes { ring.append(copying: $0) }
        for position: Int64 in [-1, 1, .max, .min] {
            let found = ring.withPacket(at: position) { $0.byteCount }
            #expect(found == nil)
        }
        ring.removeAll()
        let gone = ring.withPacket(at: 0) { $0.byteCount }
        #expect(gone == nil)
        let next = ring.nextPosition
        #expect(next == 1)
    }

    @Test func roomForMorePacketsKeepsThoseThatAreThere() {
        var ring = PacketRing(byteCapacity: 4_000, packetCapacity: 4)
        for number in 0..<6 { _ = [UInt8(number), 1].withBytes { ring.append(copying: $0) } }
        ring.grow(toPacketCapacity: 9)
        for number in 6..<11 { _ = [UInt8(number), 1].withBytes { ring.append(copying: $0) } }
        let (first, count) = (ring.firstPosition, ring.count)
        #expect(first == 2 && count == 9)
        for number in 2..<11 {
            let found = ring.withPacket(at: Int64(number)) { $0.array }
            #expect(found == [UInt8(number), 1])
        }
        ring.grow(toPacketCapacity: 3)
        let capacity = ring.packetCapacity
        #expect(capacity == 9)
    }
}
