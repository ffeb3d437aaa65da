import CLinux
import Glibc
import Loop
import Testing
import Wire

@Suite struct DescriptorWatchTests {
    @Test func aWatchReportsReadinessUntilCancelled() async throws {
        try await withStage { stage in
            let pipe = Pipe()
            let heard = Event<Void>()
            try await stage.run { stage in
                let watch = try stage.eventLoop.watch(pipe.reading, for: .reading, name: "pipe") { readiness in
                    #expect(readiness.contains(.reading))
                    stage.count += 1
                    pipe.drain()
                    heard.happen()
                }
                stage.keep(watch)
            }
            pipe.write()
            await heard.value
            await stage.run { ($0.kept.first as? DescriptorWatch)?.cancel() }
            pipe.write()
            await stage.run { _ in }
            #expect(await stage.count == 1)
            await stage.letGo()
        }
    }

    @Test func anEventForADescriptorThatWasTakenAgainReachesNobody() async throws {
        try await withStage { stage in
            let done = Event<Void>()
            try await stage.run { stage in
                let loop = stage.eventLoop
                let scene = Scene()
                // Both are ready in the same turn; whichever runs first closes the other and takes its number again.
                for index in 0..<2 {
                    let pipe = Pipe()
                    pipe.write()
                    scene.pipes.append(pipe)
                    let watch = try loop.watch(pipe.reading, for: .reading, name: "pipe") { _ in
                        stage.note("first")
                        scene.watches[index].cancel()
                        let other = 1 - index
                        scene.watches[other].cancel()
                        let number = scene.pipes[other].reading
                        scene.pipes[other].replaceReading()
                        let again = try? loop.watch(number, for: .reading, name: "again") { _ in stage.note("again") }
                        if let again { scene.watches.append(again) }
                    }
                    scene.watches.append(watch)
                }
                let last = loop.makeTimer { done.happen() }
                last.schedule(at: loop.now.advanced(byMilliseconds: 2))
                stage.keep(last)
                stage.keep(scene)
            }
            await done.value
            #expect(await stage.log == ["first"])
            await stage.letGo()
        }
    }

    @Test func aWatchWithoutInterestIsSilentAndMayWakeAgain() async throws {
        try await withStage { stage in
            let pipe = Pipe()
            let heard = Event<Void>()
            let writable = try await stage.run { stage in
                let watch = try stage.eventLoop.watch(pipe.reading, for: .reading, name: "pipe") { _ in
                    stage.count += 1
                    pipe.drain()
                    heard.happen()
                }
                try watch.update([])
                stage.keep(watch)
                return watch.interest.isEmpty
            }
            #expect(writable)
            pipe.write()
            await stage.run { _ in }
            #expect(await stage.count == 0)
            try await stage.run { try ($0.kept.first as? DescriptorWatch)?.update(.reading) }
            await heard.value
            await stage.letGo()
        }
    }

    @Test func watchingAClosedDescriptorSaysSo() async throws {
        try await withStage { stage in
            let error = await stage.run { stage -> LoopError? in
                do {
                    _ = try stage.eventLoop.watch(1 << 20, for: .reading, name: "closed") { _ in }
                    return nil
                } catch {
                    return error as? LoopError
                }
            }
            #expect(error?.code == EBADF)
            #expect(error?.description == "cannot watch descriptor 1048576: bad file descriptor")
        }
    }

    @Test func theLoopTellsWatchesThatItStops() async throws {
        let pipe = Pipe()
        let loop = try EventLoop(name: "stopping")
        try loop.start()
        let stage = Stage(loop)
        try await stage.run { stage in
            let watch = try loop.watch(pipe.reading, for: .reading, name: "pipe") { readiness in
                if readiness == .loopStopped { stage.note("stopped") }
            }
            stage.keep(watch)
        }
        loop.stop()
        #expect(await stage.log == ["stopped"])
        await stage.letGo()
    }
}

private final class Scene {
    var pipes: [Pipe] = []
    var watches: [DescriptorWatch] = []
}

final class Pipe: @unchecked Sendable {
    let reading: CInt
    private let writing: CInt
    private var replacedWriting: CInt = -1

    init() {
        var ends: (CInt, CInt) = (-1, -1)
        unsafe #expect(clinux_pipe(&ends.0, &ends.1) == 0)
        (reading, writing) = ends
    }

    deinit {
        close(reading)
        close(writing)
        if replacedWriting >= 0 { close(replacedWriting) }
    }

    func write() {
        var byte: UInt8 = 1
        _ = unsafe Glibc.write(writing, &byte, 1)
    }

    func drain() {
        var byte: UInt8 = 0
        while unsafe read(reading, &byte, 1) > 0 {}
    }

    /// Puts an empty pipe in place of the reading end, under the same number.
    func replaceReading() {
        var ends: (CInt, CInt) = (-1, -1)
        unsafe #expect(clinux_pipe(&ends.0, &ends.1) == 0)
        dup2(ends.0, reading)
        close(ends.0)
        replacedWriting = ends.1
    }
}
