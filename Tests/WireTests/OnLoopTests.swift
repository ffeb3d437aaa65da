import Synchronization
import Testing
import Wire

/// `onLoop` with an executor that is always current: what the closure sees and returns, with no thread involved.
@Suite struct OnLoopTests {
    @Test func theClosureReadsAndChangesTheActorsState() {
        let counter = Counter(AlwaysCurrent())
        let before = counter.onLoop { counter in
            counter.value += 5
            return counter.value
        }
        #expect(before == 5)
        #expect(counter.onLoop { $0.value } == 5)
    }

    @Test func theClosureMayChangeWhatItsCallerOwns() {
        let counter = Counter(AlwaysCurrent())
        var log: [Int] = []
        for step in 1...3 {
            counter.onLoop { counter in
                counter.value += step
                log.append(counter.value)
            }
        }
        #expect(log == [1, 3, 6])
    }

    @Test func callsMayNest() {
        let loop = AlwaysCurrent()
        let outer = Counter(loop)
        let inner = Counter(loop)
        let sum = outer.onLoop { outer in
            outer.value = 1
            let atOuter = outer.value
            return inner.onLoop { inner in
                inner.value = 2
                return atOuter + inner.value
            }
        }
        #expect(sum == 3)
    }

    @Test func typedErrorsPassThrough() {
        struct Failure: Error, Equatable { let code: Int }
        let counter = Counter(AlwaysCurrent())
        let error = #expect(throws: Failure.self) {
            try counter.onLoop { (counter: isolated Counter) throws(Failure) in
                counter.value = 7
                throw Failure(code: 3)
            }
        }
        #expect(error == Failure(code: 3))
        #expect(counter.onLoop { $0.value } == 7)
    }

    @Test func noncopyableResultsPassThrough() {
        struct Token: ~Copyable { let number: Int }
        let counter = Counter(AlwaysCurrent())
        let token = counter.onLoop { counter in
            counter.value = 9
            return Token(number: counter.value)
        }
        #expect(token.number == 9)
    }

    @Test func anotherThreadTraps() async {
        await #expect(processExitsWith: .failure) {
            Counter(NeverCurrent()).onLoop { $0.value += 1 }
        }
    }
}

private actor Counter: LoopActor {
    nonisolated let loop: any LoopExecutor
    var value = 0

    init(_ loop: any LoopExecutor) { self.loop = loop }
}

/// Runs jobs where they are enqueued and takes every thread for its own.
private class AlwaysCurrent: LoopExecutor, @unchecked Sendable {
    var isCurrent: Bool { true }
    let now = Instant(nanoseconds: 0)
    let wallClock = WallClock(ntp: 0, instant: Instant(nanoseconds: 0))

    func enqueue(_ job: consuming ExecutorJob) {
        unsafe UnownedJob(job).runSynchronously(on: asUnownedSerialExecutor())
    }
    func isIsolatingCurrentContext() -> Bool? { isCurrent }
    func checkIsolated() {}
    func makeTimer(_ handler: @escaping () -> Void) -> any LoopTimer { Idle() }
    func makeTurnHook(_ handler: @escaping () -> Void) -> any TurnHook { Idle() }
}

private final class NeverCurrent: AlwaysCurrent, @unchecked Sendable {
    override var isCurrent: Bool { false }
}

private final class Idle: LoopTimer, TurnHook {
    var deadline: Instant? { nil }
    func schedule(at deadline: Instant) {}
    func cancel() {}
    func request() {}
}
