import Loop
import Synchronization
import Testing
import Wire

@Suite struct LoopSignalTests {
    @Test func raisesBeforeTheLoopLooksAreDeliveredOnce() async throws {
        try await withStage { stage in
            let signal = await stage.run { stage in
                let signal = stage.eventLoop.makeSignal(name: "test") { stage.count += 1 }
                for _ in 0..<10 { signal.raise() }
                return signal
            }
            // Delivered in the turn after the raise; two more turns and it has been.
            for _ in 0..<2 { await stage.run { _ in } }
            let first = Event<Void>()
            stage.eventLoop.execute { first.happen() }
            await first.value
            #expect(await stage.count == 1)
            withExtendedLifetime(signal) {}
        }
    }

    @Test func noRaiseFromAnyThreadIsLost() async throws {
        try await withStage { stage in
            let sent = Counter()
            let done = Event<Int>()
            let signal = await stage.run { stage in
                stage.eventLoop.makeSignal(name: "test") {
                    stage.count += 1
                    let seen = sent.value.load(ordering: .acquiring)
                    if seen == 4_000 { done.happen(stage.count) }
                }
            }
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<1_000 {
                            sent.value.add(1, ordering: .acquiringAndReleasing)
                            signal.raise()
                        }
                    }
                }
            }
            let deliveries = await done.value
            #expect(deliveries >= 1 && deliveries <= 4_000)
        }
    }

    @Test func aCancelledSignalIsSilent() async throws {
        try await withStage { stage in
            let last = Event<Void>()
            let signals = await stage.run { stage in
                let silent = stage.eventLoop.makeSignal(name: "silent") { stage.note("silent") }
                let heard = stage.eventLoop.makeSignal(name: "heard") { last.happen() }
                silent.raise()
                silent.cancel()
                return [silent, heard]
            }
            for signal in signals { signal.raise() }
            await last.value
            #expect(await stage.log == [])
        }
    }
}

private final class Counter: Sendable {
    let value = Atomic(0)
}
