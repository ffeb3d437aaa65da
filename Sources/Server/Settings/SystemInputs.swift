internal import Glibc

/// The configuration's two inputs, read from the system once at start and again for a reload.
public enum SystemInputs {
    /// All environment variables.
    public static func environment() -> [String: String] {
        var result: [String: String] = [:]
        var entry = unsafe environ
        while let text = unsafe entry.pointee {
            let pair = unsafe String(cString: text).split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { result[String(pair[0])] = String(pair[1]) }
            unsafe entry += 1
        }
        return result
    }

    /// Reads a settings file whole. Blocks, so not for a loop.
    ///
    /// - Throws: A problem that names the file and the system's reason.
    public static func readFile(_ path: String) throws(SettingProblem) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var contents: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        // One byte over the bound is enough for the reader to refuse the file.
        while contents.count <= YAMLReader.maximumSize {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { break }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw failure(path)
            }
            contents += chunk.prefix(count)
        }
        return contents
    }

    private static func failure(_ path: String) -> SettingProblem {
        let reason = unsafe String(cString: strerror(errno))
        return SettingProblem(origin: SettingOrigin(source: path), message: "cannot be read: \(reason)")
    }
}
