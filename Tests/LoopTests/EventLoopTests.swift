import Loop
import Synchronization
import Testing
import Wire

@Suite struct EventLoopTests {
    @Test func anActorRunsOnItsLoopsThreadOnly() async throws {
        try await withStage { stage in
            let loop = stage.eventLoop
            let other = try EventLoop(name: "other")
            try other.start()
            defer { other.stop() }
            #expect(!loop.isCurrent)
            let seen = await stage.run { _ in [loop.isCurrent, other.isCurrent] }
            #expect(seen == [true, false])
            let neighbour = Stage(loop)
            let distant = Stage(other)
            let isThere = await stage.visits(neighbour, distant)
            #expect(isThere)
        }
    }

    @Test func onLoopEntersAnotherActorOfTheSameLoopAndRethrows() async throws {
        struct Failure: Error, Equatable {}
        try await withStage { stage in
            let neighbour = Stage(stage.eventLoop)
            await stage.run { _ in
                for _ in 0..<3 { neighbour.onLoop { $0.count += 1 } }
                #expect(throws: Failure.self) {
                    try neighbour.onLoop { (_: isolated Stage) throws(Failure) in throw Failure() }
                }
            }
            #expect(await neighbour.count == 3)
        }
    }

    @Test func workFromOneThreadRunsInOrder() async throws {
        try await withStage { stage in
            let done = Event<[Int]>()
            let order = Mutex<[Int]>([])
            for index in 0..<1_000 { stage.eventLoop.execute { order.withLock { $0.append(index) } } }
            stage.eventLoop.execute { done.happen(order.withLock { $0 }) }
            #expect(await done.value == Array(0..<1_000))
        }
    }

    @Test func manyThreadsMayAwaitOneActor() async throws {
        try await withStage { stage in
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask { for _ in 0..<200 { await stage.run { $0.count += 1 } } }
                }
            }
            #expect(await stage.count == 1_600)
        }
    }

    @Test func timeStandsStillWithinATurnAndMovesBetweenTurns() async throws {
        try await withStage { stage in
            let loop = stage.eventLoop
            let (first, same, wall) = await stage.run { _ in
                let first = loop.now
                while MonotonicClock.now == first {}
                return (first, loop.now, [loop.wallClock, loop.wallClock])
            }
            #expect(first == same)
            #expect(wall[0] == wall[1])
            let later = Event<Instant>()
            loop.execute { later.happen(loop.now) }
            #expect(await later.value > first)
        }
    }

    @Test func wallClockCountsFrom1900() {
        let epoch: UInt64 = 2_208_988_800 << 32
        #expect(MonotonicClock.ntp(unixNanoseconds: 0) == epoch)
        #expect(MonotonicClock.ntp(unixNanoseconds: 1_500_000_000) == epoch + 0x1_8000_0000)
    }

    @Test func turnHooksRunOnceAtTheEndOfTheTurnAndMayRequestEachOther() async throws {
        try await withStage { stage in
            let done = Event<Void>()
            await stage.run { stage in
                let loop = stage.eventLoop
                let sender = loop.makeTurnHook {
                    stage.note("sender")
                    done.happen()
                }
                let pacer = loop.makeTurnHook {
                    stage.note("pacer")
                    sender.request()
                }
                stage.keep(sender)
                for _ in 0..<3 { pacer.request() }
                stage.note("turn")
            }
            await done.value
            #expect(await stage.log == ["turn", "pacer", "sender"])
        }
    }

    @Test func aHookThatRequestsItselfDoesNotHoldTheLoop() async throws {
        try await withStage { stage in
            await stage.run { stage in
                let endless = Endless()
                let hook = stage.eventLoop.makeTurnHook {
                    stage.count += 1
                    endless.hook?.request()
                }
                endless.hook = hook
                hook.request()
                stage.keep(endless)
            }
            await stage.wait { $0.count >= 100 }
            await stage.run { stage in
                (stage.kept.first as? Endless)?.hook = nil
                stage.letGo()
            }
        }
    }

    @Test func stopRunsWhatWasQueuedAndJoins() throws {
        let loop = try EventLoop(name: "stop")
        let ran = Atomic(0)
        for _ in 0..<100 { loop.execute { ran.add(1, ordering: .relaxed) } }
        try loop.start()
        for _ in 0..<100 { loop.execute { ran.add(1, ordering: .relaxed) } }
        loop.stop()
        #expect(ran.load(ordering: .relaxed) == 200)
        loop.stop()
    }

    @Test func awaitingAnActorOfAStoppedLoopStillWorks() async throws {
        let loop = try EventLoop(name: "late")
        try loop.start()
        let stage = Stage(loop)
        await stage.run { $0.count += 1 }
        loop.stop()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask { for _ in 0..<50 { await stage.run { $0.count += 1 } } }
            }
        }
        let isCurrent = await stage.run { $0.eventLoop.isCurrent }
        #expect(isCurrent)
        #expect(await stage.count == 201)
    }

    @Test func aLoopThatNeverStartedRunsItsWorkWhenStopped() async throws {
        let loop = try EventLoop(name: "never")
        let ran = Event<Void>()
        loop.execute { ran.happen() }
        loop.stop()
        await ran.value
    }

    @Test func aLoopMayStopItself() async throws {
        let loop = try EventLoop(name: "self")
        try loop.start()
        let last = Event<Void>()
        loop.execute {
            loop.stop()
            loop.execute { last.happen() }
        }
        await last.value
    }

    #if DEBUG
        @Test func theWatchdogNamesTheWorstCallback() async throws {
            let reported = Event<String>()
            let loop = try EventLoop(name: "slow") { reported.happen("\($0.name)") }
            try loop.start()
            defer { loop.stop() }
            let stage = Stage(loop)
            await stage.run { stage in
                let timer = stage.eventLoop.makeTimer(name: "dawdler") {
                    let start = MonotonicClock.now
                    while MonotonicClock.now.milliseconds(since: start) < 3 {}
                }
                timer.schedule(at: .milliseconds(0))
                stage.keep(timer)
            }
            _ = await reported.value
            #expect(loop.slowCallbacks.count >= 1)
            #expect(loop.slowCallbacks.worst.map { $0.nanoseconds >= 1_000_000 } == true)
            await stage.letGo()
        }
    #endif
}

private final class Endless {
    var hook: (any TurnHook)?
}

extension Stage {
    fileprivate func visits(_ neighbour: Stage, _ distant: Stage) async -> Bool {
        let loop = eventLoop
        let atNeighbour = await neighbour.run { _ in loop.isCurrent }
        let atDistant = await distant.run { _ in loop.isCurrent }
        return atNeighbour && !atDistant && loop.isCurrent
    }
}
