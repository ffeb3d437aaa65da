/// The latest packets of a stream, copied into one block of memory that is used over and over.
///
/// Every packet gets the next position, a number that is never given out twice; whoever keeps a position can ask for
/// the packet until newer ones have taken its place. The ring owns its memory and is moved, never copied. Only
/// ``grow(toByteCapacity:)`` and ``grow(toPacketCapacity:)`` allocate.
@safe
public struct PacketRing: ~Copyable, @unchecked Sendable {
    private struct Slot {
        var offset = 0
        var byteCount = 0
    }

    private var storage: UnsafeMutableRawBufferPointer
    /// By position modulo their number.
    private var slots: [Slot]
    /// Where the next packet is tried first.
    private var tail = 0

    /// The position of the oldest packet that is still there; ``nextPosition`` when there is none.
    public private(set) var firstPosition: Int64 = 0
    /// The position the next packet will get.
    public private(set) var nextPosition: Int64 = 0

    /// - Parameters:
    ///   - byteCapacity: bytes of all packets together.
    ///   - packetCapacity: packets at a time, at least one.
    public init(byteCapacity: Int, packetCapacity: Int) {
        unsafe storage = .allocate(byteCount: max(1, byteCapacity), alignment: 16)
        slots = Array(repeating: Slot(), count: max(1, packetCapacity))
    }

    deinit { unsafe storage.deallocate() }

    public var byteCapacity: Int { unsafe storage.count }
    public var packetCapacity: Int { slots.count }
    public var count: Int { Int(nextPosition - firstPosition) }
    public var isEmpty: Bool { firstPosition == nextPosition }

    /// Whether a packet of `byteCount` bytes fits without pushing another one out.
    public func hasRoom(forByteCount byteCount: Int) -> Bool {
        guard !isEmpty else { return byteCount <= byteCapacity }
        guard count < slots.count else { return false }
        let head = slots[slot(firstPosition)].offset
        return head < tail ? byteCapacity - tail >= byteCount || head >= byteCount : head - tail >= byteCount
    }

    /// Copies `packet` in, pushing out as many of the oldest ones as it takes.
    ///
    /// - Returns: its position; nil, having changed nothing, when it is empty or larger than the ring.
    public mutating func append(copying packet: RawSpan) -> Int64? {
        let byteCount = packet.byteCount
        guard byteCount > 0, byteCount <= byteCapacity else { return nil }
        if count == slots.count { removeFirst() }
        var start = tail
        if start > byteCapacity - byteCount {
            // What is left of the block is too short; the packets in it are the oldest ones.
            while !isEmpty, slots[slot(firstPosition)].offset >= start { removeFirst() }
            start = 0
        }
        while !isEmpty, overlapsFirst(start..<start + byteCount) { removeFirst() }
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: storage[start..<start + byteCount])
        unsafe packet.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
        let position = nextPosition
        slots[slot(position)] = Slot(offset: start, byteCount: byteCount)
        nextPosition += 1
        tail = start + byteCount
        return position
    }

    /// Lends the packet at `position`; nil when it is gone or has never been there. The span must not outlive `body`.
    public func withPacket<R>(at position: Int64, _ body: (RawSpan) -> R) -> R? {
        guard position >= firstPosition, position < nextPosition else { return nil }
        let slot = slots[slot(position)]
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: storage[slot.offset..<slot.offset + slot.byteCount])
        return unsafe body(bytes.bytes)
    }

    /// Forgets the oldest packet.
    public mutating func removeFirst() {
        guard !isEmpty else { return }
        firstPosition += 1
        if isEmpty { tail = 0 }
    }

    /// Forgets all packets. Positions go on.
    public mutating func removeAll() {
        firstPosition = nextPosition
        tail = 0
    }

    /// Moves the packets into a larger block. Nothing happens when the block is that large already.
    public mutating func grow(toByteCapacity byteCapacity: Int) {
        guard byteCapacity > self.byteCapacity else { return }
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCapacity, alignment: 16)
        var end = 0
        for position in firstPosition..<nextPosition {
            let old = slots[slot(position)]
            let source = unsafe UnsafeRawBufferPointer(rebasing: storage[old.offset..<old.offset + old.byteCount])
            let target = unsafe UnsafeMutableRawBufferPointer(rebasing: larger[end..<end + old.byteCount])
            unsafe target.copyMemory(from: source)
            slots[slot(position)].offset = end
            end += old.byteCount
        }
        unsafe storage.deallocate()
        unsafe storage = larger
        tail = end
    }

    /// Makes room for more packets at a time. Nothing happens when there is that much already.
    public mutating func grow(toPacketCapacity packetCapacity: Int) {
        guard packetCapacity > slots.count else { return }
        var larger = Array(repeating: Slot(), count: packetCapacity)
        for position in firstPosition..<nextPosition {
            larger[Int(position % Int64(packetCapacity))] = slots[slot(position)]
        }
        slots = larger
    }

    private func slot(_ position: Int64) -> Int { Int(position % Int64(slots.count)) }

    private func overlapsFirst(_ range: Range<Int>) -> Bool {
        let first = slots[slot(firstPosition)]
        return first.offset < range.upperBound && first.offset + first.byteCount > range.lowerBound
    }
}
