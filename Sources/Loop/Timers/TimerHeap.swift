package import Wire

/// Timers ordered by deadline; equal deadlines fire in the order they were scheduled.
///
/// A timer is a slot that knows where in the heap it lies, so that moving and cancelling take O(log n) and allocate
/// nothing. Due timers are first set aside and then run one by one: a handler may cancel or move any other due timer,
/// and one that schedules itself in the past waits for the next turn.
package struct TimerHeap {
    package typealias Handler = () -> Void

    private struct Slot {
        var handler: Handler?
        var name: StaticString
        var deadline: UInt64 = 0
        /// Index in `heap`, or one of the constants below.
        var position: Int32 = TimerHeap.idle
    }
    private struct Node {
        var deadline: UInt64
        var order: UInt64
        var slot: Int32

        func isBefore(_ other: Node) -> Bool {
            deadline != other.deadline ? deadline < other.deadline : order < other.order
        }
    }

    private static let idle: Int32 = -1
    private static let setAside: Int32 = -2

    private var slots: [Slot] = []
    private var freeSlots: [Int32] = []
    private var heap: [Node] = []
    private var due: [Int32] = []
    private var nextOrder: UInt64 = 0

    package init() {}

    /// How many timers are armed.
    package var count: Int { heap.count }
    package var nextDeadline: Instant? { heap.first.map { Instant(nanoseconds: $0.deadline) } }

    /// Makes a timer, not armed yet.
    package mutating func insert(name: StaticString, _ handler: @escaping Handler) -> Int32 {
        let slot = Slot(handler: handler, name: name)
        guard let index = freeSlots.popLast() else {
            slots.append(slot)
            return Int32(slots.count - 1)
        }
        slots[Int(index)] = slot
        return index
    }

    /// Gives the slot back; the number may be given to another timer.
    package mutating func remove(_ slot: Int32) -> Handler? {
        cancel(slot)
        let handler = slots[Int(slot)].handler
        slots[Int(slot)].handler = nil
        freeSlots.append(slot)
        return handler
    }

    package func deadline(of slot: Int32) -> Instant? {
        let slot = slots[Int(slot)]
        return slot.position == Self.idle ? nil : Instant(nanoseconds: slot.deadline)
    }

    package mutating func schedule(_ slot: Int32, at deadline: Instant) {
        let node = Node(deadline: deadline.nanoseconds, order: nextOrder, slot: slot)
        nextOrder &+= 1
        slots[Int(slot)].deadline = deadline.nanoseconds
        let position = slots[Int(slot)].position
        if position >= 0 {
            heap[Int(position)] = node
            if !siftUp(from: Int(position)) { siftDown(from: Int(position)) }
        } else {
            heap.append(node)
            if !siftUp(from: heap.count - 1) { slots[Int(slot)].position = Int32(heap.count - 1) }
        }
    }

    package mutating func cancel(_ slot: Int32) {
        let position = slots[Int(slot)].position
        slots[Int(slot)].position = Self.idle
        guard position >= 0 else { return }
        removeNode(at: Int(position))
    }

    /// Sets the timers due by `now` aside for ``takeDue(_:)``, and says how many there are.
    package mutating func collectDue(at now: Instant) -> Int {
        due.removeAll(keepingCapacity: true)
        while let first = heap.first, first.deadline <= now.nanoseconds {
            slots[Int(first.slot)].position = Self.setAside
            due.append(first.slot)
            removeNode(at: 0)
        }
        return due.count
    }

    /// The handler of the due timer at `index`; nil when it was cancelled or moved since it was set aside.
    package mutating func takeDue(_ index: Int) -> (name: StaticString, handler: Handler)? {
        let slot = Int(due[index])
        guard slots[slot].position == Self.setAside, let handler = slots[slot].handler else { return nil }
        slots[slot].position = Self.idle
        return (slots[slot].name, handler)
    }

    private mutating func removeNode(at position: Int) {
        let last = heap.removeLast()
        guard position < heap.count else { return }
        heap[position] = last
        if !siftUp(from: position) { siftDown(from: position) }
    }

    /// - Returns: whether the node moved, and so has its position recorded.
    private mutating func siftUp(from start: Int) -> Bool {
        let node = heap[start]
        var position = start
        while position > 0 {
            let parent = (position - 1) / 2
            guard node.isBefore(heap[parent]) else { break }
            place(heap[parent], at: position)
            position = parent
        }
        guard position != start else { return false }
        place(node, at: position)
        return true
    }

    private mutating func siftDown(from start: Int) {
        let node = heap[start]
        var position = start
        while true {
            var child = 2 * position + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].isBefore(heap[child]) { child += 1 }
            guard heap[child].isBefore(node) else { break }
            place(heap[child], at: position)
            position = child
        }
        place(node, at: position)
    }

    private mutating func place(_ node: Node, at position: Int) {
        heap[position] = node
        slots[Int(node.slot)].position = Int32(position)
    }
}
