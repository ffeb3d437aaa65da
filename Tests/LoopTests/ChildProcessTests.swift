import Foundation
import Glibc
import Loop
import Testing
import Wire

/// The programs are shells whose descriptor 3 is the channel.
@Suite struct ChildProcessTests {
    /// A shell that runs `script`.
    private static func shell(
        _ script: String, on stage: isolated Stage, limits: ChildProcessLimits = ChildProcessLimits(),
        heard: Event<String>? = nil, ended: Event<ChildProcessEnd>? = nil
    ) -> ChildProcess {
        let child = ChildProcess(
            "/bin/sh", arguments: ["-c", script], on: stage.eventLoop, limits: limits,
            onMessage: { message in
                let text = String(decoding: message.array, as: UTF8.self)
                stage.note(text)
                heard?.happen(text)
            },
            onLine: { stage.note("error: \($0)") }, onEnd: { ended?.happen($0) })
        stage.keep(child)
        return child
    }

    @Test func messagesGoBothWaysWhole() async throws {
        try await withStage { stage in
            let heard = Event<String>()
            await stage.run { stage in
                // A read of a message takes all of it.
                let child = Self.shell(
                    "m=$(dd bs=1000 count=1 <&3 2>/dev/null); printf 'got %s' \"$m\" >&3; read -r never <&3", on: stage,
                    heard: heard)
                #expect(child.send(Array("hello there".utf8)))
            }
            #expect(await heard.value == "got hello there")
            await stage.letGo()
        }
    }

    @Test func itsEndIsToldWithWhatItSaidLast() async throws {
        try await withStage { stage in
            let ended = Event<ChildProcessEnd>()
            await stage.run { stage in
                _ = Self.shell("printf last >&3; echo one >&2; printf two >&2; exit 7", on: stage, ended: ended)
            }
            #expect(await ended.value == .exited(code: 7))
            #expect(await Set(stage.log) == ["last", "error: one", "error: two"])
            await stage.letGo()
        }
    }

    @Test func itHasNoOtherDescriptorsAndFewVariables() async throws {
        try await withStage { stage in
            unsafe setenv("MARTLET_SECRET_OF_A_TEST", "token", 1)
            defer { unsafe unsetenv("MARTLET_SECRET_OF_A_TEST") }
            let heard = Event<String>()
            let ended = Event<ChildProcessEnd>()
            await stage.run { stage in
                _ = Self.shell(
                    "for f in 4 5 6 7 8 9 10 11 12 13 14 15 16; do [ -e /proc/$$/fd/$f ] && o=\"$o $f\"; done; "
                        + "printf '%s|%s|%s' \"$o\" \"$MARTLET_SECRET_OF_A_TEST\" \"${PATH:+path}\" >&3",
                    on: stage, heard: heard, ended: ended)
            }
            // The shell moves some of its own descriptors up to 10 and beyond.
            let said = await heard.value.split(separator: "|", omittingEmptySubsequences: false)
            #expect(said.count == 3)
            #expect(said.first.map { $0.split(separator: " ").allSatisfy { Int($0) ?? 0 >= 10 } } == true)
            #expect(said.last == "path")
            #expect(said.dropFirst().first == "")
            _ = await ended.value
            await stage.letGo()
        }
    }

    /// The number of the child that the stage keeps, when it has started.
    private static func processID(_ stage: Stage) async throws -> pid_t {
        await stage.wait { ($0.kept.first as? ChildProcess)?.processID != nil }
        return try #require(await stage.run { ($0.kept.first as? ChildProcess)?.processID })
    }

    @Test func aProgramThatDoesNotExistIsSaidSo() async throws {
        try await withStage { stage in
            let ended = Event<ChildProcessEnd>()
            await stage.run { stage in
                let child = ChildProcess(
                    "/nonexistent/program", on: stage.eventLoop, onMessage: { _ in }, onLine: { _ in },
                    onEnd: { ended.happen($0) })
                stage.keep(child)
                #expect(child.send([1]), "it waits")
            }
            guard case .notStarted(let error) = await ended.value else {
                Issue.record("it ended otherwise")
                return
            }
            #expect(error.code == ENOENT)
            #expect(error.description.contains("/nonexistent/program"))
            await stage.run { stage in
                let child = stage.kept.first as? ChildProcess
                #expect(child?.processID == nil)
                #expect(child?.queuedMessages == 0)
                #expect(child?.send([1]) == false)
            }
            await stage.letGo()
        }
    }

    /// The queue on which programs are started tells the order: what was handed to it before is done.
    @Test func oneThatIsClosedWhileItStartsIsNotLeftBehind() async throws {
        try await withStage { stage in
            let mark = "martlet-test-\(getpid())-closed"
            let ends = Event<ChildProcessEnd>()
            await stage.run { stage in
                let child = Self.shell("read -r \(mark) <&3", on: stage, ended: ends)
                child.close()
                // Nor is one whose owner has let go of it.
                _ = ChildProcess(
                    "/bin/sh", arguments: ["-c", "read -r \(mark) <&3"], on: stage.eventLoop, onMessage: { _ in },
                    onLine: { _ in }, onEnd: { ends.happen($0) })
                stage.letGo()
            }
            // The second is started after both, the third after they were reaped.
            for _ in 0..<2 {
                await stage.run { _ = Self.shell("read -r never <&3", on: $0) }
                _ = try await Self.processID(stage)
                await stage.letGo()
            }
            #expect(processes(with: mark).isEmpty)
        }
    }

