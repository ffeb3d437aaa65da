import HTTP
import Synchronization
import Testing

@Suite struct HTTPBodyStreamTests {
    @Test func queuesUpToItsBound() {
        let stream = HTTPBodyStream(maximumQueuedBytes: 5)
        #expect(stream.send([1, 2, 3]))
        #expect(!stream.send([4, 5, 6]))
        #expect(stream.send([4, 5]))
        #expect(!stream.send([6]))
        #expect(stream.queuedBytes == 5)
        #expect(stream.next(maximumBytes: 4) == .bytes([1, 2, 3]))
        #expect(stream.send([6]))
        #expect(stream.next(maximumBytes: 100) == .bytes([4, 5, 6]))
        #expect(stream.next(maximumBytes: 100) == .pending)
    }

    @Test func finishesAfterWhatIsQueued() {
        let stream = HTTPBodyStream()
        stream.send([1])
        stream.finish()
        #expect(!stream.send([2]))
        #expect(stream.next(maximumBytes: 9) == .bytes([1]))
        #expect(stream.next(maximumBytes: 9) == .finished)
    }

    @Test func wakesOncePerPending() {
        let wakes = Atomic(0)
        let stream = HTTPBodyStream()
        stream.attach { wakes.add(1, ordering: .relaxed) }
        #expect(stream.next(maximumBytes: 9) == .pending)
        stream.send([1])
        stream.send([2])
        #expect(wakes.load(ordering: .relaxed) == 1)
        #expect(stream.next(maximumBytes: 9) == .bytes([1, 2]))
        stream.send([3])
        #expect(wakes.load(ordering: .relaxed) == 1)
        #expect(stream.next(maximumBytes: 9) == .bytes([3]))
        #expect(stream.next(maximumBytes: 9) == .pending)
        stream.finish()
        #expect(wakes.load(ordering: .relaxed) == 2)
    }

    @Test func cancellationIsToldOnceAndDropsTheQueue() {
        let cancellations = Atomic(0)
        let stream = HTTPBodyStream { cancellations.add(1, ordering: .relaxed) }
        stream.send([1])
        stream.cancel()
        stream.cancel()
        #expect(cancellations.load(ordering: .relaxed) == 1)
        #expect(stream.isCancelled)
        #expect(stream.queuedBytes == 0)
        #expect(!stream.send([2]))
        #expect(stream.next(maximumBytes: 9) == .finished)
        stream.onCancellation { cancellations.add(10, ordering: .relaxed) }
        #expect(cancellations.load(ordering: .relaxed) == 11)
    }

    @Test func aFinishedStreamIsNotToldOfTheClientsEnd() {
        let cancellations = Atomic(0)
        let stream = HTTPBodyStream { cancellations.add(1, ordering: .relaxed) }
        stream.finish()
        stream.cancel()
        #expect(cancellations.load(ordering: .relaxed) == 0)
    }

    @Test func nothingIsLostBetweenThreads() async {
        let stream = HTTPBodyStream(maximumQueuedBytes: .max)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask { for _ in 0..<500 { stream.send([1]) } }
            }
        }
        stream.finish()
        var count = 0
        while case .bytes(let bytes) = stream.next(maximumBytes: 64) { count += bytes.count }
        #expect(count == 2_000)
    }
}
