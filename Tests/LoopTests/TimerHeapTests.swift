import Loop
import TestKit
import Testing
import Wire

@Suite struct TimerHeapTests {
    @Test func timersFireInOrderOfDeadlineAndEqualOnesInOrderOfScheduling() {
        var heap = TimerHeap()
        let slots = (0..<6).map { _ in heap.insert(name: "test") {} }
        let deadlines: [UInt64] = [5, 3, 5, 1, 3, 5]
        for (slot, deadline) in zip(slots, deadlines) { heap.schedule(slot, at: .milliseconds(deadline)) }
        #expect(heap.nextDeadline == .milliseconds(1))
        #expect(Self.fired(&heap, of: slots, at: .milliseconds(4)) == [3, 1, 4])
        #expect(Self.fired(&heap, of: slots, at: .milliseconds(5)) == [0, 2, 5])
        #expect(heap.nextDeadline == nil)
    }

    @Test func cancellingAndMovingDueTimersKeepsThemFromFiring() {
        var heap = TimerHeap()
        let slots = (0..<4).map { _ in heap.insert(name: "test") {} }
        for slot in slots { heap.schedule(slot, at: .milliseconds(1)) }
        #expect(heap.collectDue(at: .milliseconds(2)) == 4)
        heap.cancel(slots[0])
        heap.schedule(slots[1], at: .milliseconds(0))
        _ = heap.remove(slots[2])
        let taken = (0..<4).map { heap.takeDue($0) != nil }
        #expect(taken == [false, false, false, true])
        #expect(heap.deadline(of: slots[0]) == nil)
        #expect(heap.deadline(of: slots[1]) == .milliseconds(0))
        #expect(heap.deadline(of: slots[3]) == nil)
    }

    @Test func slotsOfRemovedTimersAreUsedAgain() {
        var heap = TimerHeap()
        let first = heap.insert(name: "first") {}
        heap.schedule(first, at: .milliseconds(1))
        _ = heap.remove(first)
        #expect(heap.count == 0)
        let second = heap.insert(name: "second") {}
        #expect(second == first)
        #expect(heap.deadline(of: second) == nil)
    }

    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func behavesLikeASortedListUnderRandomUse(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var heap = TimerHeap()
        let slots = (0..<50).map { _ in heap.insert(name: "test") {} }
        var model: [Int32: (deadline: UInt64, order: Int)] = [:]
        var now: UInt64 = 0
        for step in 0..<2_000 {
            let slot = slots[Int.random(in: 0..<50, using: &random)]
            switch UInt8.random(in: 0..<10, using: &random) {
            case 0..<6:
                let deadline = now + UInt64.random(in: 0..<40, using: &random)
                heap.schedule(slot, at: Instant(nanoseconds: deadline))
                model[slot] = (deadline, step)
            case 6..<8:
                heap.cancel(slot)
                model[slot] = nil
            default:
                now += UInt64.random(in: 0..<10, using: &random)
                let expected = model.filter { $0.value.deadline <= now }
                    .sorted { ($0.value.deadline, $0.value.order) < ($1.value.deadline, $1.value.order) }
                    .map(\.key)
                let fired = Self.fired(&heap, of: slots, at: Instant(nanoseconds: now))
                #expect(fired == expected)
                for slot in expected { model[slot] = nil }
            }
            let deadline = heap.nextDeadline?.nanoseconds
            #expect(heap.count == model.count)
            #expect(deadline == model.values.map(\.deadline).min())
        }
    }

    /// Takes what is due and says which of `slots` it was: the one that has lost its deadline.
    private static func fired(_ heap: inout TimerHeap, of slots: [Int32], at now: Instant) -> [Int32] {
        var order: [Int32] = []
        for index in 0..<heap.collectDue(at: now) {
            let armed = slots.filter { heap.deadline(of: $0) != nil }
            guard heap.takeDue(index) != nil else { continue }
            order += armed.filter { heap.deadline(of: $0) == nil }
        }
        return order
    }
}
