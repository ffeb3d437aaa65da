internal import Glibc

/// Where programs are that this one starts.
public enum Executable {
    /// Whether there is a file at `path` that this process may execute. A few system calls.
    public static func isRunnable(_ path: String) -> Bool {
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
        return unsafe access(path, X_OK) == 0
    }

    /// The program called `name`: beside this process's own, else in a directory of PATH; nil when there is none.
    public static func find(_ name: String, path: String? = ProcessEnvironment.variables["PATH"]) -> String? {
        var directories = (path ?? "").split(separator: ":").map(String.init)
        if let own = ownPath, let slash = own.lastIndex(of: "/") { directories.insert(String(own[..<slash]), at: 0) }
        return directories.lazy.map { $0 + "/" + name }.first { isRunnable($0) }
    }

    /// Where the file is, or was before an update replaced it, that this process runs.
    private static var ownPath: String? {
        var buffer = [CChar](repeating: 0, count: 4_096)
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0, count < buffer.count else { return nil }
        let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let deleted = " (deleted)"
        return path.hasSuffix(deleted) ? String(path.dropLast(deleted.count)) : path
    }
}
