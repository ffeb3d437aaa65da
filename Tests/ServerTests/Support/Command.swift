import Foundation
import Glibc
import Loop
import Testing
import Wire

/// A program whose output, small enough to wait in a file, is read when it has ended.
///
/// Started by `posix_spawn`: Foundation's `Process` walks over every descriptor of a process that has many, and has been
/// seen to fail at it.
struct Command: Sendable {
    private let process: pid_t
    private let output: URL

    init(_ path: String, _ arguments: [String]) throws {
        output = FileManager.default.temporaryDirectory.appending(path: "martlet-\(UUID().uuidString)")
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 1, output.path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var words = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe words.indices { unsafe free(words[index]) } }
        var child: pid_t = 0
        let result = unsafe posix_spawn(&child, path, &actions, nil, &words, environ)
        try #require(result == 0, "\(path): error \(result)")
        process = child
    }

    /// Waits for the program's end; -1 when it was ended by a signal or did not end.
    func finish() async throws -> (status: Int32, text: String) {
        var status: Int32 = 0
        let hasEnded = await eventually {
            var current: Int32 = 0
            guard unsafe waitpid(process, &current, WNOHANG) == process else { return false }
            status = current
            return true
        }
        defer { try? FileManager.default.removeItem(at: output) }
        let text = String(decoding: try Data(contentsOf: output), as: UTF8.self)
        return (hasEnded && status & 0x7F == 0 ? (status >> 8) & 0xFF : -1, text)
    }

    /// Ends the program as a crash would; milder signals it may have inherited blocked.
    func kill() {
        Glibc.kill(process, SIGKILL)
        var status: Int32 = 0
        unsafe waitpid(process, &status, 0)
        try? FileManager.default.removeItem(at: output)
    }
}
