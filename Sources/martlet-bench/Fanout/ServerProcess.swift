import Glibc
import Loop

/// The server under measurement, in a child process of the same program.
final class ServerProcess {
    let port: UInt16
    let rtspPort: UInt16
    let processID: pid_t
    private let input: CInt
    private let output: CInt
    private var hasStopped = false

    init() throws {
        var toChild: [CInt] = [0, 0]
        var fromChild: [CInt] = [0, 0]
        guard unsafe pipe(&toChild) == 0, unsafe pipe(&fromChild) == 0 else {
            throw BenchmarkFault("no pipe to be had")
        }
        // What the child does not use it must not hold open: the end of its input is what ends it.
        for descriptor in toChild + fromChild { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, fromChild[1], STDOUT_FILENO)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        var child = pid_t()
        let status = unsafe "/proc/self/exe".withCString { program in
            unsafe "serve".withCString { command in
                var arguments: [UnsafeMutablePointer<CChar>?] = unsafe [
                    UnsafeMutablePointer(mutating: program), UnsafeMutablePointer(mutating: command), nil,
                ]
                return unsafe posix_spawn(&child, program, &actions, nil, &arguments, environ)
            }
        }
        close(toChild[0])
        close(fromChild[1])
        guard status == 0 else { throw BenchmarkFault("the server's process does not start: error \(status)") }
        processID = child
        input = toChild[1]
        output = fromChild[0]
        let ports = Self.readLine(from: output)?.split(separator: " ").compactMap { UInt16($0) } ?? []
        guard ports.count == 2 else { throw BenchmarkFault("the server's process does not answer") }
        port = ports[0]
        rtspPort = ports[1]
    }

    deinit { stop() }

    /// Ends the server and waits for it.
    func stop() {
        guard !hasStopped else { return }
        hasStopped = true
        close(input)
        close(output)
        var status: CInt = 0
        unsafe waitpid(processID, &status, 0)
    }

    func reading() throws -> ServerReading {
        send(.read)
        guard let line = Self.readLine(from: output), let reading = ServerReading(line: line) else {
            throw BenchmarkFault("the server's process gave no reading")
        }
        return reading
    }

    /// Memory of the process that is in RAM, in bytes.
    func residentBytes() throws -> Int {
        let text = String(
            decoding: try FileReader.readNow("/proc/\(processID)/statm", maximumSize: 4_096), as: UTF8.self)
        guard let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw BenchmarkFault("the server's memory cannot be read")
        }
        return pages * Int(getpagesize())
    }

    func startTrace() { send(.trace) }

    func stopTrace() {
        send(.endTrace)
        _ = Self.readLine(from: output)
    }

    private func send(_ command: ServeCommand.Command) {
        var byte = command.rawValue
        _ = unsafe write(input, &byte, 1)
    }

    private static func readLine(from descriptor: CInt) -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while unsafe read(descriptor, &byte, 1) == 1 {
            if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
        return nil
    }
}