    @Test func aLoopThatStopsWhileOneStartsLeavesNoneBehind() async throws {
        let mark = "martlet-test-\(getpid())-stopped"
        let ended = Event<ChildProcessEnd>()
        let stopped = try await withStage { stage in
            await stage.run { _ = Self.shell("read -r \(mark) <&3", on: $0, ended: ended) }
            return stage
        }
        #expect(await ended.value == .killed(signal: SIGKILL))
        await stopped.letGo()
        try await withStage { stage in
            await stage.run { _ = Self.shell("read -r never <&3", on: $0) }
            _ = try await Self.processID(stage)
            await stage.letGo()
        }
        #expect(processes(with: mark).isEmpty)
    }

    @Test func oneThatIsKilledIsNoticed() async throws {
        try await withStage { stage in
            let ended = Event<ChildProcessEnd>()
            await stage.run { _ = Self.shell("read -r never <&3", on: $0, ended: ended) }
            let pid = try await Self.processID(stage)
            kill(pid, SIGKILL)
            #expect(await ended.value == .killed(signal: SIGKILL))
            await stage.run { stage in
                #expect((stage.kept.first as? ChildProcess)?.send([1]) == false)
            }
            await stage.letGo()
        }
    }

    @Test func itIsKilledAndReapedWithItsOwnerAndWhatItStartedToo() async throws {
        try await withStage { stage in
            let heard = Event<String>()
            await stage.run { stage in
                _ = Self.shell(
                    "sleep 1000 & printf $! >&3; read -r never <&3; sleep 1000", on: stage, heard: heard)
            }
            let grandchild = try #require(await pid_t(heard.value))
            let pid = try await Self.processID(stage)
            await stage.letGo()
            // Reaped: its number is nobody's, not even a zombie's.
            await stage.wait { _ in kill(pid, 0) != 0 }
            // Somebody else reaps what it started.
            await stage.wait { _ in kill(grandchild, 0) != 0 || isZombie(grandchild) }
        }
    }

    @Test func aLoopThatStopsLeavesNoneBehind() async throws {
        let pid = try await withStage { stage in
            await stage.run { _ = Self.shell("read -r never <&3", on: $0) }
            return try await Self.processID(stage)
        }
        #expect(kill(pid, 0) != 0)
    }

    @Test func whatWaitsForOneThatDoesNotReadIsBounded() async throws {
        try await withStage { stage in
            await stage.run { stage in
                var limits = ChildProcessLimits()
                limits.queuedMessages = 3
                let child = Self.shell("sleep 1000", on: stage, limits: limits)
                let message: [UInt8] = Array(repeating: 7, count: 30_000)
                var taken = 0
                while child.send(message), taken < 1_000 { taken += 1 }
                #expect(taken == 3, "while it starts")
                #expect(child.statistics.refused == 1)
            }
            _ = try await Self.processID(stage)
            try await stage.run { stage in
                let child = try #require(stage.kept.first as? ChildProcess)
                let message: [UInt8] = Array(repeating: 7, count: 30_000)
                var taken = 3
                while child.send(message), taken < 1_000 { taken += 1 }
                // The socket's own buffer takes some.
                #expect(taken < 100)
                #expect(child.queuedMessages == 3)
                #expect(child.queuedBytes == 90_000)
                #expect(child.statistics.refused == 2)
                #expect(Int(child.statistics.messagesSent) == taken - 3)
            }
            await stage.letGo()
        }
    }

    @Test func whatWaitedIsSentInOrderWhenThereIsRoom() async throws {
        try await withStage { stage in
            let ended = Event<ChildProcessEnd>()
            await stage.run { stage in
                let child = Self.shell(
                    "n=0; while [ $n -lt 40 ]; do dd bs=30000 count=1 <&3 2>/dev/null | head -c 2 >&3; n=$((n+1)); done",
                    on: stage, ended: ended)
                for number in 0..<40 {
                    let digits = (number < 10 ? "0" : "") + String(number)
                    #expect(child.send(Array(digits.utf8) + Array(repeating: 0x20, count: 20_000)))
                }
            }
            #expect(await ended.value == .exited(code: 0))
            #expect(await stage.log.joined() == (0..<40).map { ($0 < 10 ? "0" : "") + String($0) }.joined())
            await stage.letGo()
        }
    }

    @Test func messagesAndLinesThatAreTooLongAreCut() async throws {
        try await withStage { stage in
            let ended = Event<ChildProcessEnd>()
            await stage.run { stage in
                var limits = ChildProcessLimits()
                limits.messageBytes = 10
                limits.lineBytes = 5
                _ = Self.shell(
                    "printf 12345678901 >&3; printf 1234567890 >&3; echo 123456 >&2; printf '12\\0013\\n' >&2",
                    on: stage, limits: limits, ended: ended)
            }
            _ = await ended.value
            #expect(await Set(stage.log) == ["1234567890", "error: 12345 …", "error: 12 3"])
            await stage.run { stage in
                #expect((stage.kept.first as? ChildProcess)?.statistics.oversized == 1)
            }
            await stage.letGo()
        }
    }
}

private func isZombie(_ pid: pid_t) -> Bool {
    guard let bytes = try? FileReader.readNow("/proc/\(pid)/stat", maximumSize: 400) else { return true }
    return String(decoding: bytes, as: UTF8.self).contains(") Z ")
}

/// The processes whose arguments contain `mark`.
private func processes(with mark: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).filter { entry in
        guard pid_t(entry) != nil,
            let bytes = try? FileReader.readNow("/proc/\(entry)/cmdline", maximumSize: 1 << 20)
        else { return false }
        return String(decoding: bytes, as: UTF8.self).contains(mark)
    }
}
