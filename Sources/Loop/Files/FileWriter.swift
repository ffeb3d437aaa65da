internal import Glibc

/// Writes bytes to a descriptor that is a terminal, a pipe or a file, waiting until they are taken. Never on a loop.
public final class FileWriter: Sendable {
    private let descriptor: CInt
    private let isOwned: Bool

    private init(descriptor: CInt, isOwned: Bool) {
        self.descriptor = descriptor
        self.isOwned = isOwned
    }

    deinit { if isOwned { close(descriptor) } }

    public static let standardOutput = FileWriter(descriptor: STDOUT_FILENO, isOwned: false)
    public static let standardError = FileWriter(descriptor: STDERR_FILENO, isOwned: false)

    /// Appends to the file at `path`, which is made when it is missing, readable by its owner and group.
    public static func appending(to path: String) throws(LoopError) -> FileWriter {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw LoopError("write to \(path)", code: errno) }
        return FileWriter(descriptor: descriptor, isOwned: true)
    }

    /// Whether all of `bytes` was taken; what comes after a fault is lost.
    @discardableResult
    public func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
