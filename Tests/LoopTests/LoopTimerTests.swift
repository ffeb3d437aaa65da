import Loop
import Testing
import Wire

@Suite struct LoopTimerTests {
    @Test func aTimerFiresNotBeforeItsDeadline() async throws {
        try await withStage { stage in
            let fired = Event<Instant>()
            let deadline = await stage.run { stage in
                let loop = stage.eventLoop
                let deadline = loop.now.advanced(byMilliseconds: 5)
                let timer = loop.makeTimer { fired.happen(loop.now) }
                timer.schedule(at: deadline)
                #expect(timer.deadline == deadline)
                stage.keep(timer)
                return deadline
            }
            #expect(await fired.value >= deadline)
            await stage.letGo()
        }
    }

    @Test func reArmingMovesATimerAndItFiresOnce() async throws {
        try await withStage { stage in
            let done = Event<Void>()
            await stage.run { stage in
                let loop = stage.eventLoop
                let moved = loop.makeTimer { stage.note("moved") }
                let last = loop.makeTimer { done.happen() }
                moved.schedule(at: loop.now.advanced(bySeconds: 3_600))
                moved.schedule(at: loop.now.advanced(byMilliseconds: 1))
                last.schedule(at: loop.now.advanced(byMilliseconds: 3))
                stage.keep(moved)
                stage.keep(last)
            }
            await done.value
            #expect(await stage.log == ["moved"])
            await stage.letGo()
        }
    }

    @Test func aHandlerMayCancelOtherDueTimersAndReArmItself() async throws {
        try await withStage { stage in
            let done = Event<Void>()
            await stage.run { stage in
                let loop = stage.eventLoop
                let cast = Cast()
                cast.victim = loop.makeTimer { stage.note("victim") }
                cast.repeating = loop.makeTimer {
                    cast.victim?.cancel()
                    stage.count += 1
                    if stage.count < 5 {
                        // In the past: the next turn, not this one again.
                        cast.repeating?.schedule(at: .milliseconds(0))
                    } else {
                        cast.repeating = nil
                        done.happen()
                    }
                }
                cast.repeating?.schedule(at: .milliseconds(1))
                cast.victim?.schedule(at: .milliseconds(1))
                stage.keep(cast)
            }
            await done.value
            #expect(await stage.log == [])
            #expect(await stage.count == 5)
            await stage.letGo()
        }
    }

    @Test func manyTimersFireInOrder() async throws {
        try await withStage { stage in
            let done = Event<Void>()
            await stage.run { stage in
                let loop = stage.eventLoop
                for index in (0..<500).reversed() {
                    let timer = loop.makeTimer {
                        stage.note("\(index)")
                        if index == 499 { done.happen() }
                    }
                    timer.schedule(at: loop.now.advanced(byNanoseconds: UInt64(index) * 10_000))
                    stage.keep(timer)
                }
            }
            await done.value
            #expect(await stage.log == (0..<500).map { "\($0)" })
            await stage.letGo()
        }
    }

    @Test func droppingATimerOnAnyThreadCancelsItAndFreesItsHandler() async throws {
        try await withStage { stage in
            let weakMark = await stage.run { stage in
                let loop = stage.eventLoop
                let mark = Mark()
                let timer = loop.makeTimer { stage.note("dropped \(mark)") }
                timer.schedule(at: loop.now.advanced(bySeconds: 3_600))
                return Handed(timer, mark)
            }
            weakMark.drop()
            let isGone = await stage.run { _ in weakMark.mark == nil }
            #expect(isGone)
        }
    }
}

private final class Cast {
    var repeating: (any LoopTimer)?
    var victim: (any LoopTimer)?
}

private final class Mark: Sendable {}

/// Carries a timer off its loop, as an actor does that is released elsewhere.
private final class Handed: @unchecked Sendable {
    private var timer: (any LoopTimer)?
    weak var mark: Mark?

    init(_ timer: any LoopTimer, _ mark: Mark) {
        self.timer = timer
        self.mark = mark
    }

    func drop() { timer = nil }
}
