import Wire

/// Packets that wait to be sent, first in, first out, in blocks that are used again.
///
/// Holds no memory while nothing ever waited, and keeps at most one spare block when it has emptied.
struct PacketQueue: ~Copyable {
    private final class Block {
        static let byteCapacity = 64 << 10
        static let packetCapacity = 64

        var packets = PacketBatch(byteCapacity: byteCapacity, packetCapacity: packetCapacity)
        var slots: [PacketSlots] = []
        var next = 0

        init() { slots.reserveCapacity(Self.packetCapacity) }

        /// Bytes written; nil when there is no room.
        func append(
            maximumSize: Int, _ write: (inout OutputRawSpan) -> PacketSlots
        ) -> Int? {
            var written = PacketSlots()
            var size = 0
            let fitted = packets.append(maximumSize: maximumSize) { output in
                written = write(&output)
                size = output.byteCount
            }
            guard fitted else { return nil }
            slots.append(written)
            return size
        }

        func clear() {
            packets.removeAll()
            slots.removeAll(keepingCapacity: true)
            next = 0
        }
    }

    private var blocks: [Block] = []
    private var spare: Block?
    private(set) var byteCount = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// Appends a packet of at most `maximumSize` bytes; `false` when it is larger than a block.
    mutating func append(
        maximumSize: Int, _ write: (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        guard maximumSize > 0, maximumSize <= Block.byteCapacity else { return false }
        if let size = blocks.last?.append(maximumSize: maximumSize, write) {
            byteCount += size
        } else {
            let block = spare ?? Block()
            spare = nil
            guard let size = block.append(maximumSize: maximumSize, write) else { return false }
            blocks.append(block)
            byteCount += size
        }
        count += 1
        return true
    }

    /// Takes the first packet out and lends it to `body`; `false` when there is none.
    mutating func takeFirst(_ body: (RawSpan, PacketSlots) -> Void) -> Bool {
        guard let block = blocks.first else { return false }
        let slots = block.slots[block.next]
        let size = block.packets.withPacket(at: block.next) { packet in
            body(packet, slots)
            return packet.byteCount
        }
        block.next += 1
        byteCount -= size
        count -= 1
        if block.next == block.slots.count {
            block.clear()
            spare = block
            blocks.removeFirst()
        }
        return true
    }

    /// The size of the first packet; nil when there is none.
    var firstSize: Int? {
        guard let block = blocks.first else { return nil }
        return block.packets.withPacket(at: block.next) { $0.byteCount }
    }

    mutating func removeAll() {
        blocks.removeAll()
        byteCount = 0
        count = 0
    }
}
