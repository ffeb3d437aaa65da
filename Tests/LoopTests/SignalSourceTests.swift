import Glibc
import Loop
import Testing

/// Signals belong to the whole process, so each test has one of its own.
@Suite struct SignalSourceTests {
    @Test func aSignalIsDeliveredOnTheLoop() async throws {
        try await withStage { stage in
            let heard = Event<ProcessSignal>()
            try await stage.run { stage in
                let source = try SignalSource(on: stage.eventLoop, signals: [.user1]) { signal in
                    stage.note("\(stage.eventLoop.isCurrent)")
                    heard.happen(signal)
                }
                stage.keep(source)
            }
            kill(getpid(), SIGUSR1)
            #expect(await heard.value == .user1)
            #expect(await stage.log == ["true"])
            await stage.run { ($0.kept.first as? SignalSource)?.close() }
            await stage.letGo()
        }
    }

    @Test func aSignalHasOneSourceAtATime() async throws {
        try await withStage { stage in
            let heard = Event<Void>()
            try await stage.run { stage in
                let first = try SignalSource(on: stage.eventLoop, signals: [.user2]) { _ in }
                let error = #expect(throws: LoopError.self) {
                    try SignalSource(on: stage.eventLoop, signals: [.hangUp, .user2]) { _ in }
                }
                #expect(error?.code == EBUSY)
                first.close()
                let second = try SignalSource(on: stage.eventLoop, signals: [.hangUp, .user2]) { _ in heard.happen() }
                stage.keep(second)
            }
            kill(getpid(), SIGHUP)
            await heard.value
            await stage.run { ($0.kept.first as? SignalSource)?.close() }
            await stage.letGo()
        }
    }
}
